"""A whole file: when secrets are read, what reaches which part, and files that are none."""

from pathlib import Path

import msgspec
import pytest
import trustme

from router.config.changes import changes, needing_restart
from router.config.load import load, load_server
from router.config.schema import Config
from router.errors import ConfigError
from router.secret import Secret
from router.server.settings import ServerSettings
from router.sinks.sink import Sink
from router.sinks.slack import Slack
from router.sinks.webhook import Webhook
from router.units import Duration, Listen, Network

WHOLE = """
server: {listen: ":0", admin: "127.0.0.1:0", admin_token: "env:ADMIN", grace: 5s}
journal: {url: "sqlite:here.db", keep: 7d}
sources:
  web: {type: chromatic, unsigned: true, token: "env:TOKEN", labels: {team: design}}
  app: {type: percy, secret: ["env:NEW", "env:OLD"]}
sinks:
  chat: {type: slack, url: "env:SLACK"}
  hook: {type: webhook, url: "https://ci.example.com/in", allow_networks: 10.0.0.0/8, headers: {X: "env:KEY"}}
rules:
  - {name: all, when: {status: broken}, to: [chat, hook]}
allow_networks: [192.168.0.0/16, "fd00::/8"]
"""
ENVIRONMENT = {
    "ADMIN": "hunter2-admin",
    "TOKEN": "hunter2-token",
    "NEW": "hunter2-new",
    "OLD": "hunter2-old",
    "SLACK": "https://hooks.slack.com/services/T0/B0/hunter2",
    "KEY": "hunter2-key",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "config.yaml"


def loaded(path: Path, text: str, environment: dict[str, str] | None = None) -> Config:
    """A configuration from its text."""
    path.write_text(text, "utf-8")
    return load(path, resolve=environment)


def told(path: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    """The problems of a text, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        loaded(path, text, environment)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


def sink_of(config: Config, name: str) -> Sink:
    """A sink by its name."""
    return config.sinks[name]


def test_every_section_becomes_its_settings(path: Path) -> None:
    """The structs beside the code they tune."""
    config = loaded(path, WHOLE)

    assert config.server.listen == Listen(port=0)
    assert config.server.grace == Duration(5)
    assert config.journal.url == "sqlite:here.db"
    assert config.journal.keep == Duration(7 * 86_400)
    assert {name: source.name for name, source in config.sources.items()} == {"web": "web", "app": "app"}
    assert config.sources["web"].labels == {"team": "design"}
    assert isinstance(sink_of(config, "chat"), Slack)
    assert [rule.name for rule in config.matcher.rules] == ["all"]
    assert config.path == str(path)
    assert config.warnings == []


def test_no_secret_is_looked_for_unless_the_environment_is_given(path: Path) -> None:
    """A check in a CI that has none of them succeeds."""
    config = loaded(path, WHOLE)

    assert not [secret for secret in config.sources["app"].secret if secret.resolved]
    assert config.server.admin_token == Secret("env:ADMIN")


def test_every_secret_has_its_value_once_the_environment_is_given(path: Path) -> None:
    """In lists, in headers, in URLs: nothing waits for the first event."""
    config = loaded(path, WHOLE, ENVIRONMENT)
    hook = sink_of(config, "hook")
    chat = sink_of(config, "chat")

    assert isinstance(hook, Webhook)
    assert isinstance(chat, Slack)
    assert [secret.reveal() for secret in config.sources["app"].secret] == ["hunter2-new", "hunter2-old"]
    assert chat.url.reveal() == ENVIRONMENT["SLACK"]
    assert hook.headers == {"X": Secret("env:KEY", "hunter2-key")}


def test_no_secret_appears_in_what_a_configuration_prints(path: Path) -> None:
    """Nor in what an error shows of it."""
    assert "hunter2" not in repr(loaded(path, WHOLE, ENVIRONMENT))


def test_every_missing_secret_is_told_in_one_run(path: Path) -> None:
    """Each where it is wanted."""
    assert told(path, WHOLE, {"TOKEN": "x", "KEY": "x", "NEW": ""}) == [
        "2:59: the environment variable 'ADMIN' is not set; set it, or use file:/path",
        "6:31: 'env:NEW' is empty; put the secret there",
        "6:42: the environment variable 'OLD' is not set; set it, or use file:/path",
        "8:28: the environment variable 'SLACK' is not set; set it, or use file:/path",
    ]


def test_a_missing_secret_hides_nothing_else(path: Path) -> None:
    """Not another secret of the same sink, and not its certificate."""
    hook = "{type: webhook, url: https://a.example, ca: /none.pem, secret: [env:NONE, env:SIGN]"
    text = f"""
sources: {{web: {{type: percy, secret: env:NONE, max_body: 0B}}}}
sinks:
  hook: {hook}, headers: {{X: env:NONE, Y: env:LINES}}}}
  chat: {{type: slack, url: env:SLACK, timeout: 0s}}
