"""The words of templates: what is none of ours is refused at load, with its line and a guess."""

import pytest

from router.template.grammar import FILTERS, TESTS
from router.template.template import VARIABLES, Template
from router.units import Reasons

FIELD_LIST = ", ".join(VARIABLES)
STATEMENTS = "statements are if, for, set x = …, with and raw"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain text with 100 % and a { brace }",
        "{{ project }} on {{ branch }}",
        "{{ payload.a.b[0]['c d'] }} {{ labels.team }}",
        "{{ branch|default('none')|upper }}",
        "{% if status == 'pending' and not branch is none %}{{ changes }}{% else %}x{% endif %}",
        "{% if build %}{% elif title %}{% endif %}",
        "{% for x in payload.list %}{{ loop.index }}{{ loop.cycle('a', 'b') }}{% endfor %}",
        "{% for x in payload.list %}{% if x %}{% continue %}{% endif %}{% endfor %}",
        "{% for i in range(3) %}{{ i }}{% break %}{% endfor %}",
        "{% set n = (changes or 0) * 2 %}{{ n }}",
        "{% with x = 1 %}{{ x }}{% endwith %}",
        "{%- if branch -%}{{- branch -}}{%- endif -%}",
        "{{ '}} {{ nope|nope }} {% macro %}' }}",
        "{# {{ nope|nope }} {% macro f() %} #}",
        "{% raw %}{{ nope|nope }}{% macro %}{% endraw %}",
        '{{ "is nope" }}{{ "|nope" }}{{ ".nope(" }}',
        "{{ branch is startingwith('release/') }}",
        "{{ payload.is.it }}",
    ],
)
def test_our_words_parse(text: str) -> None:
    """Whatever the language has, and whatever stands in quotes, comments and raw blocks."""
    assert Template.parse(text).text == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ brnch }}", "the template names an unknown field 'brnch'; did you mean 'branch'?"),
        ("{{ zzzzzz }}", f"the template names an unknown field 'zzzzzz'; fields are {FIELD_LIST}"),
        ("a\n\n{{ brnch }}", "the template names an unknown field 'brnch' in line 3; did you mean 'branch'?"),
        ("{{ branch|uper }}", "the template names an unknown filter 'uper'; did you mean 'upper'?"),
        (
            "{% if status == 'never' %}\n{{ branch | safe }}{% endif %}",
            f"the template names an unknown filter 'safe' in line 2; filters are {', '.join(FILTERS)}",
        ),
        ("{{ branch is nonee }}", "the template names an unknown test 'nonee'; did you mean 'none'?"),
        ("{{ branch is not zz }}", f"the template names an unknown test 'zz'; tests are {', '.join(TESTS)}"),
        (
            "{{ branch.upper() }}",
            "the template calls a method 'upper'; use a filter, as in {{ branch|upper }}",
        ),
        (
            "x\n{{ payload.items() }}",
            "the template calls a method 'items' in line 2; use a filter, as in {{ branch|upper }}",
        ),
        (
            "{{ payload.a.review-state }}",
            "the template subtracts in '.review-state'; write ['review-state'] for a name with '-'",
        ),
        (
            "{{ project }}\n{% for x in payload['a b'] %}{{ x.total-diffs-seen }}{% endfor %}",
            "the template subtracts in '.total-diffs-seen' in line 2; write ['total-diffs-seen'] for a name "
            "with '-'",
        ),
        ("{{ labels.a-b }}", "the template subtracts in '.a-b'; write ['a-b'] for a name with '-'"),
        ("{{ nope() }}", f"the template names an unknown field 'nope'; fields are {FIELD_LIST}"),
        (
            "{{ '#' * changes }}",
            "the template repeats text by '*'; a stranger's number could fill the memory",
        ),
        (
            '{{ changes * "#" }}',
            "the template repeats text by '*'; a stranger's number could fill the memory",
        ),
        ("{% macro f() %}{% endmacro %}", f"the template uses 'macro'; {STATEMENTS}"),
        ("x\n{% include 'a' %}", f"the template uses 'include' in line 2; {STATEMENTS}"),
        ("{% set x %}{{ branch }}{% endset %}", f"the template uses 'endset'; {STATEMENTS}"),
        ("{% autoescape false %}{% endautoescape %}", f"the template uses 'autoescape'; {STATEMENTS}"),
    ],
)
def test_a_foreign_word_is_refused_with_its_line_and_a_guess(text: str, message: str) -> None:
    """Also in a branch that hardly ever renders: there it would be found too late."""
    with pytest.raises(ValueError, match="the template") as caught:
        Template.parse(text)

    assert str(caught.value) == message


def test_all_foreign_words_are_told_at_once() -> None:
    """Each once, with the first line it stands in."""
    text = "{{ a1 }}{{ branch|uper }}\n{{ b1|nope is odder }} {{ a1 }} {{ title.x() }}{{ 2 * '-' }}\n{{ b1 }}"
    with pytest.raises(Reasons) as caught:
        Template.parse(text)

    assert [reason.partition(";")[0] for reason in caught.value.reasons] == [
        "the template names an unknown field 'a1'",
        "the template names an unknown field 'b1' in line 2",
        "the template names an unknown filter 'uper'",
        "the template names an unknown filter 'nope' in line 2",
        "the template names an unknown test 'odder' in line 2",
        "the template calls a method 'x' in line 2",
        "the template repeats text by '*' in line 2",
    ]
    assert str(caught.value) == "; ".join(caught.value.reasons)
