"""Templates: what operators may write is checked at load; what strangers wrote stays a value."""

import json
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import Unrenderable
from router.event import FIELDS, Event
from router.template.jinja import json_escape
from router.template.template import SAMPLES, TEXT_LIMIT, VARIABLES, Template, rfc3339, trial, variables_of

FULL = "the template fails for an event of type 'build.pending'"


def slack_like(text: str) -> str:
    """An escape that shows where it was applied."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def event(payload: bytes = b"{}", **fields: object) -> Event:
    """An event with only the fields that are given."""
    return Event(id="evt_1", source="web", provider="percy", received_at=0.0, payload=payload, **fields)


def rendered(text: str, shown: Event, escape: object = None) -> str:
    """A template's text for an event."""
    return Template.parse(text).render(variables_of(shown, "a rule", "a sink", "a message"), escape)


def test_the_fields_of_an_event_are_variables_by_their_names() -> None:
    """Every field, the ids, the route and the built-in message can be named."""
    full = SAMPLES[0]

    for name in FIELDS:
        assert rendered(f"{{{{ {name} }}}}", full) == str(getattr(full, name))
    assert (
        rendered("{{ id }} {{ type }} {{ rule }} {{ sink }} {{ message }} {{ received_at }}", full)
        == "evt_00000000000000 build.pending a rule a sink a message 2026-01-01T00:00:00.000Z"
    )
    assert {*FIELDS, "labels", "payload"} < set(VARIABLES)


@pytest.mark.parametrize(
    "text",
    [
        "{{ branch }}",
        "{{ branch ~ '' }}",
        "{{ branch|upper }}",
        "{{ labels.team }}",
        "{{ payload.a.b.c }}",
        "{{ payload.none }}",
        "{{ payload.none ~ '' }}",
        "{{ payload.none|lower }}",
        "{{ payload.list[9] }}",
        "{{ payload.items }}",
        "{{ payload.keys }}",
        "{{ branch|first }}{{ branch|last }}{{ branch|join(',') }}{{ branch|truncate(3) }}",
        "{% for item in payload.nope %}x{% endfor %}",
        "{% for key, value in payload.nope|items %}x{% endfor %}",
        "{{ branch|replace('a', 'b') }}",
        "{{ branch[:7] }}{{ payload.none[:7] }}{{ branch[2:]|truncate(3) }}{{ branch|list }}",
    ],
)
def test_what_is_absent_prints_nothing(text: str) -> None:
    """A missing field, a null and a missing path are all the same: nothing, whatever is done with it."""
    assert rendered(text, event(b'{"none": null, "list": []}')) == ""


def test_an_empty_list_is_nothing_in_a_text_but_not_in_json() -> None:
    """There it may be the value that a receiver waits for; and what a sender wrote is shown as it is."""
    shown = event(b'{"list": []}')

    assert rendered("{{ payload.list }}", shown) == "[]"
    assert rendered('{"a": {{ payload.nope[:3] }}}', shown, json_escape) == '{"a": []}'


def test_absent_values_have_a_default() -> None:
    """`default` serves absent fields and nulls alike, `none` and `defined` tell them apart from the rest."""
    shown = event(b'{"none": null}', project="web-app")

    assert rendered("{{ branch|default('no branch') }}", shown) == "no branch"
    assert rendered("{{ payload.none|default('no value') }}", shown) == "no value"
    assert rendered("{{ project|default('x') }} {{ ''|default('x', true) }}", shown) == "web-app x"
    assert rendered("{{ branch is none }} {{ project is defined }} {{ branch is undefined }}", shown) == (
        "true true true"
    )
    assert rendered("{{ branch|length }} {{ project|length }} {{ changes or 0 }}", shown) == "0 7 0"