rules: [{{name: all, when: {{status: broken}}, to: [hook, chat]}}]
"""
    none = "the environment variable 'NONE' is not set; set it, or use file:/path"

    assert told(path, text, {"SIGN": "hunter2", "LINES": "a\nb", "SLACK": "hunter2"}) == [
        f"2:38: {none}",
        "2:58: 'max_body: 0B' would stop everything; write more than 0",
        "4:53: '/none.pem' cannot be read: no such file or directory; name a file that is there",
        "4:72: env:SIGN holds no secret of Standard Webhooks; write whsec_ and the base64 of 24 to 64 bytes, "
        "as `openssl rand -base64 32` makes it",
        f"4:73: {none}",
        f"4:107: {none}",
        "4:117: header 'Y' cannot be sent: env:LINES holds more than one line of printable ASCII",
        "5:28: env:SLACK holds no URL that can be used: not an http:// or https:// URL; "
        "write https://host/path",
        "5:48: 'timeout: 0s' would stop everything; write more than 0",
    ]


@pytest.mark.parametrize("value", ["hunter2", "ftp://hunter2/", "https://hunter2 .com/", "//hunter2"])
def test_a_secret_that_should_be_a_url_is_checked_and_not_repeated(value: str, path: Path) -> None:
    """For a URL of one's own and for Slack's."""
    text = WHOLE.replace('"https://ci.example.com/in"', "env:HOOK")
    space = "the URL has a space or another character that no URL has"
    reason = space if " " in value else "not an http:// or https:// URL"
    flaw = f"holds no URL that can be used: {reason}; write https://host/path"

    assert told(path, text, ENVIRONMENT | {"HOOK": value, "SLACK": value}) == [
        f"8:28: env:SLACK {flaw}",
        f"9:30: env:HOOK {flaw}",
    ]


def test_a_disguised_host_behind_a_reference_is_told_without_it(path: Path) -> None:
    """The host may be half of the secret."""
    assert told(path, WHOLE, ENVIRONMENT | {"SLACK": "https://0x7f000001/hunter2"}) == [
        "8:28: the host of the URL in env:SLACK is not written as usual; write a name, or 192.0.2.7"
    ]


def test_a_signing_secret_is_checked_once_it_is_known(path: Path) -> None:
    """A short key is a slip that receivers would only report one by one."""
    text = WHOLE.replace("headers:", "secret: env:SIGN, headers:")

    assert told(path, text, ENVIRONMENT | {"SIGN": "hunter2"}) == [
        "9:95: env:SIGN holds no secret of Standard Webhooks; write whsec_ and the base64 of 24 to 64 bytes, "
        "as `openssl rand -base64 32` makes it"
    ]


def test_networks_for_all_sinks_join_those_of_each(path: Path) -> None:
    """No part of the program needs to know that there are two places."""
    config = loaded(path, WHOLE)
    everywhere = (Network.parse("192.168.0.0/16"), Network.parse("fd00::/8"))

    assert config.allow_networks == everywhere
    assert sink_of(config, "hook").allow_networks == (Network.parse("10.0.0.0/8"), *everywhere)
    assert sink_of(config, "chat").allow_networks == everywhere


def test_a_literal_address_that_the_whole_file_allows_is_no_error(path: Path) -> None:
    """`allow_networks` at the top counts for the check, too."""
    text = WHOLE.replace("https://ci.example.com/in", "http://169.254.169.254/in")
    allowed = text.replace("192.168.0.0/16", "169.254.169.254")

    assert told(path, text) == [
        "9:30: '169.254.169.254' is a cloud's metadata address; list it in allow_networks"
    ]
    assert loaded(path, allowed).warnings == []


def test_a_password_in_the_journals_url_may_stand_behind_a_reference(path: Path) -> None:
    """It is checked when it is known, and not repeated."""
    text = WHOLE.replace('"sqlite:here.db"', "env:JOURNAL")

    assert loaded(path, text).journal.url == Secret("env:JOURNAL")
    assert loaded(path, text, ENVIRONMENT | {"JOURNAL": "sqlite:x.db"}).warnings == []
    assert told(path, text, ENVIRONMENT | {"JOURNAL": "mysql://hunter2@db"}) == [
        "3:16: the URL behind the reference is no journal;"
        " write sqlite:var/journal.db or postgresql://user@host/database"
    ]


def test_authorities_are_looked_at_when_secrets_are(path: Path, tmp_path: Path) -> None:
    """A CI has no such file; a daemon must not start without it."""
    text = WHOLE.replace("allow_networks: 10.0.0.0/8", f"ca: {tmp_path}/ca.pem")
    authority = trustme.CA()

    assert loaded(path, text).warnings == []
    assert told(path, text, ENVIRONMENT) == [
        f"9:63: '{tmp_path}/ca.pem' cannot be read: no such file or directory; name a file that is there"
    ]

    (tmp_path / "ca.pem").write_text("not a certificate", "utf-8")

    assert told(path, text, ENVIRONMENT) == [
        f"9:63: '{tmp_path}/ca.pem' holds no certificate; it must be PEM"
    ]

    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    assert loaded(path, text, ENVIRONMENT).warnings == []


def test_server_and_journal_may_be_absent(path: Path) -> None:
    """A file with sources, sinks and rules is complete."""
    config = loaded(
        path,
        "sources: {web: {type: chromatic, unsigned: true}}\n"
        "sinks: {out: {type: log}}\n"
        "rules: [{name: all, to: out}]\n",
    )

    assert config.server.listen == Listen(host="127.0.0.1", port=8080)
    assert config.server.admin.loopback
    assert config.journal.url == "sqlite:var/journal.db"


def test_a_missing_file_is_one_problem(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "none.yaml")

    assert str(caught.value) == (
        f"{tmp_path}/none.yaml:1:1: the file cannot be read: no such file or directory; "
        "name a file that is there"
    )


def test_a_folder_is_one_problem(tmp_path: Path) -> None:
    """`--config /etc/visual-router` is a likely slip."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)

    assert str(caught.value) == f"{tmp_path}:1:1: the file cannot be read: is a directory; name a file in it"


