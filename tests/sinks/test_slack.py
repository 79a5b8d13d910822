"""Slack: a message within all limits, inert whatever strangers wrote, and every answer understood."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.attachments import BlockAttachment
from slack_sdk.models.blocks import Block

from router.delivery import Dead, Delivered, Hold, Pause, Retry
from router.event import Event
from router.secret import Secret
from router.sinks.slack import Slack, fit
from router.template.template import SAMPLES, Template
from router.units import Rate
from tests.sinks.samples import HOSTILE, NOW, bare, delivery, reply, sample, strange

SLACK = Slack(name="design", url=Secret("env:SLACK_URL", "https://hooks.slack.com/services/T/B/x"))


def posted(event: Event, message: Template | None = None, sink: Slack = SLACK) -> dict[str, Any]:
    """What Slack gets."""
    return json.loads(sink.request(event, delivery(), NOW, message).body)


def blocks_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """All blocks, those of attachments included."""
    return [*body["blocks"], *(block for each in body["attachments"] for block in each["blocks"])]


def texts_of(body: dict[str, Any]) -> list[str]:
    """Everything that Slack reads as its own markup."""
    found = [body["text"]]
    for block in blocks_of(body):
        found += [part["text"] for part in [block.get("text"), *block.get("elements", [])] if part]
    return found


def check_limits(body: dict[str, Any]) -> None:
    """Slack's limits, by its own SDK and by its documented figures."""
    for block in blocks_of(body):
        parsed = Block.parse(json.loads(json.dumps(block)))
        assert parsed is not None
        parsed.validate_json()
    for attachment in body["attachments"]:
        BlockAttachment(
            blocks=[Block.parse(dict(each)) for each in attachment["blocks"]], color=attachment["color"]
        )
        assert re.fullmatch(r"#[0-9a-f]{6}", attachment["color"])
    assert len(blocks_of(body)) <= 50
    assert 1 <= len(body["text"]) <= 4000
    (section,) = body["blocks"]
    assert 1 <= len(section["text"]["text"]) <= 3000
    (context,) = body["attachments"][0]["blocks"]
    assert [1 <= len(element["text"]) <= 2000 for element in context["elements"]] == [True]
    if "accessory" in section:
        assert len(section["accessory"]["text"]["text"]) <= 75
        assert len(section["accessory"]["url"]) <= 3000