def test_the_payload_can_be_walked() -> None:
    """Maps and lists of the provider's JSON are read by name, number, loop and filter."""
    shown = event(b'{"a": {"items": [1, {"k": "v"}, null]}, "t": true, "f": 1.5, "none": null}')

    assert rendered("{{ payload.a.items[1].k }}{{ payload['a']['items'][0] }}", shown) == "v1"
    assert rendered("{{ payload.t }} {{ payload.f }}", shown) == "true 1.5"
    assert rendered("{{ payload.a.items|length }}{{ payload.a.items|first }}", shown) == "31"
    assert rendered("{{ payload.a['items'][:2]|last }}", shown) == '{"k":"v"}'
    assert rendered("{% for key, value in payload|items %}{{ key }} {% endfor %}", shown) == "a t f "
    assert rendered("{% for key in payload %}{{ key }} {% endfor %}", shown) == "a t f none "
    assert rendered("{{ payload.a.items|reverse|join(',') }}", shown) == ',{"k":"v"},1'
    assert rendered("{{ payload.a.items|map(attribute='k')|join }}", shown) == "v"
    assert rendered("{{ 'a' in payload }} {{ payload|length }}", shown) == "true 4"


def test_containers_print_as_json() -> None:
    """Nobody reads Python's own notation, and JSON is what the provider sent."""
    shown = event(b'{"a": [true, null, "<x>"]}', labels={"team": "design"})

    assert rendered("{{ payload }}", shown) == '{"a":[true,null,"<x>"]}'
    assert rendered("{{ payload.a }}{{ labels }}", shown) == '[true,null,"<x>"]{"team":"design"}'
    assert rendered("{{ payload|string }}{{ payload.a ~ '' }}", shown) == (
        '{"a":[true,null,"<x>"]}[true,null,"<x>"]'
    )
    assert rendered("{{ payload|tojson }}", shown) == '{"a":[true,null,"<x>"]}'


@pytest.mark.parametrize(
    "hostile", ["{{ 7 * 7 }}", "${x}", "%s", "{0.__class__}", "{% raw %}", "{{ payload }}", "{#"]
)
def test_a_strangers_text_is_never_a_template(hostile: str) -> None:
    """Template syntax in a value appears verbatim."""
    shown = event(json.dumps({"x": hostile}).encode(), branch=hostile)

    assert (
        rendered("{{ branch }}|{{ payload.x }}|{{ branch ~ '' }}", shown) == f"{hostile}|{hostile}|{hostile}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{{ branch }}",
        "{{ branch|upper }}",
        "{{ branch ~ '' }}",
        "{{ '' ~ branch }}",
        "{{ [branch] }}",
        "{{ {'k': branch} }}",
        "{{ [branch]|join }}",
        "{{ branch|list }}",
        "{{ branch|tojson }}",
        "{{ branch|tojson|upper }}",
        "{{ branch|replace('x', branch) }}",
        "{{ 'x'|replace('x', branch) }}",
        "{{ nope.x|default(branch) }}".replace("nope", "payload"),
        "{{ labels }}",
        "{{ labels.team }}",
        "{{ payload }}",
        "{{ payload|tojson }}",
        "{{ payload|string }}",
        "{{ payload.list }}",
        "{{ payload.list|sort|reverse|join('<') }}",
        "{% for key, value in payload|items %}{{ key }}{{ value }}{% endfor %}",
        "{% set x = branch %}{{ x }}",
        "{% if branch %}{{ branch|trim }}{% endif %}",
        "{{ payload.list|groupby('a') }}",
        "{{ branch|truncate(5) }}",
        "{{ branch|title }}{{ branch|capitalize }}{{ branch|lower }}",
        "{{ branch|split('e') }}",
        "{{ branch if true }}",
        "{{ branch[:4] }}",
    ],
)
def test_nothing_an_expression_does_hides_a_value_from_the_escape(text: str) -> None:
    """The escape is the last step, so no filter, container or operator gets around it."""
    hostile = "<!everyone> & <https://evil|ok>"
    payload = json.dumps({"<k>": hostile, "list": [hostile, hostile]}).encode()
    made = rendered(text, event(payload, branch=hostile, labels={"team": hostile}), slack_like)

    assert "<" not in made
    assert ">" not in made
    assert made != ""