@pytest.fixture
def unreadable(path: Path) -> Path:
    """A configuration that its owner kept to himself."""
    path.write_text(WHOLE, "utf-8")
    path.chmod(0)
    return path


@pytest.mark.usefixtures("unreadable", "unprivileged")
def test_an_unreadable_file_is_one_problem(path: Path) -> None:
    """The service's user is not the operator."""
    with pytest.raises(ConfigError) as caught:
        load(path)

    assert (
        str(caught.value) == f"{path}:1:1: the file cannot be read: permission denied; let this user read it"
    )


def test_a_path_may_be_a_text(path: Path) -> None:
    """As the command line gives it, and as it is shown again."""
    path.write_text(WHOLE, "utf-8")

    assert load(str(path)).path == str(path)


def test_equal_files_make_equal_settings_and_another_secret_others(path: Path) -> None:
    """A reload tells what changed by comparing."""
    first, same = loaded(path, WHOLE, ENVIRONMENT), loaded(path, WHOLE, ENVIRONMENT)
    other = loaded(path, WHOLE, ENVIRONMENT | {"TOKEN": "rotated"})

    assert (first.sources, first.sinks, first.server) == (same.sources, same.sinks, same.server)
    assert first.sources["web"] != other.sources["web"]
    assert first.sources["app"] == other.sources["app"]