def test_a_message_says_what_happened_and_where_to_click() -> None:
    """One sentence with a button, and the facts beside a bar in the colour of the status."""
    assert posted(sample()) == {
        "text": "👀 web-app: 14 changes to review on feature/calmer",
        "blocks": [
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "verbatim": True,
                    "text": "👀 *web-app*: 14 changes to review on `feature/calmer`\nCalmer buttons",
                },
                "accessory": {
                    "type": "button",
                    "text": {"type": "plain_text", "emoji": False, "text": "Review changes"},
                    "url": "https://www.chromatic.com/build?appId=1&number=1248",
                    "style": "primary",
                },
            }
        ],
        "attachments": [
            {
                "color": "#ecb22e",
                "blocks": [
                    {
                        "type": "context",
                        "elements": [
                            {
                                "type": "mrkdwn",
                                "verbatim": True,
                                "text": "build 1248 · pull request 88 · commit 3f2a9c1 by Ada Lovelace · "
                                "Chromatic",
                            }
                        ],
                    }
                ],
            }
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_the_request_goes_to_the_secret_url() -> None:
    """A POST of JSON; nothing else authenticates it."""
    request = SLACK.request(sample(), delivery(), NOW)

    assert (request.method, request.url) == ("POST", "https://hooks.slack.com/services/T/B/x")
    assert request.headers == {"content-type": "application/json", "user-agent": "visual-router/0.1.0"}


def test_an_event_without_anything_makes_a_message_without_holes() -> None:
    """No branch, no title, no button."""
    body = posted(bare(kind="ping"))

    assert body["text"] == "🔔 web: ping from Percy, the webhook works"
    assert body["blocks"][0]["text"]["text"] == "🔔 *web*: ping from Percy, the webhook works"
    assert "accessory" not in body["blocks"][0]
    check_limits(body)


def test_only_what_needs_a_human_has_a_loud_button() -> None:
    """Otherwise loudness would mean nothing."""
    loud = {
        status: "style" in posted(sample(status=status))["blocks"][0]["accessory"]
        for status in ("pending", "passed", "denied", None)
    }

    assert loud == {"pending": True, "passed": False, "denied": False, None: False}


@pytest.mark.parametrize("event", [*SAMPLES, sample(), bare()], ids=lambda event: event.type)
def test_every_kind_of_event_is_within_slacks_limits(event: Event) -> None:
    """Validated by the models of Slack's SDK."""
    check_limits(posted(event))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("template", [None, "{{ title }} {{ labels }} {{ payload }} {{ branch ~ author }}"])
def test_strangers_can_neither_mention_nor_link(text: str, template: str | None) -> None:
    """No `<` or `>` of theirs survives, every `&` begins an entity, and all limits hold."""
    body = posted(strange(text), template and Template(template))

    check_limits(body)
    for said in texts_of(body):
        assert "<" not in said
        assert ">" not in said
        assert not re.search(r"&(?!(amp|lt|gt);)", said)


@given(st.builds(dict, title=st.text(), branch=st.text(), author=st.text(), project=st.text(), url=st.text()))
@settings(max_examples=150)
def test_any_text_makes_a_valid_message(fields: dict[str, str]) -> None:
    """Whatever a commit or a branch is called."""
    check_limits(posted(sample(**fields)))


def test_a_branch_cannot_leave_its_code_span() -> None:
    """A backtick in it is shown as an apostrophe."""
    section = posted(sample(branch="a`b` *c*", title=None))["blocks"][0]

    assert section["text"]["text"] == "👀 *web-app*: 14 changes to review on `a'b' *c*`"


def test_the_operators_text_replaces_the_sentence() -> None:
    """Its own markup works, what it prints of an event is escaped; button, facts and colour stay."""
    text = Template("<!here> <{{ url }}|{{ branch }}>\n*{{ message }}*\n")
    body = posted(sample(branch="a<b>&c"), text)

    said = (
        "<!here> <https://www.chromatic.com/build?appId=1&amp;number=1248|a&lt;b&gt;&amp;c>\n"
        "*web-app: 14 changes to review on a&lt;b&gt;&amp;c*"
    )
    assert (body["text"], body["blocks"][0]["text"]["text"]) == (said, said)
    assert "accessory" in body["blocks"][0]
    assert posted(sample(), None, msgspec.structs.replace(SLACK, template=Template("x")))["text"] == "x"


@pytest.mark.parametrize(
    ("fields", "link"),
    [
        ({"title": "Button | Primary |"}, "<https://x.example/1|Button ¦ Primary ¦>"),
        ({"title": "First\n\nsecond > first"}, "<https://x.example/1|First second &gt; first>"),
        ({"title": "x" * 3000}, f"<https://x.example/1|{'x' * 299}…>"),
        ({"title": "&" * 3000}, f"<https://x.example/1|{'&amp;' * 59}…>"),
        ({"title": None}, "<https://x.example/1>"),
        ({"url": None}, "Calmer buttons"),
        ({"url": None, "title": None}, ""),
    ],
)
def test_a_link_of_the_operators_stays_one_whatever_its_label_holds(
    fields: dict[str, Any], link: str
) -> None:
    """A bar in it would end the address; too long, it would cost the whole link; and either may be absent."""
    event = sample(**{"url": "https://x.example/1", **fields})

    said = posted(event, Template("<!here> <{{ url }}|{{ title }}> by <@U012|Ada><{{ labels.no }}>"))["text"]

    assert said == f"<!here> {link} by <@U012|Ada>"


def test_the_address_of_an_event_ends_neither_at_a_bar_nor_at_a_blank() -> None:
    """A bar begins the label of a link: in an address both are written as escapes."""
    event = sample(url="https://x.example/?tags=a|b c")

    assert posted(event, Template("<{{ url }}|{{ title }}>"))["text"] == (
        "<https://x.example/?tags=a%7Cb%20c|Calmer buttons>"
    )


@pytest.mark.parametrize("said", ["!channel", "!here", "@U012", "#C012", "!subteam^S012", "\ue000!channel"])
def test_nothing_in_an_event_makes_a_mention_of_a_link(said: str) -> None:
    """Whom a message calls is the operator's to say; anybody who knows a hook may send it labels."""
    event = sample(url=said, title=said, labels={"link": said, "team": "S012"})
    text = "<{{ url }}|Open> <{{ labels.link }}> <!subteam^{{ labels.team }}> <@U1|Ada> {{ title }}"
    shown = said.removeprefix("\ue000")

    assert posted(event, Template(text))["text"] == f"Open  <!subteam^S012> <@U1|Ada> {shown}"


def test_an_expression_of_the_operators_may_call() -> None:
    """What stands in the template is the operator's, wherever it stands."""
    text = Template("<{{ '!channel' if status == 'pending' else '!here' }}> {{ project }}")

    assert posted(sample(), text)["text"] == "<!channel> web-app"


@pytest.mark.parametrize(
    "text", ["<3 | team\n> a quote", "<!date^1392734382^Posted {date} at {time}|on Tuesday>"]
)
def test_what_is_no_link_stays_as_the_operator_wrote_it(text: str) -> None:
    """An address has no blank in it."""
    assert posted(sample(), Template(text))["text"] == text


def test_a_field_cannot_turn_the_operators_words_around() -> None:
    """A branch may hold direction marks; a name in Hebrew needs none, and stays."""
    event = sample(branch="\u202eniam\u2066", author="אדה")

    said = posted(event, Template("{{ branch }}, not main, by {{ author }}"))["text"]

    assert said == "niam, not main, by אדה"


@pytest.mark.parametrize("text", ["{{ build + 1 }}", "{{ payload.nope }}", "  \n ", "{{ 'x' ~ title }}"])
def test_a_template_that_fails_or_says_nothing_gives_way_to_the_sentence(text: str) -> None:
    """A message must arrive, and Slack takes no empty one."""
    huge = sample(title="x" * 70_000, branch="main")

    assert posted(huge, Template(text))["text"] == "👀 web-app: 14 changes to review on main"


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("short", 5, "short"),
        ("abcdef", 5, "abcd…"),
        ("ab&amp;cd", 5, "ab…"),
        ("ab&amp;cd", 6, "ab…"),
        ("ab&amp;cd", 7, "ab…"),
        ("ab&amp;cd", 8, "ab&amp;…"),
        ("&lt;&lt;&lt;", 10, "&lt;&lt;…"),
        ("a & b c d e f", 10, "a & b c d…"),
        ("a <https://x.example|y> b", 12, "a …"),
        ("a <https://x.example|y> bcd", 26, "a <https://x.example|y> b…"),
    ],
)
def test_a_cut_never_goes_through_an_entity_or_a_link(text: str, limit: int, cut: str) -> None:
    """Half an entity would show, and half a link would swallow what follows."""
    assert fit(text, limit) == cut


