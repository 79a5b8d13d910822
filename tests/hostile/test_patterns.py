"""Patterns that ruin other engines, on values that a stranger made for them: the kernel counts the time."""

import json
import os
import subprocess
import sys
from pathlib import Path

from router.rules.glob import LIMIT as GLOB_LIMIT
from router.rules.regex import LIMIT as REGEX_LIMIT
from tests.hostile.target import MEASURING

# For the interpreter's start, and all patterns on all values.
CPU_SECONDS = 5
MEGABYTE = 1 << 20

# Each needs time exponential, or of a high power, in the value where an engine backtracks.
EXPRESSIONS = [
    "(a+)+", "(a+)+b", "(a*)*", "(a*)*b", "(a|a)*b", "(a|aa)+b", "(a|a?)+b", "(a?a?)*b", "(.*a){20}b",
    "(.*a){40}", "(x+x+)+y", "(a+a+)+y", "([a-z]+)*b", "([a-zA-Z]+)*1", "(?:a+){30}b", "((a+)+)+b",
    "(((a*)*)*)*b", "(a|b|ab|aa)*c", "(.|a)*b", "(.|[a-z]|a)+1", r"(\w+\s?)*1", r"(\w|\w\w)+-", r"(\d+)*x",
    "(a+|b+|c+)*d", "(.*)*b", "(.+)+b", "(.*,){30}b", "(.*/){30}b", "(a/?)*b", "([^/]+/?)+b", "(/?a?)*b",
    "a*a*a*a*a*a*a*a*b", ".*.*.*.*.*.*.*b", "a?" * 30 + "a" * 30, "(a{1,30}){1,30}b", "(aa?){200}b",
    "(^|a)+b", "(a|$)+b", "(?i)(A+)+b", "(?s).*(a.*)*b", "(a+)*$b", r"([a-z0-9]([-.]|_+)?)*@x",
    r"(([a-z])+.)+[A-Z]([a-z])+", r"(([\-.]|_+)?([a-zA-Z0-9]+))*@[a-z]+\.[a-z]{2,3}",
]  # fmt: skip
GLOBS = [
    "*a" * 200 + "*b", "a*" * 200 + "b", "?*" * 200 + "b", "*a?" * 200 + "b", "**/a/" * 60 + "**/b",
    "**/*a*a*a*a*b/**", "*/" * 60 + "**/*a*b", "**/?/" * 60 + "**/bb",
]  # fmt: skip
VALUES = [
    (piece * (length // len(piece)))[:-1] + end
    for length in (REGEX_LIMIT, GLOB_LIMIT, MEGABYTE)
    for piece in ("a", "a/", "aA,")
    for end in ("!", "a")
]

# Loads the configuration, and takes an event per value through all of its rules; prints how many.
MATCHED = f"""
import json, resource, sys
from router.config.load import load
resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS}, {CPU_SECONDS}))
config = load(sys.argv[1])
for value in json.load(open(sys.argv[2])):
    body = json.dumps({{"event": "build", "build": {{"branch": value}}}}).encode()
    event = config.sources["web"].decode(body, 1.0)
    assert event.branch == value
    config.matcher.match(event)
    print(len(config.matcher.explain(event)))
"""


def test_no_value_holds_up_a_pattern(tmp_path: Path) -> None:
    """More than fifty, each on the longest values that are looked at and on a branch's name of 1 MiB."""
    patterns = [f"re:{each}" for each in EXPRESSIONS] + GLOBS
    rules = [
        {"name": f"{field} {number}", "when": {field: pattern}, "to": "out"}
        for number, pattern in enumerate(patterns)
        for field in ("branch", "payload.build.branch")
    ]
    config, values = tmp_path / "config.yaml", tmp_path / "values.json"
    sources, sinks = {"web": {"type": "chromatic", "unsigned": True}}, {"out": {"type": "log"}}
    config.write_text(json.dumps({"sources": sources, "sinks": sinks, "rules": rules}), "utf-8")
    values.write_text(json.dumps(VALUES), "utf-8")

    done = subprocess.run(
        [sys.executable, "-c", MATCHED, str(config), str(values)],
        env={key: value for key, value in os.environ.items() if key not in MEASURING},
        capture_output=True,
        text=True,
        check=False,
    )

    assert len(patterns) >= 50
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(len(rules))] * len(VALUES)
