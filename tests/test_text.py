"""Text: no stranger moves the cursor, and JSON stays JSON."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.text import continued, inert_json, path_text, readable_json, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("main", "main"),
        ("schöne Knöpfe ✅ 設計", "schöne Knöpfe ✅ 設計"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("safe\u202etxt.exe", "safe\\u202etxt.exe"),
        ("\u200b", "\\u200b"),
        ("\ud800", "\\ud800"),
    ],
)
def test_strangers_cannot_move_the_cursor_or_hide_text(text: str, shown: str) -> None:
    """Control characters, and those that reorder or hide, are written out; all others stay."""
    assert shown == visible(text)


def test_a_path_that_is_no_text_is_spelled_so_that_a_document_can_hold_it() -> None:
    """Its odd bytes as escapes; any other path stays as it is."""
    assert path_text(os.fsdecode(b"caf\xe9/\xc3\xa9.yaml")) == "caf\\xe9/é.yaml"
    assert path_text("/etc/設計.yaml") == "/etc/設計.yaml"


@settings(max_examples=100)
@given(st.text())
def test_visible_text_is_one_printable_line(text: str) -> None:
    """Whatever a stranger sends."""
    assert visible(text).isprintable()


@pytest.mark.parametrize(
    ("sentence", "rest"),
    [
        ("Hostname mismatch", "hostname mismatch"),
        ("IP address mismatch", "IP address mismatch"),
        ("X", "X"),
        ("", ""),
    ],
)
def test_anothers_sentence_goes_on_in_lower_case(sentence: str, rest: str) -> None:
    """Abbreviations, and what is shorter than a word, stay."""
    assert rest == continued(sentence)


@settings(max_examples=100)
@given(st.text())
def test_inert_json_says_the_same(text: str) -> None:
    """Every line of it is printable, and whoever reads it gets what was written."""
    shown = inert_json(json.dumps([text], ensure_ascii=False, indent=2))

    assert all(line.isprintable() for line in shown.split("\n"))
    assert [text] == json.loads(shown)


def test_a_character_beyond_the_first_plane_is_escaped_as_json_has_it() -> None:
    """By its two UTF-16 units; half of one alone by itself."""
    assert inert_json('"\U000e0001\u202e"') == '"\\udb40\\udc01\\u202e"'
    assert inert_json('"\ud800\x7f"') == '"\\ud800\\u007f"'


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b'{"a":[1.10,"\xc2\x9b"]}', '{\n  "a": [\n    1.10,\n    "\\u009b"\n  ]\n}'),
        (b'{"a":\t"\\ud800"}', '{"a":\t"\\ud800"}'),
        (b"no \x1b json", "no \\u001b json"),
        (b"[" * 100_000, "[" * 100_000),
    ],
    ids=["json", "half a pair", "none", "deep"],
)
def test_json_for_people_is_indented_and_safe_to_print(raw: bytes, shown: str) -> None:
    """Numbers stay as they came; what cannot be read is shown as it came."""
    assert shown == readable_json(raw)
