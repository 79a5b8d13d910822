"""The example is the manual: it starts as it is, all of it is right, and nothing is missing from it."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from router.config.load import load
from router.config.schema import json_schema
from router.event import FIELDS, KINDS, STATUSES
from router.journal.journal import JournalSettings
from router.quarantine import MOST
from router.retry import RetryPolicy
from router.rules.pattern import Absent, Exact, Expression, Item, Range, Wildcard
from router.rules.rule import Rule
from router.server.settings import ServerSettings
from router.sinks import SINKS
from router.sinks.sink import Sink
from router.sources import SOURCES
from router.sources.source import Defaults, Source

EXAMPLE = Path(__file__).parents[1] / "config.example.yaml"
TEXT = EXAMPLE.read_text("utf-8")
SWITCH = re.compile(r"^#\| ?", re.MULTILINE)
WHOLE = SWITCH.sub("", TEXT)
BLOCKS = [
    block
    for stretch in re.findall(r"(?:^#\|.*\n)+", TEXT, re.MULTILINE)
    for block in re.split(r"^#\|\n", stretch, flags=re.MULTILINE)
]


def first_line(block: str) -> str:
    """What a block is called in a test's name."""
    return SWITCH.sub("", block).strip().splitlines()[0].split("#")[0].strip()


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """The example with every line switched on."""
    path = tmp_path / "whole.yaml"
    path.write_text(WHOLE, "utf-8")
    return path


def sections(name: str) -> list[dict[str, Any]]:
    """The sections below `sources` or `sinks`, as plain data."""
    return list(yaml.safe_load(WHOLE)[name].values())


def keys(kind: type[msgspec.Struct], *, hidden: Iterable[str] = ()) -> set[str]:
    """What a struct has fields for."""
    return {field.encode_name for field in msgspec.structs.fields(kind)} - set(hidden)


def test_it_starts_without_one_variable_set() -> None:
    """`make run` works on a machine that knows nothing of secrets."""
    config = load(EXAMPLE, resolve={})

    assert config.warnings == []
    assert all(source.unsigned for source in config.sources.values())
    assert {type(sink) for sink in config.sinks.values()} == {SINKS["log"], SINKS["file"]}


def test_it_offers_every_provider_at_once() -> None:
    """A webhook of any provider can be tried without editing anything."""
    assert {source.provider for source in load(EXAMPLE).sources.values()} == set(SOURCES)


def test_it_is_right_with_every_line_switched_on(whole: Path) -> None:
    """What is commented out cannot rot."""
    assert load(whole).warnings == []


@pytest.mark.parametrize("block", BLOCKS, ids=first_line)
def test_each_block_stands_by_itself(block: str, tmp_path: Path) -> None:
    """Whoever switches on one block need not switch on another, but for the sinks that its rule names."""
    named = [name for name in yaml.safe_load(WHOLE)["sinks"] if "- name:" in block and name in block]
    sinks = "".join(f"  {name}: {{type: log}}\n" for name in named)
    text = TEXT.replace(block, SWITCH.sub("", block)).replace("\nsinks:\n", f"\nsinks:\n{sinks}")
    path = tmp_path / "config.yaml"
    path.write_text(text, "utf-8")

    assert load(path).path == str(path)


def test_the_published_schema_accepts_it() -> None:
    """An editor that checks against the schema does not complain about the manual."""
    validator = jsonschema.Draft202012Validator(msgspec.to_builtins(json_schema()))

    assert [error.message for error in validator.iter_errors(yaml.safe_load(TEXT))] == []
    assert [error.message for error in validator.iter_errors(yaml.safe_load(WHOLE))] == []


@pytest.mark.parametrize(("section", "table"), [("sources", SOURCES), ("sinks", SINKS)])
def test_every_type_is_shown(section: str, table: Mapping[str, object]) -> None:
    """A provider or destination that the manual does not know does not exist for its reader."""
    assert {each["type"] for each in sections(section)} == set(table)


@pytest.mark.parametrize("kind", [*SOURCES.values(), *SINKS.values()], ids=lambda kind: kind.__name__)
def test_every_setting_of_a_type_is_shown(kind: type[Source | Sink]) -> None:
    """A type's own settings in a section of that type."""
    table: Mapping[str, object] = SOURCES if issubclass(kind, Source) else SINKS
    shared = keys(Source if issubclass(kind, Source) else Sink)
    shown = {
        key
        for section in sections("sources" if issubclass(kind, Source) else "sinks")
        if table[section["type"]] is kind
        for key in section
    }

    assert keys(kind) - shared <= shown