def test_text_outside_of_the_braces_is_the_operators_own() -> None:
    """It is never escaped: that is where links and mentions are written."""
    shown = event(branch="a&b", url="https://percy.io/x")

    assert rendered("<{{ url }}|{{ branch }}> <!here> &", shown, slack_like) == (
        "<https://percy.io/x|a&amp;b> <!here> &"
    )


@given(st.text(), st.text(alphabet=string.printable))
@settings(max_examples=150)
def test_json_between_quotes_stays_json(title: str, branch: str) -> None:
    """A field within the quotes of a JSON body cannot end them; a whole value is printed by `tojson`."""
    shown = event(title=title, branch=branch)
    text = '{"t": "{{ title }}", "b": {{ branch|tojson }}, "n": {{ changes|tojson }}}'

    assert json.loads(rendered(text, shown, json_escape)) == {"t": title, "b": branch, "n": None}


def test_json_in_a_filter_is_escaped_again() -> None:
    """Only what is printed as a whole goes out as it is."""
    shown = event(branch='a"b')

    assert rendered("{{ branch|tojson }}", shown, json_escape) == '"a\\"b"'
    assert rendered('"{{ branch|tojson|upper }}"', shown, json_escape) == '"\\"A\\\\\\"B\\""'


def test_text_can_be_cut_and_counted() -> None:
    """The two things that messages need most."""
    shown = event(title="Calmer buttons everywhere", changes=1)

    assert (
        rendered("{{ title|truncate(8) }} {{ title|truncate }}", shown) == "Calmer… Calmer buttons everywhere"
    )
    assert rendered("{{ changes }} change{{ changes|pluralize }}", shown) == "1 change"
    assert rendered("{{ title|length }} letter{{ title|length|pluralize }}", shown) == "25 letters"
    assert rendered("{{ 2|pluralize('y', 'ies') }}", shown) == "ies"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ branch + 1 }}", "the template failed at line 1: InvalidOperation"),
        ("\n{{ 1 / 0 }}", "the template failed at line 2: InvalidOperation"),
        ("{{ changes|length }}", "the template failed: TypeError"),
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "the template failed at line 1: OutOfFuel",
        ),
        ("{{ branch }}{{ branch }}", f"the template made more than {TEXT_LIMIT} characters"),
        ("{{ branch }}" + "x" * 16000, f"the template made more than {TEXT_LIMIT} characters"),
    ],
)
def test_a_failure_names_line_and_kind_and_nothing_of_the_event(text: str, reason: str) -> None:
    """What a stranger wrote must not come back in an error."""
    shown = event(branch="x" * (TEXT_LIMIT - 10), changes=3)

    with pytest.raises(Unrenderable) as caught:
        rendered(text, shown)

    assert str(caught.value) == reason


def test_the_output_bound_counts_while_it_prints() -> None:
    """A loop over a stranger's list ends at the bound, not when the memory does."""
    shown = event(json.dumps({"list": [0] * 5000, "big": "x" * 5000}).encode())
    printed: list[int] = []

    def counting(text: str) -> str:
        printed.append(len(text))
        return text

    with pytest.raises(Unrenderable, match=f"more than {TEXT_LIMIT} characters"):
        rendered("{% for _ in payload.list %}{{ payload.big }}{% endfor %}", shown, counting)

    assert sum(printed) < TEXT_LIMIT + 5001


@pytest.mark.parametrize(
    "text", ["{{ labels.pop('a') }}", "{{ payload.clear() }}", "{{ payload.list.append(1) }}"]
)
def test_a_template_cannot_call_a_method_of_an_event(text: str) -> None:
    """Parsing refuses it; rendering, if it came to that, does too, and the event is untouched."""
    shown = event(b'{"list": [1]}', labels={"a": "b"})

    with pytest.raises(Unrenderable):
        Template(text).render(variables_of(shown, "", ""))

    assert (shown.labels, shown.document) == ({"a": "b"}, {"list": [1]})


def test_the_payload_is_decoded_only_if_it_is_looked_at() -> None:
    """A template without it does not pay for it; a body that does not decode is a failure like any other."""
    broken = event(b"{", branch="main")

    assert rendered("{{ branch }}", broken) == "main"
    with pytest.raises(Unrenderable, match="the template failed: ValueError"):
        rendered("{{ payload.x }}", broken)


