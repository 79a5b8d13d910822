"""`explain` and `render`: what would happen to an event, without a daemon and without a secret."""

import json
from textwrap import dedent

import pytest

from router.sources import SOURCES, samples
from router.text import visible
from tests.commands.shell import Shell

BUILD = b'{"event": "build", "build": {"number": 7, "branch": "main", "status": "PENDING"}}'
CONFIG = """
sources:
  web: {type: chromatic, secret: env:NOT_SET_ANYWHERE}
  shop: {type: chromatic, unsigned: true}
  percy: {type: percy, secret: env:NOT_SET_ANYWHERE}
sinks:
  design: {type: webhook, url: env:NOT_SET_ANYWHERE}
  log: {type: log}
rules:
  - {name: bots, when: {branch: "bot/**"}, final: true}
  - name: main needs eyes
    when: {status: [pending, denied], branch: main}
    unless: {author: "renovate*"}
    to: design
    message: "{{ branch }} of {{ source }}"
"""


@pytest.fixture
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Two sources of one provider, one of another."""
    one = Shell(tmp_path_factory.mktemp("trial"))
    one.write(CONFIG)
    one.write(BUILD.decode(), "body.json")
    return one


def body(shell: Shell) -> str:
    """The path of a build's body."""
    return str(shell.folder / "body.json")


def test_explain_tells_rule_by_rule_what_was_wanted_and_what_was_seen(shell: Shell) -> None:
    """Readable without colours; where it goes at the end."""
    page = shell.run("explain", "--source", "web", body(shell)).stdout

    assert page == dedent(
        """\
        source           web
        provider         chromatic
        event            build
        kind             build
        status           pending
        provider_status  PENDING
        branch           main
        build            7

          1. bots: no match
               when branch  no   wanted bot/**; saw 'main'
          2. main needs eyes: matched -> design
               when status    yes  wanted pending, denied; saw 'pending'
               and branch     yes  wanted main; saw 'main'
               unless author  no   wanted renovate*; saw nothing

        goes to: design
        """
    )


def test_explain_for_scripts_is_one_document(shell: Shell) -> None:
    """Event, verdicts, routes."""
    document = json.loads(shell.run("explain", "--source", "web", body(shell), "--json").stdout)

    assert document["event"]["status"] == "pending"
    assert [verdict["matched"] for verdict in document["verdicts"]] == [False, True]
    assert document["routes"] == [{"rule": "main needs eyes", "sink": "design"}]


LABELLED = """
sources:
  web: {type: chromatic, unsigned: true, labels: {team: design}}
sinks:
  design: {type: webhook, url: env:NOT_SET_ANYWHERE}
rules:
  - name: from the query
    when: {labels.app: shop, labels.team: design}
    to: design
    message: "{{ labels.app }}"
"""


def test_labels_of_the_hooks_query_can_be_tried(shell: Shell) -> None:
    """As they are taken from a URL: those of the source win."""
    shell.write(LABELLED)
    words = ["--source", "web", "--label", "app=shop", "--label", "team=web", body(shell)]
    told = shell.run("explain", *words).stdout
    document = json.loads(shell.run("explain", *words, "--json").stdout)

    assert shell.run("explain", body(shell)).stdout.endswith("goes to: nowhere\n")
    assert told.endswith("goes to: design\n")
    assert document["event"]["labels"] == {"app": "shop", "team": "design"}
    assert '"message": "shop"' in shell.run("render", "--sink", "design", *words).stdout


@pytest.mark.parametrize(
    "label", ["app=", "=shop", f"{'a' * 65}=shop", f"app={'a' * 257}", "app=a\x1b", "n16=x"]
)
def test_a_label_that_no_url_can_give_is_told(shell: Shell, label: str) -> None:
    """The router leaves it out in silence; who tries rules must not."""
    words = [f"--label=n{number}=x" for number in range(16 if label == "n16=x" else 15)]
    told = shell.run("explain", "--source", "web", *words, "--label", label, body(shell), code=2).stderr

    assert told == (
        f"error: '{visible(label)}' would be left out of a hook's URL\n"
        "  fix: it gives up to 16 labels, names of up to 64 and values of up to 256 printable characters\n"
    )
    assert shell.run("explain", "--source", "web", *words, body(shell))


def test_a_label_without_a_value_is_told(shell: Shell) -> None:
    """By every command that takes one."""
    for verb in (["explain"], ["render", "--sink", "log"], ["send"]):
        told = shell.run(*verb, "--source", "web", "--label", "app", body(shell), code=2).stderr

        assert told == "error: 'app' is no label\n  fix: write NAME=VALUE\n"


def test_a_body_comes_from_standard_input_too(shell: Shell) -> None:
    """`-`, as everywhere."""
    page = shell.run("explain", "--source", "web", "-", stdin=BUILD).stdout

    assert page.endswith("goes to: design\n")


def test_a_sample_needs_no_file(shell: Shell) -> None:
    """With its provider or, where only one has it, without."""
    for name in ("percy/build_finished", "build_finished", "percy/build_created"):
        assert "percy" in shell.run("explain", name).stdout