@pytest.mark.parametrize(("section", "kind"), [("sources", Source), ("sinks", Sink)])
def test_every_shared_setting_is_shown(section: str, kind: type[msgspec.Struct]) -> None:
    """What every source or every sink takes, in at least one of them."""
    shown = {key for each in sections(section) for key in each}

    assert keys(kind, hidden=["name"]) <= shown


def test_every_setting_of_the_program_is_shown() -> None:
    """Listeners, journal, defaults, retry and rules, and the one list at the top."""
    document = yaml.safe_load(WHOLE)

    assert keys(ServerSettings) == set(document["server"])
    assert keys(JournalSettings) == set(document["journal"])
    assert any(keys(Defaults) == set(each.get("defaults", ())) for each in sections("sources"))
    assert any(keys(RetryPolicy) == set(each.get("retry", ())) for each in sections("sinks"))
    assert keys(Rule) == {key for rule in document["rules"] for key in rule}
    assert set(document) == {"server", "journal", "sources", "sinks", "rules", "allow_networks"}


def test_every_field_of_an_event_is_matched_somewhere(whole: Path) -> None:
    """And labels and payload, too."""
    used = {
        field
        for rule in load(whole).matcher.rules
        for condition in (*rule.when, *rule.unless)
        for field, _ in condition.fields
    }

    assert {field.split(".")[0] for field in used} == {*FIELDS, "labels", "payload"}


@pytest.mark.parametrize("word", [*KINDS, *STATUSES])
def test_every_word_of_the_vocabulary_is_named(word: str) -> None:
    """In the comment above the rules."""
    comment = TEXT.split("# Fields")[1].split("# Patterns")[0]

    assert re.search(rf"\b{word}\b", comment)


def test_every_kind_of_pattern_is_used(whole: Path) -> None:
    """Exact, glob, expression, range, absent; and each of them taken out again where that makes sense."""
    items: list[Item] = [
        item
        for rule in load(whole).matcher.rules
        for condition in (*rule.when, *rule.unless)
        for _, patterns in condition.fields
        for item in patterns.items
    ]
    texts = {item.text for item in items}
    ranges = [item.test for item in items if isinstance(item.test, Range)]

    assert {type(item.test) for item in items} == {Exact, Wildcard, Expression, Range, Absent}
    assert {True, False} == {item.negated for item in items if isinstance(item.test, Absent)}
    assert {True, False} == {item.negated for item in items if isinstance(item.test, Wildcard)}
    assert all(any(mark in text for text in texts) for mark in ("**", "*", "?", "\\"))
    assert {(one.low is None, one.high is None) for one in ranges} == {
        (True, False),
        (False, True),
        (False, False),
    }


def test_settings_shown_as_defaults_are_the_defaults(whole: Path) -> None:
    """A manual that lies about a default is worse than none."""
    config = load(whole)
    sink = config.sinks["release-bot"]
    server = msgspec.structs.replace(config.server, admin_token=None, trusted_proxies=())

    assert server == ServerSettings()
    # The last two say what has no default: where hints come from, and that a promise may be broken.
    journal = msgspec.structs.replace(config.journal, listen_url=None, may_lose_acknowledged_events=False)
    assert journal == JournalSettings()
    assert (sink.concurrency, sink.timeout, sink.retry) == (Sink().concurrency, Sink().timeout, Sink().retry)


def test_the_bounds_of_the_quarantine_are_those_of_the_program() -> None:
    """A number in a comment goes stale otherwise."""
    assert f"at most {MOST:,}, and ten a second" in re.sub(r"\n#\| +#", "", TEXT)


def test_a_secret_in_a_file_says_how_it_goes_under_systemd() -> None:
    """The user of the unit cannot read root's files, and what all may read is refused."""
    at = TEXT.index("file:/etc/visual-router/happo.secret")

    assert "credential:happo" in TEXT[at : at + 300]


def test_no_line_is_wider_than_the_code() -> None:
    """It is read side by side with something else."""
    assert max(map(len, TEXT.splitlines())) <= 112
