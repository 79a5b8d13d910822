"""The units: accepted by systemd without a word, and as closed as promised."""

import shlex
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from router.addresses import HostKind, permit
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


@pytest.mark.parametrize("name", [NAMES[0], TEMPLATE])
def test_where_a_host_waits_for_its_clock_the_daemon_starts_with_the_right_one(name: str) -> None:
    """It goes by the time of its start; where nothing waits for the clock, this waits for nothing."""
    service = settings(name)

    assert "time-sync.target" in service["After"].split()
    assert "time-sync.target" not in service["Wants"]


def test_the_sockets_are_told_apart_by_name() -> None:
    """The daemon knows its listeners by these names, and the service gets both."""
    public, admin = settings("visual-router.socket"), settings("visual-router-admin.socket")

    assert (public["FileDescriptorName"], admin["FileDescriptorName"]) == ("public", "admin")
    assert admin["Service"] == "visual-router.service"
    assert settings("visual-router.service")["Sockets"] == "visual-router.socket visual-router-admin.socket"


def test_whoever_stops_the_service_is_told_of_its_sockets() -> None:
    """Either of them would start it again on the next request."""
    text = (UNITS / "visual-router.service").read_text("utf-8")

    assert f"#   systemctl stop {' '.join((*NAMES[1:], NAMES[0]))}\n" in text


def test_neither_a_bad_disk_nor_a_bad_hour_ends_the_service_for_good() -> None:
    """No limit on starts, none on the sockets' triggers; a wrong configuration waits for a request."""
    service = settings("visual-router.service")

    assert tuple(service[name] for name in ("Restart", "RestartSec", "RestartPreventExitStatus")) == (
        "always",
        "2s",
        "2",
    )
    assert service["StartLimitIntervalSec"] == "0"
    for name in NAMES[1:]:
        assert settings(name)["TriggerLimitIntervalSec"] == "0"


@pytest.mark.parametrize(
    ("result", "ready", "waited"),
    [
        ("exit-code", False, "3"),
        ("exit-code", True, "3"),
        ("signal", False, "3"),
        ("oom-kill", False, "3"),
        ("timeout", False, "3"),
        ("signal", True, ""),
        ("watchdog", True, ""),
        ("success", True, ""),
        ("success", False, ""),
    ],
)
def test_a_start_that_fails_is_not_tried_again_at_once(
    result: str, waited: str, tmp_path: Path, *, ready: bool
) -> None:
    """Whatever waits in a socket's backlog starts the service the moment it has ended, and so for ever.

    What was ready and crashes is started again at once.
    """
    (tmp_path / "sleep").write_text('#!/bin/sh\nprintf %s "$1"\n')
    (tmp_path / "sleep").chmod(0o755)
    (tmp_path / "touch").symlink_to(shutil.which("touch") or "/bin/touch")
    environment = {
        "PATH": str(tmp_path),
        "SERVICE_RESULT": result,
        "RUNTIME_DIRECTORY": str(tmp_path / "run"),
    }
    (tmp_path / "run").mkdir()

    def after(setting: str) -> str:
        words = shlex.split(settings("visual-router.service")[setting].removeprefix("-").replace("$$", "$"))
        return subprocess.run(
            words, env=environment, capture_output=True, text=True, check=True, timeout=50
        ).stdout

    if ready:
        after("ExecStartPost")

    assert after("ExecStopPost") == waited


def test_the_mark_of_a_start_that_was_ready_does_not_outlive_it() -> None:
    """systemd.exec(5): a runtime directory goes when the service stops, unless the unit preserves it."""
    assert "RuntimeDirectory" in settings("visual-router.service")
    assert "RuntimeDirectoryPreserve" not in settings("visual-router.service")


def test_an_instance_differs_from_the_only_one_in_nothing_but_its_place() -> None:
    """Its own configuration and folders, and no sockets; what a change gives to one it gives to the other."""
    alone, instance = settings("visual-router.service"), settings(TEMPLATE)
    place = {"ExecStart", "ExecReload", "WorkingDirectory", "StateDirectory", "RuntimeDirectory"}
    sockets = {"Requires", "Sockets", "Also", "ExecStartPost", "ExecStopPost"}

    assert alone.keys() - instance.keys() == sockets
    differing = {name for name in instance if instance[name] != alone[name]}
    assert differing == place | {"Description", "After"}
    for name in place:
        spelled = instance[name].replace("-%i", "").replace("/%i.yaml", "/config.yaml")
        assert (spelled, "%i" in instance[name]) == (alone[name], True)


# What the clouds' own documentation names: these answer DNS, and some are their metadata service as well.
RESOLVERS = {
    "169.254.169.253": "Amazon",
    "169.254.169.254": "Google",
    "fd00:ec2::253": "Amazon",
    "fd20:ce::254": "Google",
    "168.63.129.16": "Azure",
    "100.100.2.136": "Alibaba",
    "100.100.2.138": "Alibaba",
    "fe80::1": "a router that advertises itself",
    "127.0.0.53": "systemd-resolved",
}
# Where a task, a pod or a host finds credentials, and nothing else.
METADATA = (
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:42::42",
)


def let_through(unit: str, text: str) -> bool:
    """What systemd.resource-control(5) says of an address: Allow first, then Deny, else granted."""
    given = settings(unit)
    address, lists = ip_address(text), {}
    for name in ("IPAddressAllow", "IPAddressDeny"):
        words = given[name].replace("multicast", "224.0.0.0/4 ff00::/8").split()
        lists[name] = any(address in ip_network(word) for word in words)
    return lists["IPAddressAllow"] or not lists["IPAddressDeny"]


@pytest.mark.parametrize("unit", ["visual-router.service", TEMPLATE])
def test_the_units_leave_every_clouds_resolver_open(unit: str) -> None:
    """Else no sink that has a name would ever be reached."""
    assert [address for address in RESOLVERS if not let_through(unit, address)] == []


@pytest.mark.parametrize("unit", ["visual-router.service", TEMPLATE])
def test_the_units_close_what_only_hands_out_credentials(unit: str) -> None:
    """A second lock, in the kernel, behind the program's own."""
    assert [address for address in METADATA if let_through(unit, address)] == []
    assert not let_through(unit, "169.254.7.7")


def test_the_program_itself_closes_what_the_units_leave_open() -> None:
    """A resolver is no destination: no sink's name may lead to an address of this kind."""
    assert [each for each in RESOLVERS if permit(ip_address(each), HostKind.NAME) is None] == []
