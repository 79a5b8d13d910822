"""Paths: files that a configuration names, and which of them are hardly the ones that were meant.

Owns what only a disk or a shell would tell. Must not open any file.
"""

import re
from collections.abc import Iterator
from os.path import normpath, realpath
from pathlib import Path

from router.config.draft import Draft, texts_of
from router.config.nodes import Map, Node, Text
from router.config.problems import Problems, clip
from router.secret import Secret, is_reference
from router.sinks.file import File

# What lies beside a journal and is a part of it; `-journal` is rolled back and removed when it is found.
_BESIDE = ("", "-wal", "-shm", "-journal", ".lock")
_LONGEST = 4096  # no system takes a longer path (limits.h, PATH_MAX)
_PATHS = ("path", "ca")
_REFERENCES = ("url", "listen_url", "listen", "admin", "admin_token", "secret", "token")
_HOME = re.compile(r"(~[A-Za-z0-9._-]*)/.*", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{\w+\})", re.ASCII)
_SCHEME = re.compile(r"(?:file|sqlite|unix):")


def check_paths(draft: Draft, problems: Problems) -> None:
    """No sink writes into the journal: its lines would damage it, and be overwritten by it."""
    path = _journal(draft)
    if path is None or len(path) > _LONGEST:
        return
    own = [Path(f"{realpath(path)}{end}") for end in _BESIDE]
    folders = {each.name: each.parent for each in own}
    for name, sink in draft.sinks.items():
        # A sink refuses a symbolic link: only its folder may have several names.
        if not isinstance(sink, File) or not draft.sound("sinks", name, "path"):
            continue
        file = Path(sink.path)
        if file.name in folders and _same(file.parent, folders[file.name]):
            message = f"'{clip(sink.path)}' belongs to the journal, which lines of a sink would damage"
            problems.add(draft.place("sinks", name, "path"), f"{message}; name another file")


def hint_paths(draft: Draft, problems: Problems) -> None:
    """Note paths that look like those of a shell, or like references, and files that two sinks write to."""
    _hint_shared(draft, problems)
    for text, path in _paths(draft):
        home = _HOME.fullmatch(path)
        if home is not None:
            message = f"'{clip(text.text)}' leads into a folder called '{home[1]}', not to a home directory"
            problems.warn(text, f"{message}; write the whole path")
        variable = _VARIABLE.search(path)
        if variable is not None:
            message = f"'{clip(text.text)}' has '{variable[0]}' in its name: no variables are read"
            problems.warn(text, f"{message}; write the whole path")
        if path == text.text and is_reference(path):
            message = f"'{clip(path)}' is read as a file of that name: only secrets are references"
            problems.warn(text, f"{message}; write the path itself")


def _journal(draft: Draft) -> str | None:
    """The path of the journal's file; None if it is no file, or not known."""
    url = draft.journal.url
    if isinstance(url, Secret):
        url = url.reveal() if url.resolved else ""
    scheme, _, path = url.partition(":")
    return path if scheme == "sqlite" and path and "\0" not in path else None


def _same(folder: Path, other: Path) -> bool:
    """Whether both lead to one folder: by their text, or if they are there by what they lead to."""
    try:
        return normpath(folder.absolute()) == normpath(other.absolute()) or folder.samefile(other)
    except (OSError, ValueError):
        return False


def _hint_shared(draft: Draft, problems: Problems) -> None:
    """Two sinks on one file write every line twice, unless that is wanted."""
    first: dict[str, str] = {}
    for name, sink in draft.sinks.items():
        if not isinstance(sink, File) or not draft.sound("sinks", name, "path"):
            continue
        other = first.setdefault(normpath(sink.path), name)
        if other != name:
            message = f"sink '{clip(other)}' writes to '{clip(sink.path)}' too"
            problems.warn(
                draft.place("sinks", name, "path"), f"{message}; name another file, or use one sink"
            )


def _paths(draft: Draft) -> Iterator[tuple[Text, str]]:
    """Every text that holds a path, and the path."""
    parts: list[Node] = [
        section.value
        for name in ("server", "journal")
        if (section := draft.root.entries.get(name)) is not None
    ]
    parts += [entry.value for name in ("sources", "sinks") for entry in draft.entries(name).values()]
    for part in parts:
        for key in _PATHS:
            yield from ((text, text.text) for text in texts_of(part, key))
        references = [text for key in _REFERENCES for text in texts_of(part, key)]
        headers = part.entries.get("headers") if isinstance(part, Map) else None
        if headers is not None and isinstance(headers.value, Map):
            values = [entry.value for entry in headers.value.entries.values()]
            references += [value for value in values if isinstance(value, Text)]
        for text in references:
            scheme = _SCHEME.match(text.text)
            if scheme is not None:
                yield text, text.text[scheme.end() :]
