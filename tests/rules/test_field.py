"""Fields: names that exist, paths into the payload, and messages for the rest."""

import pytest

from router.event import FIELDS
from router.rules.field import Several, dotted, is_payload, reader
from router.rules.rule import check_field
from tests.rules.making import event

DOCUMENT = {
    "build": {"number": 7, "ok": True, "none": None, "0": "zero"},
    "tags": ["a", "b"],
    "items": [{"name": "x", "ids": [1, 2]}, {"name": "y", "ids": [3]}, {"other": 1}],
    "empty": [],
    "map": {"k": 1, "l": 2},
}


@pytest.mark.parametrize("field", [*FIELDS, "labels.team", "labels.a.b", "payload.a", "payload.a.*.0"])
def test_every_field_of_an_event_may_be_asked(field: str) -> None:
    """So may any label and any path."""
    check_field(field)
    assert type(reader(field)(event())) is not Several


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("brnch", "'brnch' is not a field; did you mean 'branch'?"),
        ("Branch", "'Branch' is not a field; did you mean 'branch'?"),
        ("label.team", "'label.team' is not a field; did you mean 'labels.team'?"),
        ("label", "'label' is not a field; did you mean 'labels.<name>'?"),
        ("paylod", "'paylod' is not a field; did you mean 'payload.<path>'?"),
        (
            "branch.name",
            "'branch.name' is not a field; write one of provider, source, event, kind, status, "
            "provider_status, branch, commit, project, build, changes, author, title, url, pull_request, "
            "labels.<name>, payload.<path>",
        ),
        ("labels", "'labels' needs a label's name; write labels.<name>"),
        ("labels.", "'labels.' needs a label's name; write labels.<name>"),
        ("payload", "'payload' needs a path; write payload.<path>"),
        ("payload.a..b", "'payload.a..b' has an empty step; write names with one dot between them"),
        ("payload.a.", "'payload.a.' has an empty step; write names with one dot between them"),
    ],
)
def test_an_unknown_field_is_an_error(field: str, message: str) -> None:
    """The message names the field and what was probably meant."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the whole message is compared
        check_field(field)

    assert str(caught.value) == message
    with pytest.raises(ValueError):  # noqa: PT011  # compared above
        reader(field)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("build.number", [7]),
        ("build.ok", [True]),
        ("build.none", [None]),
        ("build.missing", [None]),
        ("build.number.deeper", [None]),
        ("build.0", ["zero"]),
        ("build", [DOCUMENT["build"]]),
        ("tags.1", ["b"]),
        ("tags.2", [None]),
        ("tags.01", ["b"]),
        ("tags.-1", [None]),
        ("tags.x", [None]),
        ("tags.٠", [None]),
        (f"tags.{'9' * 5000}", [None]),
        ("tags.*", ["a", "b"]),
        ("items.*.name", ["x", "y", None]),
        ("items.*.ids.*", [1, 2, 3]),
        ("items.1.ids.0", [3]),
        ("empty.*", [None]),
        ("empty.*.name", [None]),
        ("map.*", [1, 2]),
        ("build.number.*", [None]),
        ("missing.*", [None]),
    ],
)
def test_a_path_leads_into_the_payload(path: str, values: list[object]) -> None:
    """Digits index lists, `*` is any element, and what is not there is absent."""
    found = reader(f"payload.{path}")(event(DOCUMENT))

    assert (list(found) if type(found) is Several else [found]) == values
    assert (type(found) is Several) == (len(values) > 1)


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("payload.items[0].name", "payload.items.0.name"),
        ("payload.items[*].ids[]", "payload.items.*.ids.*"),
        ("payload.a['b c'][\"d-e\"].[f]", "payload.a.b c.d-e.f"),
        ("payload.a['b.c']", None),
        ("payload.a.0.*", None),
        ("payload.a[", None),
        ("labels.a[0]", None),
    ],
)
def test_a_path_with_brackets_is_known_as_one(field: str, meant: str | None) -> None:
    """So other programs write it; a name with a dot in it cannot be asked for."""
    assert dotted(field) == meant


def test_a_list_of_the_senders_is_one_value() -> None:
    """It is present, and matches no text; `*` leads to what is in it."""
    assert reader("payload.tags")(event(DOCUMENT)) == ["a", "b"]
    assert reader("payload.tags.*")(event(DOCUMENT)) == Several(["a", "b"])


def test_labels_and_fields_are_read_by_name() -> None:
    """A label that is not set is absent."""
    given = event(branch="main", labels={"team": "design", "a.b": "c"})

    assert reader("branch")(given) == "main"
    assert reader("labels.team")(given) == "design"
    assert reader("labels.a.b")(given) == "c"
    assert reader("labels.none")(given) is None


def test_only_payload_paths_decode_the_payload() -> None:
    """The others can be read of an event whose body is not at hand."""
    assert [field for field in ("branch", "labels.payload.x", "payload.x") if is_payload(field)] == [
        "payload.x"
    ]