def test_a_template_is_its_text() -> None:
    """Settings are compared to find out what a reload changed."""
    assert Template("a") == Template("a")
    assert Template("a") != Template("b")
    assert Template("a") != "a"
    assert len({Template("a"), Template("a")}) == 1
    assert repr(Template("a")) == "Template('a')"


def test_a_template_has_a_length() -> None:
    """What an operator writes is short; a limit bounds what a loop repeats of it."""
    assert Template.parse("x" * 16384).text == "x" * 16384
    with pytest.raises(ValueError, match=r"^the template has 16385 characters; at most 16384 are allowed$"):
        Template.parse("x" * 16385)


def test_a_time_is_written_in_utc_to_the_millisecond() -> None:
    """RFC 3339, the form that every language reads."""
    assert rfc3339(1_777_863_721.25) == "2026-05-04T03:02:01.250Z"
    assert rfc3339(1_777_863_721.9999999) == "2026-05-04T03:02:02.000Z"


@given(st.floats(0, 4e9) | st.integers(0, 1 << 53).map(lambda ticks: ticks / (1 << 22)))
def test_a_time_is_the_one_that_the_library_writes(seconds: float) -> None:
    """At the borders of milliseconds, seconds, days and years, too."""
    written = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")

    assert rfc3339(seconds) == written.replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{{ changes + 1 }}",
            "the template fails for an event of type 'build.running' at line 1: tried to use + operator on "
            "unsupported types undefined and number (`changes` is undefined); a field may be absent, write "
            "(changes or 0)",
        ),
        (
            "{{ branch|split('/')|last }}",
            "the template fails for an event of type 'review' at line 1: value is not a string; a field may "
            "be absent, write (branch or '')",
        ),
        ("{{ changes|split('/') }}", f"{FULL} at line 1: value is not a string"),
        ("{{ title|int }}", f"{FULL} at line 1: invalid float literal"),
        (
            "{{ payload.x.y }}{{ title|length(3) }}",
            f"{FULL}: _length() takes 1 positional argument but 2 were given",
        ),
        (
            "{% for _ in range(9999) %}........{% endfor %}",
            f"{FULL}: the template made more than {TEXT_LIMIT} characters",
        ),
        (
            "{% for _ in range(99999) %}{% for _ in range(9) %}{% endfor %}{% endfor %}",
            f"{FULL} at line 1: OutOfFuel",
        ),
    ],
)
def test_a_trial_finds_at_load_what_would_fail_for_some_event(text: str, message: str) -> None:
    """It renders a sample of every kind and says for which it fails, and why."""
    with pytest.raises(ValueError, match="the template fails") as caught:
        trial(Template.parse(text))

    assert str(caught.value) == message


def test_a_trial_lets_pass_what_works_and_what_only_the_payload_can_tell() -> None:
    """The samples have no payload of any provider, so a type error under it may be theirs."""
    trial(Template.parse("{{ project }} on {{ branch|default('-') }}: {{ (changes or 0) + 1 }}"), slack_like)
    trial(Template.parse("{{ payload.build.number + 1 }}"))


def test_a_trial_can_judge_the_result() -> None:
    """What a sink needs of its text beyond that it renders."""

    def check(text: str) -> None:
        json.loads(text)

    trial(Template.parse('{"n": {{ changes|tojson }}}'), json_escape, check)
    with pytest.raises(ValueError, match=r"'build\.running': Expecting value: line 1 column 7"):
        trial(Template.parse('{"n": {{ changes }}}'), json_escape, check)


def test_the_samples_have_every_kind_and_every_field() -> None:
    """Otherwise a trial would say less than it promises."""
    assert all(getattr(SAMPLES[0], name) is not None for name in FIELDS)
    assert {sample.kind for sample in SAMPLES} == {
        "build", "review", "review-decision", "comparison", "flake", "ping", "unknown",
    }  # fmt: skip
