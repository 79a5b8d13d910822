"""The units: accepted by systemd without a word, and as closed as promised."""

import shutil
import subprocess
from pathlib import Path

import pytest

from router.cli import COMMANDS
from router.commands.options import PLACES
from router.server.settings import ServerSettings

UNITS = Path(__file__).parents[1] / "systemd"
NAMES = ("visual-router.service", "visual-router.socket", "visual-router-admin.socket")
# What stands in the one for several instances, and what is verified of it.
TEMPLATE, INSTANCE = "visual-router@.service", "visual-router@1.service"
SERVICES = ("visual-router.service", INSTANCE)

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian: systemd)"
)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as installed, except that the program is one that exists here."""
    for name in (*NAMES, TEMPLATE):
        text = (UNITS / name).read_text("utf-8")
        (tmp_path / name).write_text(
            text.replace("/opt/visual-router/bin/visual-router", "/bin/true"), "utf-8"
        )
    return tmp_path


def analyze(*words: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run systemd-analyze on units in a folder."""
    return subprocess.run(
        ["systemd-analyze", *words], cwd=folder, capture_output=True, text=True, timeout=50, check=False
    )


def test_systemd_accepts_the_units_without_a_word(units: Path) -> None:
    """A setting it does not know would be ignored in silence at run time."""
    done = analyze("verify", *(f"./{name}" for name in (*NAMES, INSTANCE)), folder=units)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", SERVICES)
def test_the_service_is_as_closed_as_promised(units: Path, name: str) -> None:
    """An exposure of at most 1.1 of 10."""
    done = analyze("security", "--offline=yes", "--threshold=11", f"./{name}", folder=units)

    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("name", SERVICES)
def test_a_looser_unit_would_be_noticed(units: Path, name: str) -> None:
    """The threshold is tight: one protection less fails it."""
    unit = units / name.replace("@1", "@")
    unit.write_text(unit.read_text("utf-8").replace("PrivateUsers=yes\n", ""), "utf-8")
    done = analyze("security", "--offline=yes", "--threshold=11", f"./{name}", folder=units)

    assert done.returncode != 0


def settings(name: str) -> dict[str, str]:
    """The settings of a unit by their name."""
    lines = (UNITS / name).read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_the_units_call_commands_that_exist() -> None:
    """With the configuration that every command finds by itself."""
    service = settings("visual-router.service")
    program = "/opt/visual-router/bin/visual-router --config /etc/visual-router/config.yaml"

    assert service["ExecStart"] == f"{program} run"
    assert service["ExecReload"] == f"{program} reload"
    assert {"run", "reload"} <= {name for _, name, _, _ in COMMANDS}
    assert "/etc/visual-router/config.yaml" in PLACES
    assert service["WorkingDirectory"] == f"%S/{service['StateDirectory']}"


def test_the_sockets_are_where_the_configuration_says_by_default() -> None:
    """Commands read the address there."""
    defaults = ServerSettings()

    assert settings("visual-router.socket")["ListenStream"] == str(defaults.listen)
    assert settings("visual-router-admin.socket")["ListenStream"] == str(defaults.admin)


def test_systemd_waits_longer_than_the_daemon_needs_to_stop() -> None:
    """`grace`, and time to close the journal."""
    stop = settings("visual-router.service")["TimeoutStopSec"].removesuffix("s")

    assert float(stop) >= ServerSettings().grace + 10


def test_the_sockets_are_told_apart_by_name() -> None:
    """The daemon knows its listeners by these names, and the service gets both."""
    public, admin = settings("visual-router.socket"), settings("visual-router-admin.socket")

    assert (public["FileDescriptorName"], admin["FileDescriptorName"]) == ("public", "admin")
    assert admin["Service"] == "visual-router.service"
    assert settings("visual-router.service")["Sockets"] == "visual-router.socket visual-router-admin.socket"


def test_neither_a_bad_disk_nor_a_bad_hour_ends_the_service_for_good() -> None:
    """No limit on starts, none on the sockets' triggers; only a wrong configuration stays down."""
    service = settings("visual-router.service")

    assert tuple(service[name] for name in ("Restart", "RestartSec", "RestartPreventExitStatus")) == (
        "always",
        "2s",
        "2",
    )
    assert service["StartLimitIntervalSec"] == "0"
    for name in NAMES[1:]:
        assert settings(name)["TriggerLimitIntervalSec"] == "0"


def test_an_instance_differs_from_the_only_one_in_nothing_but_its_place() -> None:
    """Its own configuration and folders, and no sockets; what a change gives to one it gives to the other."""
    alone, instance = settings("visual-router.service"), settings(TEMPLATE)
    place = {"ExecStart", "ExecReload", "WorkingDirectory", "StateDirectory", "RuntimeDirectory"}
    sockets = {"Requires", "Sockets", "Also"}

    assert alone.keys() - instance.keys() == sockets
    differing = {name for name in instance if instance[name] != alone[name]}
    assert differing == place | {"Description", "After"}
    for name in place:
        spelled = instance[name].replace("-%i", "").replace("/%i.yaml", "/config.yaml")
        assert (spelled, "%i" in instance[name]) == (alone[name], True)
