"""The document of the API, docs/api.md: every call stands in it, with its parameters and its whole answer."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.admin.admin import Reload
from router.admin.answers import Refusal, moment
from router.admin.parameters import RefusedSelection, Selection, Target, Why
from router.admin.reloads import RefusedReload
from router.delivery import State
from router.errors import Problem
from tests.admin.desk import RULES, Desk, Door
from tests.admin.test_quarantine import refuse, signed

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
CALLS = dict(re.findall(r"^### `(\w+ /api/v1/\S+)`\n(.*?)(?=^##|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL))
# Their keys are the operator's or the provider's.
FREE = ("labels", "quarantined", "payload", "states")
BODIES: dict[str, type[msgspec.Struct]] = {
    "POST /api/v1/backup": Target,
    "POST /api/v1/deliveries/requeue": Selection,
    "POST /api/v1/deliveries/discard": Selection,
    "POST /api/v1/sinks/{name}/pause": Why,
    "POST /api/v1/quarantine/reverify": RefusedSelection,
    "POST /api/v1/quarantine/discard": RefusedSelection,
}


def table(call: str) -> tuple[str, list[str]]:
    """What a call's table is headed with, and the names in its first column."""
    heading = re.search(r"^\| (parameter|body) \|", CALLS[call], re.MULTILINE)
    cells = re.findall(r"^\| (`.*?) \|", CALLS[call], re.MULTILINE)
    return heading[1] if heading else "", re.findall(r"`(\w+)`", " ".join(cells))


def paths(document: Any, at: str = "") -> Iterator[str]:
    """Every key of a JSON document by its path; what is in a list is alike."""
    if isinstance(document, list):
        for each in document:
            yield from paths(each, f"{at}[]")
    elif isinstance(document, dict):
        for key, value in document.items():
            yield f"{at}.{key}"
            if key not in FREE:
                yield from paths(value, f"{at}.{key}")


def shown(call: str) -> set[str]:
    """The paths in a call's examples, of which each must be JSON."""
    examples = re.findall(r"```json\n(.*?)```", CALLS[call], re.DOTALL)
    return {path for example in examples for path in paths(msgspec.json.decode(example))}


def test_every_call_stands_in_the_document(desk: Desk) -> None:
    """And no call that does not exist."""
    known = {
        f"{route.method} {route.resource.canonical}"
        for route in desk.admin.application().router.routes()
        if route.resource is not None and route.method != "HEAD"
    }

    assert CALLS.keys() == {each for each in known if "/api/" in each}


async def test_every_parameter_stands_in_the_document(door: Door) -> None:
    """A call that is asked for one it does not know names all it has."""
    for call in ("/events", "/deliveries", "/quarantine"):
        heading, names = table(f"GET /api/v1{call}")
        _, refusal = await door.refused(f"{call}?xyzzy=1")

        assert (heading, refusal["fix"]) == ("parameter", f"parameters are {', '.join(names)}")
    assert table("GET /api/v1/events/{id}") == ("parameter", ["now"])


@pytest.mark.parametrize("call", CALLS)
def test_every_field_of_a_body_stands_in_the_document(call: str) -> None:
    """And a call that takes none shows none."""
    if call.startswith("POST"):
        takes = BODIES.get(call)
        fields = [] if takes is None else [field.name for field in msgspec.structs.fields(takes)]
        if "requeue" in call:
            fields.remove("reason")  # it is asked of `discard` alone

        assert table(call)[1] == fields


def same(call: str, *answers: object) -> None:
    """A call shows the keys of its answers, all of them and no others."""
    assert shown(call) == {path for each in answers for path in paths(each)}, call


async def test_every_answer_of_events_and_deliveries_is_shown_whole(desk: Desk, door: Door) -> None:
    """One that is dead, one that waits and then is sent, with attempts and rules."""
    await desk.use(RULES.replace('unless: {branch: "bot/**"}, ', ""))
    event = await desk.event()
    dead = await desk.settle("design", State.DEAD, "answered 400")
    await door.post("/sinks/log/pause")
    waiting = await door.get(f"/events/{event}")
    delivered, done = await desk.settle("log", State.DELIVERED), await desk.event()
    for sink in ("design", "log"):
        await desk.settle(sink, State.DELIVERED)
    ids = {"ids": [dead, delivered, done]}

    same("GET /api/v1/events", await door.get("/events"))
    same("GET /api/v1/events/{id}", waiting)
    same("POST /api/v1/events/{id}/replay", await door.post(f"/events/{event}/replay"))
    same("GET /api/v1/deliveries", await door.get("/deliveries"))
    same("GET /api/v1/deliveries/{id}", await door.get(f"/deliveries/{dead}"))
    same("POST /api/v1/deliveries/requeue", await door.post("/deliveries/requeue", ids))
    same("POST /api/v1/deliveries/discard", await door.post("/deliveries/discard", ids))


async def test_every_answer_of_the_router_and_its_sinks_is_shown_whole(desk: Desk, door: Door) -> None:
    """A reload that is refused, too."""
    desk.program.reloaded = Reload(True, [], [], [], no_sink={"design-old": 3})
    done: Any = await door.post("/reload")
    desk.program.reloaded = Reload(False, [Problem("config.yaml", 1, 1, "wrong")], [], [])
    _, refused = await door.refused("/reload", "POST")
    desk.program.refused = RefusedReload(at=moment(1_700_000_000.0), problems=1, first="wrong")

    same("GET /api/v1/status", await door.get("/status"))
    same("POST /api/v1/reload", done, refused)
    same("POST /api/v1/backup", await door.post("/backup", {"path": str(desk.folder / "copy.db")}))
    same("GET /api/v1/sinks", await door.get("/sinks"))
    same("POST /api/v1/sinks/{name}/pause", await door.post("/sinks/log/pause", {"reason": "moving"}))
    same("POST /api/v1/sinks/{name}/resume", await door.post("/sinks/log/resume"))


async def test_every_answer_about_refused_requests_is_shown_whole(desk: Desk, door: Door) -> None:
    """One that passes once the secret is right, one that never does."""
    await signed(desk)
    await refuse(desk, 1)
    never = await refuse(desk, 2, signature={})

    same("GET /api/v1/quarantine", await door.get("/quarantine"))
    same("GET /api/v1/quarantine/{id}", await door.get(f"/quarantine/{never}"))
    same("POST /api/v1/quarantine/reverify", await door.post("/quarantine/reverify", {"all": True}))
    same("POST /api/v1/quarantine/discard", await door.post("/quarantine/discard", {"ids": [never]}))


def test_a_refusal_is_shown_whole() -> None:
    """It has one form for all calls."""
    example = re.search(r'```json\n(\{"error.*?)\n```', DOCUMENT)

    assert example is not None
    assert set(msgspec.json.decode(example[1])) == set(Refusal.__struct_fields__)