def test_the_server_section_is_read_alone(path: Path) -> None:
    """A command finds its daemon while the rest of the file is being edited."""
    path.write_text("server: {admin: 127.0.0.1:9}\nsinks: {out: {type: nonsense}}\n", "utf-8")

    assert load_server(path).admin == Listen("127.0.0.1", 9)

    path.write_text("sinks: {}\n", "utf-8")

    assert load_server(path) == ServerSettings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: {admin: 9}", "1:17: '9' is not an address to listen on; "),
        ("server: x", "1:9: 'server' is a map, not 'x'; its keys are listen, admin, "),
        ("[x]", "1:1: a configuration is a map; begin with "),
    ],
)
def test_a_wrong_server_section_is_an_error(text: str, said: str, path: Path) -> None:
    """A command does not guess an address."""
    path.write_text(text, "utf-8")

    with pytest.raises(ConfigError) as caught:
        load_server(path)

    assert str(caught.value).startswith(f"{path}:{said}")


def test_differences_are_told_in_the_words_of_the_file(path: Path) -> None:
    """What changed at once, and what waits for a restart."""
    old = loaded(path, WHOLE)
    text = WHOLE.replace("team: design", "team: web").replace("grace: 5s", "grace: 6s")
    text = text.replace("keep: 7d", "keep: 8d").replace("  chat:", "  talk:").replace("[chat,", "[talk,")

    new = loaded(path, text)

    assert (changes(old, old), needing_restart(old, old)) == ([], [])
    assert changes(old, new) == ["sources.web", "sinks.chat", "sinks.talk", "rules"]
    assert needing_restart(old, new) == ["server.grace", "journal.keep"]


def many_rules(count: int) -> str:
    """A file of a large team."""
    rules = [
        {
            "name": f"rule {number}",
            "when": {
                "status": ["pending", "denied", "broken"],
                "branch": ["main", f"release/{number}/**", "!release/old-*", None],
            },
            "unless": {"author": f"renovate{number}*"},
            "to": [f"out{number % 50}", f"out{(number + 1) % 50}"],
            "message": f"{{{{ project }}}} on {{{{ branch }}}} {number}",
        }
        for number in range(count)
    ]
    document = {
        "sources": {"web": {"type": "chromatic", "unsigned": True}},
        "sinks": {f"out{number}": {"type": "log"} for number in range(50)},
        "rules": rules,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


@pytest.mark.unmeasured
def test_two_thousand_rules_load(path: Path) -> None:
    """In about half a second of processor time; the limit above is for a machine under load."""
    text = many_rules(2_000)
    config = loaded(path, text)

    assert len(config.matcher.rules) == 2_000
    assert config.warnings == []


@pytest.mark.unmeasured
def test_patterns_that_are_all_wrong_are_told_in_bounded_time(path: Path) -> None:
    """No guess is made for what would not be shown."""
    text = "sources: {web: {type: chromatic, unsigned: true}}\nsinks: {out: {type: log}}\nrules:\n"
    wrong = ", ".join(["purple"] * 100_000)
    problems = told(path, f"{text}  - {{name: all, to: out, when: {{status: [{wrong}], kind: x}}}}\n")

    assert len(problems) == 1_001
    assert problems[-1].endswith("there are more problems than can be shown; fix these first")


@pytest.mark.unmeasured
def test_a_file_that_is_wrong_everywhere_is_told_in_bounded_time(path: Path) -> None:
    """Ten thousand unknown sinks: a thousand lines and the word that there are more."""
    rules = "".join(f"  - {{name: r{number}, to: sink{number}}}\n" for number in range(10_000))
    problems = told(
        path,
        "sources: {web: {type: chromatic, unsigned: true}}\nsinks: {sinks: {type: log}}\nrules:\n" + rules,
    )

    assert len(problems) == 1_001
    assert problems[0] == "4:20: sink 'sink0' is not defined; did you mean 'sinks'?"
    assert problems[-1].endswith("there are more problems than can be shown; fix these first")
