"""A start without room for the journal: hooks are told apart at once, and it begins once there is room."""

import resource
from collections.abc import Callable
from functools import partial

import aiohttp
import pytest

from tests.process.harness import Daemon, Destination, happo_headers, post
from tests.waiting import answered

SECRET = {"HAPPO": "correct horse battery staple"}
BODY = b'{"type": "comparison", "equal": false}'
NO_FILE_MAY_GROW = ["sh", "-c", 'ulimit -S -f 0; exec "$@"', "sh"]


async def readiness(daemon: Daemon) -> int:
    """The status of `/readyz`."""
    connector = aiohttp.UnixConnector(f"{daemon.folder}/admin.sock")
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://router/readyz") as answer,
    ):
        return answer.status


@pytest.mark.usefixtures("loop")
async def test_without_room_for_the_journal_a_known_hook_is_put_off_and_an_unknown_one_refused(
    daemon: Callable[..., Daemon], destination: Destination
) -> None:
    """Which hooks there are stands in the configuration: who mistyped one must not wait for the disk."""
    router = daemon(
        f"""
sources:
  happo: {{type: happo, secret: "env:HAPPO"}}
  open: {{type: happo, unsigned: true, token: "env:HAPPO"}}
sinks: {{out: {{type: webhook, url: "{destination.url}"}}}}
rules: [{{name: everything, to: out}}]
""",
        SECRET,
    )
    router.prefix = NO_FILE_MAY_GROW
    await router.start()
    known = partial(post, f"{router.url}/hooks/happo", BODY, happo_headers(BODY, SECRET["HAPPO"]))

    assert await readiness(router) == 503
    assert (await known())[0] == 503
    assert (await post(f"{router.url}/hooks/hapo", BODY))[0] == 404
    assert (await post(f"{router.url}/hooks/happo/extra", BODY))[0] == 404
    assert (await post(f"{router.url}/hooks/open/wrong", BODY))[0] == 401

    assert router.process is not None
    forever = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(router.process.pid, resource.RLIMIT_FSIZE, forever)
    await answered(known, lambda answer: answer[0] == 202)
    await destination.until(lambda: len(destination.seen) == 1)
    assert await readiness(router) == 200
    assert (await post(f"{router.url}/hooks/hapo", BODY))[0] == 404
    assert await router.stop() == 0
