"""What a daemon says is searched for its secrets: the search hears them, and tells no value."""

import base64
from pathlib import Path

from tests.process.harness import Daemon

CONFIG = """
sources:
  happo: {{type: happo, secret: ["env:HAPPO", "file:{folder}/rotated"]}}
  percy: {{type: percy, secret: "credential:percy"}}
sinks: {{out: {{type: file, path: "archive.jsonl"}}}}
"""


def test_a_secret_that_a_daemon_said_is_named(tmp_path: Path) -> None:
    """Behind each kind of reference, in either output, also in another encoding and after a rotation."""
    daemon = Daemon(tmp_path, CONFIG.format(folder=tmp_path), {"HAPPO": "happo/sings+well"})
    daemon.env["CREDENTIALS_DIRECTORY"] = str(tmp_path / "credentials")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "percy").write_text("percy sings\n", "utf-8")
    (tmp_path / "rotated").write_text("before the rotation", "utf-8")
    daemon.remember()
    (tmp_path / "rotated").write_text("after the rotation", "utf-8")
    (tmp_path / "stdout").write_bytes(b"... percy%20sings ...")
    (tmp_path / "stderr").write_bytes(b"... before the rotation ... happo\\/sings+well ...")
    daemon.told.append(base64.b64encode(b"x:after the rotation").decode())

    assert sorted(daemon.leaks()) == [
        "credential:percy, value 3 (raw) in stdout",
        "env:HAPPO, value 1 (JSON) in stderr",
        f"file:{tmp_path}/rotated, value 2 (raw) in stderr",
        f"file:{tmp_path}/rotated, value 4 (base64) in the commands' output",
    ]


def test_a_daemon_that_said_none_has_no_leaks(tmp_path: Path) -> None:
    """The control: what is no reference, is not there or is too short to tell from chance is no find."""
    daemon = Daemon(tmp_path, CONFIG.format(folder=tmp_path), {"HAPPO": "short"})
    (tmp_path / "stderr").write_bytes(b"short archive.jsonl env:HAPPO credential:percy")

    assert daemon.leaks() == []
