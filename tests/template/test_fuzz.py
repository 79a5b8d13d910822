"""Template text of any kind: compiled or refused with its place; rendered within bounds or unrenderable."""

import html
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.config.load import load
from router.errors import ConfigError, Unrenderable
from router.event import Event
from router.template.grammar import FILTERS, FUNCTIONS, STATEMENTS, TESTS
from router.template.template import TEXT_LIMIT, VARIABLES, Template, variables_of

INSIDES = ("__class__", "__init__", "__globals__", "__mro__", "_read", "_items", "mro", "format", "encode")
MARKS = (
    "{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "|", "(", ")", "[", "]", "{", "}", ".", ",", ":", "'",
    '"', "~", "+", "-", "*", "**", "//", "/", "%", "==", "<", ">=", "not", "and", "or", "in", "is", "else",
    "raw", "endraw", "macro", "endmacro", "call", "include", "import", "extends", "block", "filter", "do",
    "loop", "loop.index", "self", "super()", "caller()", "none", "true", "1", "-1", "1e308", "0x7f",
    "99999999999", "\\", "\n", "\r\n", "\t", "\x00", "\x85", "\u2028", "é", "😀", "x", "i",
    "attr('__class__')", "safe",
)  # fmt: skip
SOUP = st.lists(
    st.sampled_from([*VARIABLES, *FILTERS, *TESTS, *FUNCTIONS, *STATEMENTS, *INSIDES, *MARKS])
    | st.text(max_size=4),
    max_size=25,
).map(" ".join)
# What parses: most of the soup does not.
EXPRESSIONS = st.recursive(
    st.sampled_from((*VARIABLES, "payload.a", "payload.a[0]", "labels.x", "1", "'x'", "[title, 1]")),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(FILTERS)).map("|".join),
        st.tuples(inner, st.sampled_from(FILTERS), inner).map(lambda each: "({}|{}({}))".format(*each)),
        st.tuples(inner, st.sampled_from(TESTS)).map(lambda each: "({} is {})".format(*each)),
        st.tuples(inner, inner).map(lambda each: "({} ~ {})".format(*each)),
    ),
    max_leaves=4,
)
TAGS = st.lists(
    st.one_of(
        SOUP,
        SOUP.map("{{{{ {} }}}}".format),
        st.tuples(st.sampled_from(("if", "for i in", "set x =", "with x =", "raw", "elif", "end")), SOUP).map(
            lambda each: "{{% {} {} %}}".format(*each)
        ),
        st.sampled_from(("{% endif %}", "{% endfor %}", "{% else %}", "{% endwith %}")),
    ),
    max_size=6,
).map("".join)
TEXTS = TAGS | st.lists(
    EXPRESSIONS.map("{{{{ {} }}}}".format)
    | EXPRESSIONS.map("{{% for x in {} %}}{{{{ x }}}}{{% endfor %}}".format),
    min_size=1,
    max_size=3,
).map("".join)
VALUES = st.text(max_size=30) | st.sampled_from(
    ("{{ 7*7 }}", "<!channel>", "%s", "{0.__class__}", "\x00", "9" * 400)
)
PAYLOADS = st.dictionaries(
    st.text(max_size=6) | st.just("a") | st.sampled_from(INSIDES),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | VALUES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
# What only Python says of its own objects.
PYTHON = re.compile(
    r"<(class|function|bound method|built-in|module|router\.|_?[A-Z]\w+ object)| object at 0x|dict_keys"
)
# No more than the place and the kind of a failure.
REASON = re.compile(
    r"(the template (failed( at line \d+)?: [\w :-]+|made (a value of )?more than \d+ characters))?"
)
CONFIG = """
sources: {{web: {{type: happo, unsigned: true}}}}
sinks:
  out: {{type: webhook, url: "https://sink.example/", {option}: {text}}}
rules:
  - {{name: all, to: out, message: {text}}}
"""


def an_event(value: str, payload: dict[str, object], number: int) -> Event:
    """An event that a hostile sender filled."""
    return Event(
        source="web", provider="percy", branch=value, title=value, author=value, url=value, changes=number,
        labels={value: value}, received_at=0.0, payload=json.dumps(payload).encode(),
    )  # fmt: skip


def parsed(text: str) -> Template | None:
    """The template, or None if it is refused with a reason."""
    try:
        return Template.parse(text)
    except ValueError as error:
        return None if str(error) else Template("no reason")


def rendered(template: Template, variables: dict[str, object]) -> tuple[str, str]:
    """The text, and the reason if there is none."""
    try:
        return template.render(variables, html.escape), ""
    except Unrenderable as error:
        return "", str(error)


@given(TEXTS, VALUES, PAYLOADS, st.integers(-(2**63), 2**63))
@settings(max_examples=250)
def test_any_text_is_refused_at_load_or_renders_within_its_bounds(
    text: str, value: str, payload: dict[str, object], number: int
) -> None:
    """Whatever the operator wrote and the sender sent; nothing of Python shows, nothing else is raised."""
    template = parsed(text)
    if template is None:
        return
    assert template == Template(text)
    shown = variables_of(an_event(value, payload, number), "a rule", "a sink", "a message")
    made, reason = rendered(template, shown)

    assert len(made) <= TEXT_LIMIT
    assert not PYTHON.search(html.unescape(made).replace(text, ""))
    assert REASON.fullmatch(reason)


@pytest.mark.parametrize("inside", INSIDES)
@given(st.sampled_from(VARIABLES), VALUES)
@settings(max_examples=20)
def test_no_attribute_of_python_can_be_reached(inside: str, name: str, value: str) -> None:
    """By a dot, by an index, by a filter over a list of them: absent, and never called."""
    shown = variables_of(an_event(value, {"a": [{"b": value}]}, 1), "a rule", "a sink", "a message")
    for text in (
        "{{ NAME.INSIDE }}",
        "{{ NAME['INSIDE'] }}",
        "{{ NAME.INSIDE.INSIDE }}",
        "{{ [NAME]|map(attribute='INSIDE')|join }}",
        "{{ payload.a.INSIDE }}{{ payload.a[0].INSIDE }}",
    ):
        template = Template.parse(text.replace("NAME", name).replace("INSIDE", inside))

        assert rendered(template, shown)[0] == ""


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}{{ title }}{% endfor %}",
        "{{ range(99999999999)|list }}",
        "{{ '(' * 99999999999 }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "[" * 5000 + "]" * 5000 + " }}",
        "{{ " + "not " * 3000 + "x }}",
        "{{ 1" + "|abs" * 3000 + " }}",
        "{{ payload" + ".a" * 6000 + " }}",
        "{% if 1 %}" * 1000 + "{% endif %}" * 1000,
        "{% for i in [1] %}" * 900 + "{% endfor %}" * 900,
    ],
)
def test_what_would_never_end_ends(text: str) -> None:
    """By its fuel, its size or its depth: refused at load, or unrenderable, or a short text."""
    template = parsed(text)
    if template is not None:
        made, reason = rendered(template, variables_of(an_event("x" * 1000, {}, 1), "", ""))
        assert len(made) <= TEXT_LIMIT
        assert REASON.fullmatch(reason)