@given(st.text(alphabet="ab&<> ", max_size=200), st.integers(6, 60))
@settings(max_examples=300)
def test_any_cut_of_escaped_text_is_escaped_text(text: str, limit: int) -> None:
    """Of at most so many characters."""
    cut = fit(Slack.escape(text), limit)

    assert len(cut) <= limit
    assert not re.search(r"&(?!(amp|lt|gt);)|[<>]", cut)


def test_slack_is_posted_to_once_a_second_one_at_a_time() -> None:
    """Slack's own limit, and the order of a channel."""
    assert (SLACK.rate, SLACK.concurrency) == (Rate(1, 1.0), 1)
    assert SLACK.supersedes
    assert not Slack(url=SLACK.url, supersede=False).supersedes


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"ok", Delivered()),
        (200, b"ok\n", Delivered()),
        (200, b"", Retry("answered 200")),
        (200, b"OK, queued", Retry("answered 200 'OK, queued'")),
        (200, b"no_service", Pause("answered 200 'no_service'")),
        (200, b"invalid_payload", Dead("answered 200 'invalid_payload'")),
        (404, b"No service", Pause("answered 404 'No service'")),
        (404, b"no_service", Pause("answered 404 'no_service'")),
        (404, b"no_team", Pause("answered 404 'no_team'")),
        (404, b"channel_not_found", Pause("answered 404 'channel_not_found'")),
        (400, b"channel_not_found", Pause("answered 400 'channel_not_found'")),
        (400, b"user_not_found", Pause("answered 400 'user_not_found'")),
        (
            400,
            b"posting_to_general_channel_denied",
            Pause("answered 400 'posting_to_general_channel_denied'"),
        ),
        (403, b"action_prohibited", Pause("answered 403 'action_prohibited'")),
        (403, b"invalid_token", Pause("answered 403 'invalid_token'")),
        (500, b"no_active_hooks", Pause("answered 500 'no_active_hooks'")),
        (410, b"channel_is_archived", Pause("answered 410 'channel_is_archived'")),
        (400, b"invalid_payload", Dead("answered 400 'invalid_payload'")),
        (400, b"invalid_blocks", Dead("answered 400 'invalid_blocks'")),
        (
            500,
            b"missing_text_or_fallback_or_attachments",
            Dead("answered 500 'missing_text_or_fallback_or_attachments'"),
        ),
        (500, b"rollup_error", Retry("answered 500 'rollup_error'")),
        (400, b"rollup_error", Retry("answered 400 'rollup_error'")),
        (400, b"a word of tomorrow", Dead("answered 400 'a word of tomorrow'")),
        (503, b"<html>\n\x1b[31m</html>", Retry("answered 503 '<html> \\x1b[31m</html>'")),
        (302, b"<html>", Retry("answered 302 '<html>'")),
        (302, b"", Retry("answered 302, a redirect, and none is followed; set url to where it leads")),
        (404, b"x" * 200, Pause(f"answered 404 '{'x' * 79}…'")),
    ],
)  # fmt: skip
def test_slacks_word_decides_before_its_status(status: int, body: bytes, expected: object) -> None:
    """And stands in the reason, on one printable line."""
    assert SLACK.judge(reply(status, body), NOW) == expected


def test_too_many_messages_hold_the_sink_whatever_the_word() -> None:
    """429 is about the rate."""
    answer = reply(429, b"rate_limited", {"Retry-After": "30"})

    assert SLACK.judge(answer, NOW) == Hold(30.0, "answered 429 'rate_limited'")
    assert SLACK.judge(reply(429, b"no_service"), NOW) == Hold(30.0, "answered 429 'no_service'")


def test_the_preview_names_the_reference_of_the_url() -> None:
    """The URL itself is the credential."""
    shown = SLACK.preview(sample(), delivery(), NOW)

    assert shown.startswith(
        "POST env:SLACK_URL\ncontent-type: application/json\nuser-agent: visual-router/0.1.0\n\n{\n"
    )
    assert json.loads(shown.partition("\n\n")[2]) == posted(sample())


def test_an_unresolved_url_cannot_be_posted_to() -> None:
    """A daemon resolves before it delivers; a bug there must not post to nowhere."""
    with pytest.raises(RuntimeError, match="env:X was never resolved"):
        Slack(url=Secret("env:X")).request(sample(), delivery(), NOW)
