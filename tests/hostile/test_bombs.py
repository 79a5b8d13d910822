"""Configurations made to explode: refused within limits that the kernel keeps; a reload changes nothing."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.senders import BODY, ask, post
from tests.hostile.target import MEASURING, Target

# Start of the interpreter included; the kernel ends whoever takes more.
CPU_SECONDS = 2
MEMORY = 128 << 20


def laughs(depth: int, width: int) -> str:
    """Each line repeats the one above."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines)


BOMBS = {
    "a billion laughs": laughs(12, 9),
    "laughs in keys": laughs(6, 9) + "\nsources: {*a5 : x}",
    "a loop": "sources: &a [*a]",
    "flow depth": "sources: " + "[" * 50_000,
    "block depth": "\n".join(f"{' ' * n}a:" for n in range(3000)),
    "many numbers": "sources: [" + "1," * 300_000 + "1]",
    "too many numbers": "sources: [" + "1," * 1_000_000 + "1]",
    "patterns repeated": "rules:\n  - {name: x, to: y, when: &a {branch: ["
    + ", ".join(f"'re:^a{n}.*(b|c){{1,9}}$'" for n in range(900))
    + "]}}\n"
    + "".join(f"  - {{name: x{n}, to: y, when: *a}}\n" for n in range(300)),
    "many keys": "\n".join(f"k{n}: x" for n in range(200_000)),
    "one key again and again": "a: b\n" * 200_000,
    "a long word": "sources: " + "x" * (15 << 20),
    "too large": "# " + "x" * (17 << 20),
    "python": "sources: !!python/object/apply:os.system ['touch pwned']",
    "a quote that does not end": 'a: [ # "' + r"\"" * 40_000 + "\n- b",
    "control characters": "sources: {a\x07: \x1b[31m}",
    "a directive": "%YAML 9.9\n%TAG ! tag:evil,2026:\n---\nsources: !x {}",
    "evil patterns": "rules:\n  - {name: x, when: {branch: ['re:(a+)+$', 're:(.*){1,32000}', '"
    + "*a" * 5000
    + "']}, to: y}",
}


# `check` under a limit of the kernel; its last word is the most memory it held, in KiB.
MEASURED = f"""
import re, resource
from router.cli import main
resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS}, {CPU_SECONDS}))
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_its_limits(name: str, tmp_path: Path) -> None:
    """Exit code 2 and located problems, in seconds and in little memory; nothing in it is run."""
    path = tmp_path / "bomb.yaml"
    path.write_text(BOMBS[name], "utf-8")
    env = {key: value for key, value in os.environ.items() if key not in MEASURING}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "check", str(path)],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    *said, peak = done.stdout.splitlines()
    assert done.returncode == 2, done.stdout[:2000]
    assert all(line.startswith(f"{path}:") for line in said[:-1]), done.stdout[:2000]
    assert "Traceback" not in done.stdout
    assert len(done.stdout) < 1 << 20
    assert int(peak) << 10 <= MEMORY
    assert not (tmp_path / "pwned").exists()


async def test_a_bomb_in_a_reload_changes_nothing(target: Callable[..., Target]) -> None:
    """The rules in force stay, events go on being accepted, and the answer says what is wrong."""
    good = (
        "sources:\n  web: {type: chromatic, unsigned: true}\n"
        "sinks:\n  out: {type: log}\nrules:\n  - {name: all, to: out}\n"
    )
    daemon = await target(good).start()
    for bomb in ("a billion laughs", "flow depth", "python", "many numbers"):
        daemon.config.write_text(BOMBS[bomb], "utf-8")
        async with asyncio.TaskGroup() as tasks:
            reload = tasks.create_task(daemon.admin("/api/v1/reload", "POST"))
            answers = [tasks.create_task(ask(daemon.port, post("/hooks/web", BODY % n))) for n in range(20)]

        assert reload.result()[0] == 422
        assert [answer.status for task in answers for answer in task.result()] == [202] * 20
    assert (await daemon.metrics())['visual_router_config_reloads_total{ok="false"}'] == 4
    assert daemon.peak <= MEMORY
    assert await daemon.stop() == 0
