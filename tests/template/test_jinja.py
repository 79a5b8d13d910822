"""The template language keeps out what minijinja can do: stop the process, fill the memory, print Python."""

import html
import json
import re

import minijinja
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import Unrenderable
from router.event import Event
from router.template import jinja
from router.template.grammar import FILTERS, TESTS
from router.template.template import Template, variables_of

LISTED = minijinja.Environment().render_str("{{ debug() }}")


def built_in(kind: str) -> list[str]:
    """The names that minijinja itself brings along."""
    found = re.search(rf"{kind}: \[(.*?)\]", LISTED, re.DOTALL)
    assert found is not None
    return re.findall(r'"(\w+)"', found[1])


def failure(text: str) -> str | None:
    """The kind of a template's failure, or None if it renders."""
    try:
        jinja.render(text, {"x": "1"}, None, 1000)
    except jinja.Failure as error:
        return str(error.kind)
    except jinja.FAULTS:
        return "a fault of the value"
    return None


@pytest.mark.parametrize("name", sorted(set(built_in("filters")) - set(FILTERS)))
def test_a_filter_that_is_not_ours_is_gone(name: str) -> None:
    """Also by `map`, whose filter is a value: some of them abort the process when given a large number."""
    with pytest.raises(jinja.Failure, match="unknown filter"):
        jinja.render(f"{{{{ ['x']|map('{name}')|list }}}}", {}, None, 100)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_that_is_ours_exists(name: str) -> None:
    """What `check` lets pass must not be unknown when it renders."""
    assert failure(f"{{{{ x|{name} }}}}") != "UnknownFilter"


@pytest.mark.parametrize("name", TESTS)
def test_a_test_that_is_ours_exists(name: str) -> None:
    """Likewise for what stands behind `is`."""
    assert failure(f"{{{{ x is {name} }}}}") != "UnknownTest"


@pytest.mark.parametrize("number", [10**6, 10**10, 10**18, -(10**18), 2**200])
@pytest.mark.parametrize(
    "text",
    [
        "{{ x|round(n) }}",
        "{{ 'a'|truncate(n) }}",
        "{{ range(n)|length }}",
        "{{ range(0, n, n)|length }}",
        "{{ 'a b'|split(' ', n) }}",
        "{{ x|string|replace('1', n)|length }}",
        "{{ {'a': 1}|tojson }}{{ n ** 2 }}{{ n * n }}",
        "{{ [1, 2][n] }}{{ 'ab'[:n] }}",
        "{{ 'a' * n }}",
        "{{ [1]|sort(reverse=n)|list }}",
    ],
)
def test_no_number_of_a_stranger_stops_the_process(text: str, number: int) -> None:
    """It renders, or fails as anything else does."""
    try:
        jinja.render(text, {"n": number, "x": 1.5}, None, 100)
    except (jinja.Failure, jinja.Unrenderable, *jinja.FAULTS):
        pass


def test_a_view_shows_no_python() -> None:
    """No attribute, no method, no repr of an object."""
    shown = {"v": jinja.View(lambda: {"a": {"b": [1]}})}

    for text in (
        "{{ v.__class__ }}",
        "{{ v._read }}",
        "{{ v.keys }}",
        "{{ v.a.b.count }}",
        "{{ v['__init__'] }}",
    ):
        assert jinja.render(text, shown, None, 100) == ""
    assert jinja.render("{{ v }}{{ v.a.b }}", shown, None, 100) == '{"a":{"b":[1]}}[1]'


NAMES = st.sampled_from(
    ["branch", "changes", "title", "payload", "payload.a", "payload.a[1].k", "labels", "1", "none"]
)
OPERATORS = st.sampled_from(["+", "-", "*", "/", "%", "~", "<", "==", "in"])
EXPRESSIONS = st.recursive(
    NAMES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(FILTERS)).map("|".join),
        st.tuples(inner, st.sampled_from(FILTERS), inner).map(lambda each: "({}|{}({}))".format(*each)),
        st.tuples(inner, OPERATORS, inner).map(lambda each: "({} {} {})".format(*each)),
        st.tuples(inner, st.sampled_from(TESTS)).map(lambda each: "({} is {})".format(*each)),
        st.lists(inner, max_size=2).map(lambda each: f"[{', '.join(each)}]"),
    ),
    max_leaves=5,
)


@given(EXPRESSIONS)
@settings(max_examples=300)
def test_any_template_renders_inertly_or_is_unrenderable(expression: str) -> None:
    """No other error, no hole in the escape."""
    hostile = "<!channel> & <https://evil|ok>"
    payload = json.dumps({"a": [1, {"k": hostile}, None], hostile: hostile}).encode()
    shown = Event(
        source="web", provider="percy", branch=hostile, title=hostile, changes=10**12,
        labels={hostile: hostile}, received_at=0.0, payload=payload,
    )  # fmt: skip
    for text in (
        "{{ EXPR }}",
        "{% for x in EXPR %}{{ x }}{% endfor %}",
        "{% set x = EXPR %}{% if x %}{{ x }}{% endif %}",
    ):
        try:
            made = Template(text.replace("EXPR", expression)).render(variables_of(shown, "", ""), html.escape)
        except Unrenderable as error:
            made = str(error)

        assert "<" not in made
