"""Rules as written: the text that is stored, and that it is read as the same rules for ever."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from router.config.load import load, parse_rules
from router.errors import ConfigError

HEAD = """
sources: {web: {type: chromatic, unsigned: true}}
sinks: {out: {type: log}, more: {type: log}}
"""
RULES = """
rules:
  - name: 1.10
    when:
      - branch: [main, "!release/old-*", null, "null", 'release/**', 1.10, no, ~]
        status: [pending, "!null"]
      - {changes: 50.., payload.build.number: ..5}
    unless: {author: "re:^(a|b)#\\\\d+$", title: "~"}
    to: [out, more]
    final: true
    message: "{{ project }}: \\U0001F600 \\x7f \\u2028 done"
  - {name: all, to: out}
"""


def loaded(folder: Path, text: str) -> Any:
    """A configuration from its text."""
    path = folder / "config.yaml"
    path.write_text(text, "utf-8")
    return load(path)


def test_stored_rules_are_the_rules_that_were_stored(tmp_path: Path) -> None:
    """Null stays null, text stays text, and the digest is the same."""
    matcher = loaded(tmp_path, HEAD + RULES).matcher
    again = parse_rules(matcher.text)

    assert again.rules == matcher.rules
    assert again.text == matcher.text
    assert again.digest == matcher.digest


def test_stored_rules_keep_null_apart_from_the_word(tmp_path: Path) -> None:
    """One is an absent branch, the other a branch called null."""
    matcher = loaded(tmp_path, HEAD + RULES).matcher
    branches = msgspec.json.decode(matcher.text)[0]["when"][0]["branch"]

    assert branches == ["main", "!release/old-*", None, "null", "release/**", "1.10", "no", None]


def test_stored_rules_do_not_depend_on_comments_or_layout(tmp_path: Path) -> None:
    """A reload after tidying up is not another ruleset."""
    plain = loaded(tmp_path, HEAD + "rules:\n  # why\n  - name: all\n    to: out\n").matcher
    dense = loaded(tmp_path, HEAD + "rules: [{name: 'all', to: out}]\n").matcher
    other = loaded(tmp_path, HEAD + "rules: [{name: all, to: more}]\n").matcher

    assert plain.digest == dense.digest
    assert plain.digest != other.digest


def test_stored_rules_may_name_sinks_that_are_gone() -> None:
    """Yesterday's event is explained by yesterday's rules."""
    assert parse_rules('[{"name": "all", "to": "long-gone"}]').rules[0].to == ("long-gone",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"name": "a", "to": "b", "when": {"colour": "red"}}]', "'colour' is not a field; "),
        (
            '[{"name": "a"}]',
            "rule 'a' has no 'to'; name a sink, or write 'final: true' to end the rules here",
        ),
        ('{"name": "a"}', "'rules' is a list; begin each rule with '- name:'"),
    ],
)
def test_stored_rules_that_this_release_does_not_read_are_an_error(text: str, said: str) -> None:
    """Never rules that silently mean something else."""
    with pytest.raises(ConfigError) as caught:
        parse_rules(text)

    assert str(caught.value).startswith(f"rules:1:1: {said}")


patterns = st.none() | st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=8
).filter(lambda text: not text.startswith(("!", "re:")))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "to": st.lists(st.sampled_from(["out", "more"]), min_size=1, unique=True),
                "when": st.dictionaries(
                    st.sampled_from(["branch", "author", "title", "project", "labels.a", "payload.x.*.0"]),
                    st.lists(patterns, min_size=1, max_size=3),
                    min_size=1,
                ),
            }
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_rules_survive_being_stored(rules: list[dict[str, Any]]) -> None:
    """As JSON or as YAML of any style, stored and read again, they are equal."""
    named = [{"name": f"rule {number}", **rule} for number, rule in enumerate(rules)]
    try:
        matcher = parse_rules(msgspec.json.encode(named).decode())
    except ConfigError:
        return
    again = parse_rules(matcher.text)

    assert again.rules == matcher.rules


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="aA0_-./ :#'\"\\nulonfyes~é😀", max_size=6), min_size=1, max_size=4))
def test_what_a_yaml_writer_quotes_is_read_as_it_was_meant(
    tmp_path_factory: Any, branches: list[str]
) -> None:
    """Whoever generates the file need not know how it is read."""
    document = {
        "sources": {"web": {"type": "chromatic", "unsigned": True}},
        "sinks": {"out": {"type": "log"}},
        "rules": [{"name": "all", "when": {"title": [*branches, None]}, "to": "out"}],
    }
    path = tmp_path_factory.mktemp("yaml") / "config.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    try:
        config = load(path)
    except ConfigError:
        return

    assert msgspec.json.decode(config.matcher.text)[0]["when"]["title"] == [*branches, None]