@pytest.mark.parametrize(
    "text",
    [
        "{{ payload.list|join(title) }}",
        "{{ payload.list|join|length }}",
        "{{ title|replace('x', title) }}",
        "{{ title|replace('', title)|truncate(5) }}",
    ],
)
def test_two_values_of_a_stranger_do_not_fill_the_memory_together(text: str) -> None:
    """A list, and what stands between its items: gigabytes of two megabytes."""
    shown = variables_of(an_event("x" * 200_000, {"list": ["y" * 50] * 50_000}, 1), "", "")

    reason = rendered(Template.parse(text), shown)[1]

    assert reason == "the template made a value of more than 2097152 characters"


@given(TEXTS.filter(str.isprintable), st.sampled_from(("template", "body")))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_in_a_configuration_compiles_or_is_a_problem_with_its_place(
    tmp_path: Path, text: str, option: str
) -> None:
    """As text of a sink, as its body, as a rule's message: file, line and column, and nothing else fails."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(option=option, text=json.dumps(text, ensure_ascii=False)), "utf-8")
    try:
        message, problems = load(path).matcher.message("all"), []
    except ConfigError as error:
        message, problems = None, [str(problem) for problem in error.problems]

    assert message == Template(text) or problems
    for problem in problems:
        assert re.match(rf"{re.escape(str(path))}:[1-9]\d*:[1-9]\d*: \S", problem)
