"""`make run` as a newcomer sees it: the example starts without a variable set, and `send` shows its way."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.process.harness import Daemon

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"


async def test_the_example_starts_and_a_sample_comes_out_at_its_log_sink(
    daemon: Callable[..., Daemon],
) -> None:
    """It names the hook of each source and a line to try; that line works; its event is in both sinks."""
    router = daemon("")
    text = EXAMPLE.read_text("utf-8").replace("127.0.0.1:8080", f"127.0.0.1:{router.port}")
    router.config.write_text(text.replace("127.0.0.1:8081", f"unix:{router.folder}/admin.sock"), "utf-8")
    router.env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    router.env["PYTHONPATH"] = str(EXAMPLE.parent)
    router.launch()
    while "try " not in router.log:
        assert router.process is not None
        assert router.process.poll() is None, router.log
    (line,) = re.findall(r"try +.*?(send .+)", router.log)
    for source in yaml.safe_load(text)["sources"]:
        assert f"{router.url}/hooks/{source}" in router.log

    words = line.split()
    place = words.index("--config")
    del words[place : place + 2]
    answer = await router.command(*words)
    (event_id,) = re.findall(r"evt_\w+", answer)
    while event_id not in router.output:
        assert (await router.ask("show", event_id))["event"]["id"] == event_id

    archives = [path.read_text("utf-8") for path in (router.folder / "var").glob("*.jsonl")]

    assert any(event_id in archive for archive in archives)
    assert await router.stop() == 0
