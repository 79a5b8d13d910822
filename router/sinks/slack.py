"""Slack: one message per event, through an incoming webhook.

Owns Slack's format, limits and answers. Must not know any provider's words.
"""

import re
from functools import partial
from typing import Any

import msgspec

from router.delivery import Dead, Delivered, Delivery, Outcome, Pause, Retry
from router.errors import Unrenderable
from router.event import Event
from router.secret import Secret
from router.sinks.message import Message, message_of, remark, rendered
from router.sinks.sink import USER_AGENT, Reply, Request, Sink, excerpt, judge_status
from router.template.template import Template
from router.text import readable_json
from router.units import Rate

_HEADERS = {"content-type": "application/json", "user-agent": USER_AGENT}
# Source: the types of Slack's SDK (block-kit). The text beside blocks may be longer; nobody would read it.
_SECTION = 3000
_CONTEXT = 2000
_LABEL = 300  # of a link: one that is too long for the section would be cut as a whole
_QUOTE = "'"  # instead of a backtick, which would end the code span
_BAR = "¦"  # instead of a bar in a link's label
# A bar or a blank would end the address of a link; neither stands in a URL otherwise (RFC 3986).
_ADDRESS = {ord("|"): "%7C", ord(" "): "%20"}
# Stands before a field that would make a mention of the operator's link; nobody else may use it.
_CALL = "\ue000"
# Marks that reorder what follows them, the operator's own words as well.
_TURNS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
# What strangers wrote has neither bracket once it is escaped: these are the operator's. Possessive, so that
# one without its counterpart costs no more than its length.
_LINK = re.compile(r"<([^<>|\s]*+)(?:\|([^<>]*+))?>")

# Source: "Changes to errors for incoming webhooks", and what public clients of Slack have met beside it. The
# word says more than the status: a revoked URL is 404 or 403, and some errors have come with 200 or 500.
_SINKS_FAULT = frozenset({
    "account_inactive", "action_prohibited", "channel_is_archived", "channel_not_found", "invalid_token",
    "no service", "no_active_hooks", "no_service", "no_service_id", "no_team",
    "posting_to_general_channel_denied", "team_disabled", "token_revoked", "user_not_found",
})  # fmt: skip
_DELIVERYS_FAULT = frozenset({
    "invalid_attachments", "invalid_blocks", "invalid_blocks_format", "invalid_payload",
    "missing_text_or_fallback_or_attachments", "msg_blocks_too_long", "msg_too_long", "no_text",
    "too_many_attachments",
})  # fmt: skip
_PASSING = frozenset({"rollup_error"})


