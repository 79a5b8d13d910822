"""Message: an Event as people read it: one sentence, a colour, a link, and the facts around them.

Owns the wording for every kind and status. Everything in it is plain text on one line, cut to a sensible
length; making it inert for a destination is that sink's work. Must not know any provider's words or any
sink's format.
"""

import re
from urllib.parse import urlsplit

import msgspec

from router.delivery import Delivery
from router.errors import Unrenderable
from router.event import Event
from router.template.jinja import Escape
from router.template.template import Template, variables_of

_EMOJI = {
    "running": "⏳",
    "passed": "✅",
    "pending": "👀",
    "accepted": "👍",
    "denied": "⛔",
    "broken": "💥",
    "failed": "⚠️",
    "cancelled": "🚫",
    "unknown": "❔",
}
_COLOURS = {
    "running": "#36c5f0",
    "passed": "#2eb67d",
    "pending": "#ecb22e",
    "accepted": "#2eb67d",
    "denied": "#e01e5a",
    "broken": "#e01e5a",
    "failed": "#e8710a",
}
_GREY = "#9aa0a6"
_NOUNS = {"build": "build", "review": "review", "review-decision": "review", "comparison": "comparison"}
_REVIEWS = ("review", "review-decision")
_REVIEW_NEWS = {"accepted": "review approved", "denied": "changes requested in review"}
_PENDING = {"review": "review opened", "review-decision": "review waits for a decision"}
_LONGEST_URL = 3000
_HASH = re.compile(r"[0-9a-f]{12,64}", re.IGNORECASE)
# Joiners hold emoji and words together, and emoji may be newer than Python's table of what is printable.
_KEPT = re.compile("[\u200c\u200d\U0001f000-\U0001faff]")
_URL = re.compile(r"(\s+[—–:|-])?\s*https?://\S+")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What to say about an event.

    `subject` is the project, or what stands for it; `news` what happened to it; `branch` where. `title` is
    what the change is called, `facts` are short phrases in order of interest. `link` is an http(s) URL that
    may be offered for a click, `action` what the click does. `colour` is written `#rrggbb`.
    """

    subject: str
    news: str
    branch: str | None
    title: str | None
    facts: tuple[str, ...]
    link: str | None
    action: str
    emoji: str
    colour: str

    @property
    def text(self) -> str:
        """The sentence: `web-app: 14 changes to review on main`."""
        return f"{self.subject}: {self.news}" + (f" on {self.branch}" if self.branch else "")


def message_of(event: Event) -> Message:
    """The message for an event of any kind and status; never fails."""
    status = event.status or ""
    return Message(
        subject=_subject(event),
        news=_news(event),
        branch=one_line(event.branch, 200),
        title=_title(event.title),
        facts=_facts(event),
        link=_link(event.url),
        action=_action(event),
        emoji=_EMOJI.get(status, "🔔"),
        colour=_COLOURS.get(status, _GREY),
    )


def rendered(template: Template, event: Event, delivery: Delivery, escape: Escape | None = None) -> str:
    """The operator's text for an event; `{{ message }}` in it is the sentence that would stand there instead.

    Raises:
        Unrenderable: it failed.
    """
    variables = variables_of(event, delivery.rule, delivery.sink, message_of(event).text)
    return template.render(variables, escape)


def remark(template: Template | None, event: Event, delivery: Delivery) -> str:
    """For a preview: a line that says why the operator's text is not in it, or nothing."""
    if template is None:
        return ""
    try:
        rendered(template, event, delivery)
    except Unrenderable as error:
        return f"{error.reason}; the built-in text stands in for it\n\n"
    return ""


def one_line(text: str | None, limit: int) -> str | None:
    """The text without line breaks, control and direction marks, at most `limit` characters long."""
    if text is None:
        return None
    # Some more than the limit, because white space collapses.
    head = text[: 4 * limit]
    clean = " ".join("".join(c if c.isprintable() or _KEPT.match(c) else " " for c in head).split())
    return (clean if len(clean) <= limit else f"{clean[: limit - 1]}…") or None


def _subject(event: Event) -> str:
    """The project by its name; where that is a number or a hash, with a word for whose it is."""
    project = one_line(event.project, 100)
    source = one_line(event.source, 100) or _provider(event)
    if project is None:
        return source
    if project.isdecimal():
        return f"{_provider(event)} project {project}"
    return f"{source} ({project[:7]})" if _is_hash(project) else project


def _provider(event: Event) -> str:
    return event.provider.capitalize()


def _is_hash(text: str) -> bool:
    return _HASH.fullmatch(text) is not None and not text.isdecimal()


def _title(text: str | None) -> str | None:
    """The title without URLs: there is a link already, and it is a better one."""
    line = one_line(text, 2000)
    return one_line(_URL.sub("", line), 300) if line else None


def _noun(event: Event) -> str:
    """What an event is about; for a kind we do not know, the provider's name for it."""
    return _NOUNS.get(event.kind) or one_line(event.event, 40) or "event"


def _news(event: Event) -> str:
    """What happened, for the middle of a sentence."""
    noun = _noun(event)
    word = one_line(event.provider_status, 40)
    if event.kind == "ping":
        return f"ping from {_provider(event)}, the webhook works"
    if event.kind == "flake":
        return f"flake {word.lower()}" if word else "flake"
    if event.kind in _REVIEWS and event.status in _REVIEW_NEWS:
        return _REVIEW_NEWS[event.status]
    match event.status:
        case "passed":
            return f"{noun} passed" if event.changes else "no visual changes"
        case "pending":
            return _PENDING.get(event.kind) or f"{_changes(event)} to review"
        case "accepted" | "denied":
            return f"{_changes(event)} {event.status}"
        case "running" | "cancelled":
            return f"{noun} {event.status}"
        case "broken":
            return f"{noun} broken"
        case "failed":
            return f"{noun} failed with a system error"
        case None:
            return f"{noun} {word.lower()}" if word else f"{noun} updated"
        case _:
            return f"{noun} reports '{word}'" if word else f"{noun} with an unknown status"


def _changes(event: Event) -> str:
    """`1 change`, `14 changes`, or just `changes` where nobody counted."""
    if not event.changes:
        return "changes"
    return f"{event.changes:,} change" + ("" if event.changes == 1 else "s")


def _facts(event: Event) -> tuple[str, ...]:
    """Build, pull request, commit and author, and provider, as far as they are known."""
    build, commit = one_line(event.build, 40), one_line(event.commit, 40)
    author = one_line(event.author, 100)
    facts = []
    if build and not _is_hash(build):
        facts.append(f"build {build}")
    if event.pull_request is not None:
        facts.append(f"{'review' if event.kind in _REVIEWS else 'pull request'} {event.pull_request}")
    if commit or author:
        made = [f"commit {commit[:7] if _is_hash(commit) else commit}"] if commit else []
        facts.append(" ".join([*made, *([f"by {author}"] if author else [])]))
    return (*facts, _provider(event))


def _action(event: Event) -> str:
    """What a click on the link does."""
    if event.kind in _REVIEWS:
        return "Open review"
    if event.status == "pending":
        return "Review changes"
    return {"build": "Open build", "comparison": "Open comparison", "flake": "Open report"}.get(
        event.kind, "Open"
    )


def _link(url: str | None) -> str | None:
    """The URL, if it is one to be clicked: http(s), with a host, without a user, without white space."""
    if url is None or len(url) > _LONGEST_URL or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and host and "@" not in parts.netloc else None
