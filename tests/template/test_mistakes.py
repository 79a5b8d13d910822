"""Templates that do not parse: told in the words of whoever wrote them, with the fix."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.template.mistakes import doubts, reads
from router.template.template import MAPS, VARIABLES, Template

USUAL = "write {{ branch }}, or with a filter {{ branch|upper }}"
QUOTES = "close its quotes; a text with ' in it stands in double quotes"
STATEMENTS = "statements are if, for, set x = …, with and raw"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ branch ", "does not close '{{'; write '}}' behind it: '{{ branch '"),
        ("a\n{{ branch }\nb", "does not close '{{' in line 2; write '}}' behind it: '{{ branch }'"),
        ("{{ {{ branch }} }}", "does not close '{{'; write '}}' behind it: '{{ {{ branch }} }}'"),
        ("{% if branch }x", "does not close '{%'; write '%}' behind it: '{% if branch }x'"),
        ("{# a remark", "does not close '{#'; write '#}' behind it: '{# a remark'"),
        ("{# {{ #}{{ 'abc }}", f"does not understand '{{{{ 'abc }}}}'; {QUOTES}"),
        ("{% raw %}{{ x }}", "does not end '{% raw %}'; write {% endraw %} behind it"),
        ("{% if branch %}x", "does not end 'if'; write {% endif %} behind it"),
        (
            "\n{% for x in labels %}{% if x %}{% endif %}",
            "does not end 'for' in line 2; write {% endfor %} behind it",
        ),
        ("{% if branch %}{% endfor %}", "has 'endfor' where nothing of that kind is open; write {% endif %}"),
        ("{% endif %}", "has 'endif' where nothing of that kind is open; remove it"),
        ("{% else %}", "has 'else' without an if; write {% if … %} before it"),
        ("{% foo %}", f"uses 'foo'; {STATEMENTS}"),
        ("{% %}", f"uses ''; {STATEMENTS}"),
        ("\n{% set x %}", f"uses 'set' in line 2; {STATEMENTS}"),
        ("{{ branch }}{{ a b }}", f"does not understand '{{{{ a b }}}}'; {USUAL}"),
        ("{% raw %}{{{% endraw %}{{ }}", f"does not understand '{{{{ }}}}'; {USUAL}"),
        ("{{ " + "x " * 80 + "}}", f"does not understand '{{{{ {'x ' * 28}…'; {USUAL}"),
        ("{{ a && b }}", "does not understand '{{ a && b }}'; write 'and' and 'or'"),
        ("{{ !a }}", "does not understand '{{ !a }}'; write 'not'"),
        (
            "{{ a ? 1 : 2 }}",
            "does not understand '{{ a ? 1 : 2 }}'; write {{ 'this' if changes else 'that' }}",
        ),
        ("{% if a = b %}{% endif %}", "does not understand '{% if a = b %}'; compare with '=='"),
        ("{% if %}{% endif %}", "does not understand '{% if %}'; write {% if status == 'denied' %}"),
        (
            "{% if status %}\n{% elif %}{% endif %}",
            "does not understand '{% elif %}' in line 2; write {% elif status == 'denied' %}",
        ),
        ("{% for x %}{% endfor %}", "does not understand '{% for x %}'; write {% for name in labels %}"),
        ("{% with x %}{% endwith %}", "does not understand '{% with x %}'; write {% with x = branch %}"),
        ("{% set x = %}", "does not understand '{% set x = %}'; write {% set x = branch %}"),
        ("{% if a %}{% else x %}{% endif %}", f"does not understand '{{% else x %}}'; {USUAL}"),
        (
            "{% if a %}{% endif x %}",
            "does not parse; write it anew, bit by bit, beginning with {{ branch }}",
        ),
    ],
)
def test_a_mistake_is_told_with_its_fix(text: str, message: str) -> None:
    """Not with the name of the token at which a library gave up."""
    with pytest.raises(ValueError, match="the template") as caught:
        Template.parse(text)

    told = str(caught.value)
    assert (
        told if "close its quotes" not in message else told[: len(message) + 13]
    ) == f"the template {message}"


PAYLOAD = "is always absent, as 'build' is one value; write 'payload.build.number' for the provider's own"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{project} is", ["'{project}' is sent as it stands; write {{ project }}"]),
        ("a\n${project}", ["'${project}' is sent as it stands in line 2; write {{ project }}"]),
        ("{{ id\n}}\n{title} {title}", ["'{title}' is sent as it stands in line 3; write {{ title }}"]),
        ('{"query": "{ viewer { id } author }"}', []),
        ("{{ event.branch }}", ["'event.branch' is always absent, as 'event' is one value; write 'branch'"]),
        ("{% if build.number %}x{% endif %}{{ build.number }}", [f"'build.number' {PAYLOAD}"]),
        ("{{ payload.a.web-url }}{{ payload.b.web-url }}{% if labels['c'].web-title %}{% endif %}", [
            "the template subtracts in '.web-url'; write ['web-url'] for a name with '-'",
            "the template subtracts in '.web-title'; write ['web-title'] for a name with '-'",
        ]),
        ("{{ (event.url, 1) | first }}{url}", [
            "'{url}' is sent as it stands; write {{ url }}",
            "'event.url' is always absent, as 'event' is one value; write 'url'",
        ]),
    ],
)  # fmt: skip
def test_a_text_that_hardly_means_what_it_says_is_told(text: str, told: list[str]) -> None:
    """Each doubt once, with what to write."""
    assert list(doubts(Template.parse(text).text, VARIABLES, MAPS)) == told


@pytest.mark.parametrize(
    "text",
    [
        "{{ project }} {{ payload.event.branch }} {{ labels.team }} {{ payload['a'].event.branch }}",
        "{word} {} {{ '{project}' }} {Project} {project: {{ project }}}",
        "{% raw %}{project}{% endraw %}{# {project} {{ event.branch }} #}",
        "{{ 'event.branch' }} event.branch",
        "{{ payload.a-1 }}{{ payload.a - changes }}{{ payload.a-payload.b }}",
        "{{ payload['web-url'] }} x.web-url",
        "{% for x in payload.a %}{{ loop.index-changes }}{% endfor %}{{ 1.5-changes }}",
        "{% for x in payload.a %}{{ x.total-x.seen }}{% endfor %}{% set y = 1 %}{{ payload.a-y }}",
        "{% for event in payload.a %}{{ event.branch }}{% endfor %}",
        "{% for key, build in labels|items %}{{ build.number }}{% endfor %}",
        "{% set build = payload.build %}{{ build.number }}",
        "{% with build = payload.build %}{{ build.number }}{% endwith %}",
    ],
)
def test_a_text_that_may_be_meant_is_left_alone(text: str) -> None:
    """Braces around other words, names of one's own, what stands in quotes."""
    assert list(doubts(Template.parse(text).text, VARIABLES, MAPS)) == []


def test_what_a_text_reads_stands_in_its_braces() -> None:
    """Not beside them, not in quotes, not as a part of another word."""
    assert [reads(text, "message") for text in ("{{ message }}", "{% if message|upper %}{% endif %}")] == [
        True
    ] * 2
    assert not reads("message {{ 'message' }} {{ messages }} {# message #}", "message")


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [
                "{{",
                "}}",
                "{%",
                "%}",
                "{#",
                "#}",
                "if ",
                "endif",
                "else",
                "for ",
                "in ",
                "raw",
                "endraw",
                "branch",
                "'",
                '"',
                "-",
                "|",
                "\n",
                " ",
            ]
        ),
        max_size=12,
    )
)
def test_no_text_is_beyond_words(parts: list[str]) -> None:
    """Whatever stands there: a template, or a reason that is ours."""
    text = "".join(parts)
    try:
        told = Template.parse(text).text and "the template parses"
    except ValueError as error:
        told = str(error)

    assert told.startswith("the template ") or not text