class Slack(Sink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message in a Slack channel.

    At Slack: create an app, switch "Incoming Webhooks" on, add a webhook to the channel and copy its URL. One
    URL is one channel. The URL is a credential: it is given as a reference (`env:`, `file:`, `credential:`).

    The message says what happened to which project and branch, with a button to the build; below it, beside a
    bar in the colour of the status, build, commit, author and provider. `template`, or a rule's `message`,
    replaces the sentence and may use Slack's mrkdwn; what it prints of an event is escaped. If it fails, the
    built-in sentence stands in for it.

    Slack takes one message per second and URL, hence the default `rate`. `supersede`: a message that had to
    wait for a second attempt is dropped if a newer event of the same build was delivered meanwhile.
    """

    url: Secret
    supersede: bool = True
    concurrency: int = 1
    rate: Rate | None = Rate(1, 1.0)

    @property
    def supersedes(self) -> bool:
        """See `Sink.supersedes`."""
        return self.supersede

    @property
    def destination(self) -> Secret:
        """See `Sink.destination`."""
        return self.url

    @staticmethod
    def escape(text: str) -> str:
        """Exactly `&`, `<` and `>`, in that order ("Formatting text for app surfaces"); and nothing turns."""
        text = text.translate(_TURNS)
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    def request(
        self,
        event: Event,
        delivery: Delivery,
        now: float,  # noqa: ARG002  # Slack's messages carry no time of ours
        message: Template | None = None,
    ) -> Request:
        """See `Sink.request`."""
        headers = {"user-agent": USER_AGENT, **_HEADERS}
        return Request("POST", self.url.reveal(), headers, self._compose(event, delivery, message))

    def preview(
        self,
        event: Event,
        delivery: Delivery,
        now: float,  # noqa: ARG002  # Slack's messages carry no time of ours
        message: Template | None = None,
    ) -> str:
        """See `Sink.preview`."""
        head = "".join(f"{name}: {value}\n" for name, value in _HEADERS.items())
        body = readable_json(self._compose(event, delivery, message))
        return f"{remark(message or self.template, event, delivery)}POST {self.url.reference}\n{head}\n{body}"

    def judge(self, reply: Reply, now: float) -> Outcome:
        """Delivered is 2xx with body `ok`; else Slack's word decides, and if it is not known, the status."""
        word = excerpt(reply.body, 80)
        if 200 <= reply.status < 300 and word == "ok":
            return Delivered()
        reason = f"answered {reply.status}" + (f" '{word}'" if word else "")
        known = (word or "").lower()
        if reply.status != 429:
            if known in _SINKS_FAULT:
                return Pause(reason)
            if known in _DELIVERYS_FAULT:
                return Dead(reason)
            if known in _PASSING:
                return Retry(reason)
        outcome = judge_status(reply, now)
        if isinstance(outcome, Delivered):
            return Retry(reason)
        return outcome if word is None else msgspec.structs.replace(outcome, reason=reason)

    def _compose(self, event: Event, delivery: Delivery, template: Template | None) -> bytes:
        """The message: a section with the sentence and a button, and an attachment with the facts."""
        message = message_of(event)
        said = self._said(event, delivery, template or self.template)
        section: dict[str, Any] = {
            "type": "section",
            "text": _mrkdwn(said or self._sentence(message)),
        }
        if message.link:
            section["accessory"] = _button(message, message.link, primary=event.status == "pending")
        facts = _mrkdwn(fit(self.escape(" · ".join(message.facts)), _CONTEXT))
        return msgspec.json.encode({
            # What notifications and clients without blocks show.
            "text": said or fit(self.escape(f"{message.emoji} {message.text}"), _SECTION),
            "blocks": [section],
            "attachments": [{"color": message.colour, "blocks": [{"type": "context", "elements": [facts]}]}],
            "unfurl_links": False,
            "unfurl_media": False,
        })  # fmt: skip

    def _said(self, event: Event, delivery: Delivery, template: Template | None) -> str | None:
        """The operator's text, or None where there is none, or nothing of it is left."""
        if template is None:
            return None
        if event.url is not None and (url := event.url.translate(_ADDRESS)) != event.url:
            event = msgspec.structs.replace(event, url=url)
        try:
            text = rendered(template, event, delivery, _told_apart)
        except Unrenderable:
            return None
        sound = _LINK.sub(partial(_sound, template.text), text)
        return fit(sound.replace(_CALL, "").strip(), _SECTION) or None

    def _sentence(self, message: Message) -> str:
        """The built-in sentence in mrkdwn, and the title below it."""
        branch = f" on `{self.escape(message.branch.replace('`', _QUOTE))}`" if message.branch else ""
        title = f"\n{self.escape(message.title)}" if message.title else ""
        news = f"{message.emoji} *{self.escape(message.subject)}*: {self.escape(message.news)}"
        return fit(f"{news}{branch}{title}", _SECTION)


def _mrkdwn(text: str) -> dict[str, Any]:
    """Verbatim: plain text in it becomes no link, channel or mention by itself ("Text object")."""
    return {"type": "mrkdwn", "verbatim": True, "text": text}


def _told_apart(text: str) -> str:
    """The escaped text, with a mark where Slack would take it for who is called, were it a link's address."""
    said = Slack.escape(text).replace(_CALL, "")
    return _CALL + said if said.startswith(("!", "@", "#")) else said


def _sound(written: str, link: re.Match[str]) -> str:
    """A link of the operator's that is one whatever the fields in it hold: without address only its label.

    Nor does a field call anybody, as `!channel` would, unless that is `written` in the template.
    """
    address, label = link[1], fit(" ".join((link[2] or "").replace("|", _BAR).split()), _LABEL)
    if not address or (address[0] == _CALL and address[1:] not in written):
        return label
    return f"<{address}|{label}>" if label else f"<{address}>"


def _button(message: Message, link: str, *, primary: bool) -> dict[str, Any]:
    button: dict[str, Any] = {
        "type": "button",
        "text": {"type": "plain_text", "emoji": False, "text": message.action},
        "url": link,
    }
    return button | {"style": "primary"} if primary else button


def fit(text: str, limit: int) -> str:
    """At most `limit` characters of escaped text; neither an entity nor a link in `<…>` is cut in two."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    entity = cut.rfind("&", max(0, len(cut) - 4))
    if entity >= 0 and ";" not in cut[entity:]:
        cut = cut[:entity]
    if cut.rfind("<") > cut.rfind(">"):
        cut = cut[: cut.rfind("<")]
    return f"{cut}…"