def test_the_source_is_told_by_the_body_where_only_one_understands_it(shell: Shell) -> None:
    """Otherwise it must be named."""
    shell.write(samples.load("percy", "build_finished").decode(), "percy.json")

    assert "percy" in shell.run("explain", str(shell.folder / "percy.json")).stdout
    assert shell.run("explain", body(shell), code=2).stderr == (
        "error: 2 sources could read this body\n  fix: name one with --source: web, shop\n"
    )
    assert shell.run("explain", "-", stdin=b'{"x": 1}', code=2).stderr == (
        "error: no source of the configuration understands this body\n"
        "  fix: name one with --source: web, shop, percy\n"
    )
    assert shell.run("explain", "happo/comparison", code=2).stderr == (
        "error: this is a sample of happo, and no source of the configuration reads happo\n"
        "  fix: add a source of type happo, or take a sample of chromatic or percy\n"
    )


FILES = "write a file, - for standard input, or a sample (visual-router send --list)"


@pytest.mark.parametrize(
    ("words", "error", "fix"),
    [
        (["--source", "wbe", "-"], "no source is called 'wbe'", "did you mean 'web'?"),
        (["--source", "wbe", "none.json"], "no source is called 'wbe'", "did you mean 'web'?"),
        (["--source", "wbe", "v2-build-pending"], "no source is called 'wbe'", "did you mean 'web'?"),
        (["--source", "web", "none.json"], "there is no file 'none.json'", FILES),
        (["--source", "web", "/none"], "there is no file '/none'", FILES),
        (["--source", "web", "a/b/c"], "there is no file 'a/b/c'", FILES),
        (["--source", "web", "."], "there is no file '.'", FILES),
        (
            ["--source", "web", "percy/none"],
            "there is no file 'percy/none', and 'none' is not a sample of percy",
            FILES,
        ),
        (
            ["none/none"],
            f"there is no file 'none/none', and 'none' is not a provider; there are {', '.join(SOURCES)}",
            FILES,
        ),
        (["none"], "there is no file 'none', and no sample of chromatic or percy", FILES),
        (
            ["--source", "web", "v2-build-passd"],
            "there is no file 'v2-build-passd', and no sample of chromatic; did you mean 'v2-build-passed'?",
            FILES,
        ),
        (
            ["--source", "percy", "chromatic/v2-build-pending"],
            "this is a sample of chromatic, and source 'percy' reads percy",
            "name a source of chromatic: web, shop",
        ),
        (
            ["--source", "percy", "happo/comparison"],
            "this is a sample of happo, and source 'percy' reads percy",
            "take a sample of percy: visual-router send --list",
        ),
    ],
)
def test_a_slip_in_what_to_try_is_told(shell: Shell, words: list[str], error: str, fix: str) -> None:
    """With what was meant, or what there is."""
    told = shell.run("explain", *words, code=2, stdin=BUILD).stderr

    assert told == f"error: {error}\n  fix: {fix}\n"


def test_a_body_that_no_source_takes_is_told(shell: Shell) -> None:
    """Only objects are events."""
    result = shell.run("explain", "--source", "web", "-", stdin=b"[1]", code=2)

    assert result.stderr == (
        "error: the body is refused: not a JSON object\n  fix: providers only ever send JSON objects\n"
    )


def test_render_shows_what_a_sink_would_send(shell: Shell) -> None:
    """With the rule's message; no secret is needed for it."""
    page = shell.run("render", "--sink", "design", "--source", "web", body(shell)).stdout

    assert '"message": "main of web"' in page
    assert '"rule": "main needs eyes"' in page


def test_render_says_if_no_rule_sends_it_there(shell: Shell) -> None:
    """On standard error: the rendering itself stays clean."""
    result = shell.run("render", "--sink", "log", "--source", "web", body(shell))

    assert result.stderr == "note: no rule sends this event to 'log'\n"
    assert "web" in result.stdout


def test_render_for_scripts_is_one_document(shell: Shell) -> None:
    """Sink, rule (null: none) and the text."""
    document = json.loads(
        shell.run("render", "--sink", "log", "--source", "web", body(shell), "--json").stdout
    )

    assert (document["sink"], document["rule"]) == ("log", None)
    assert document["text"]


def test_a_text_that_no_template_can_make_is_told(shell: Shell) -> None:
    """A body template that this event breaks: exit code 1."""
    text = '\'{{ "{" if payload.odd else "{}" }}\''
    sink = f"design: {{type: webhook, url: env:NOT_SET_ANYWHERE, body: {text}}}"
    shell.write(CONFIG.replace("design: {type: webhook, url: env:NOT_SET_ANYWHERE}", sink))
    odd = BUILD.replace(b'"event"', b'"odd": true, "event"')
    result = shell.run("render", "--sink", "design", "--source", "web", "-", stdin=odd, code=1)

    assert result.stderr.startswith("error: sink 'design' cannot render this event: ")
    assert result.stderr.endswith("\n  fix: look at its template\n")


def test_a_file_that_cannot_be_read_is_told(shell: Shell) -> None:
    """It is there, and yet."""
    result = shell.run("explain", "--source", "web", "/proc/self/mem", code=2)

    assert result.stderr.startswith("error: '/proc/self/mem' cannot be read: input/output error\n")


def test_a_sink_that_is_not_there_is_told(shell: Shell) -> None:
    """With the one that was meant."""
    result = shell.run("render", "--sink", "desing", "--source", "web", body(shell), code=2)

    assert result.stderr == "error: no sink is called 'desing'\n  fix: did you mean 'design'?\n"
