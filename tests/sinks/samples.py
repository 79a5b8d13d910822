"""What the tests of sinks share: an event, a delivery, an answer, and one of every sink in the table."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from router.delivery import Delivery, State
from router.event import Event
from router.secret import Secret, Url
from router.sinks import SINKS
from router.sinks.sink import Reply, Request, Sink

NOW = 1_777_863_800.9
PAYLOAD = b'{"build":{"number":1248,"price":1.10,"huge":123456789012345678901234567890}}'

CANARIES = {
    "env:A_URL": "https://hooks.slack.com/services/T/B/c4n4ryc4n4ryc4n4ry",
    "env:A_KEY": "whsec_" + "c4n4ryAA" * 4,
    "env:A_HEADER": "Bearer c4n4ryc4n4ryc4n4ry",
}

# What a stranger may write into any field.
HOSTILE = (
    "<!channel>",
    "<https://evil.example|ok>",
    "<@U0123456> & <#C0123456>",
    "&lt;!here&gt;",
    "a\r\nx-injected: y",
    'main\n{"level":"critical"}\r\x1b[31m\u2028\u202e\x00\x9b',
    "{{ 7 * 7 }}{% raw %}${x}%s{0.__class__}",
    '"},"injected":{"a":"\\',
    "`*_~`>",
    "../../etc/cron.d/x",
    "x" * 50_000,
    "&" * 5_000,
    "😀" * 5_000,
    "\u200b \t ",
    "a\u200db",
    "",
)


def sample(**fields: object) -> Event:
    """An event with every field, but for what is given."""
    return msgspec.structs.replace(
        Event(
            id="evt_0f3k000000000",
            source="chromatic-web",
            provider="chromatic",
            event="build",
            kind="build",
            status="pending",
            provider_status="PENDING",
            branch="feature/calmer",
            commit="3f2a9c1d" * 5,
            project="web-app",
            build="1248",
            changes=14,
            author="Ada Lovelace",
            title="Calmer buttons",
            url="https://www.chromatic.com/build?appId=1&number=1248",
            pull_request=88,
            labels={"team": "design"},
            received_at=1_777_863_721.25,
            payload=PAYLOAD,
        ),
        **fields,
    )


def bare(**fields: object) -> Event:
    """An event with nothing in it but what must be, and what is given."""
    return Event(
        id="evt_0f3k000000000", source="web", provider="percy", received_at=0.0, payload=b"{}", **fields
    )


def strange(text: str) -> Event:
    """An event whose every text a stranger chose."""
    return sample(
        event=text, provider_status=text, branch=text, commit=text, project=text, build=text, author=text,
        title=text, url=text, labels={text: text},
        payload=msgspec.json.encode({"text": text, text: [text]}),
    )  # fmt: skip


def delivery(**fields: object) -> Delivery:
    """A delivery at its second attempt."""
    made = Delivery(
        id="dlv_0f3k000000001",
        event_id="evt_0f3k000000000",
        sink="a-sink",
        rule="main needs eyes",
        state=State.IN_FLIGHT,
        due=0.0,
        created_at=0.0,
        claim=2,
    )
    return msgspec.structs.replace(made, **fields)


def reply(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
    """An answer."""
    return Reply(status, headers or {}, body)


class Answers:
    """A transport that remembers what it sent and gives the same answer to all of it."""

    def __init__(self, answer: Reply) -> None:
        self.answer = answer
        self.sent: list[Request] = []

    async def send(self, request: Request) -> Reply:
        """The answer."""
        self.sent.append(request)
        return self.answer


def one_of(kind: str, folder: Path, *, resolved: bool = False) -> Sink:
    """A sink of the table with what it requires, and with a secret wherever it takes one."""
    canaries = CANARIES if resolved else {}
    values = {
        Url: Url("env:A_URL", canaries.get("env:A_URL")),
        Secret: Secret("env:A_URL", canaries.get("env:A_URL")),
        str: str(folder / "events.jsonl"),
    }
    settings = {
        field.name: values[field.type] for field in msgspec.structs.fields(SINKS[kind]) if field.required
    }
    if "secret" in SINKS[kind].__struct_fields__:
        settings["secret"] = (Secret("env:A_KEY", canaries.get("env:A_KEY")),)
    if "headers" in SINKS[kind].__struct_fields__:
        settings["headers"] = {"authorization": Secret("env:A_HEADER", canaries.get("env:A_HEADER"))}
    return SINKS[kind](name="a-sink", **settings)
