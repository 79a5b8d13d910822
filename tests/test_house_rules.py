"""The rules that this package keeps: a rule without a check does not exist."""

import ast
import re
import tokenize
import tomllib
from functools import cache
from pathlib import Path

import pytest

from router.sinks import SINKS
from router.sources import SOURCES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "router"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES_OF_TESTS = sorted((ROOT / "tests").rglob("*.py"))

BANNED = re.compile(
    r"(Manager|Handler|Processor|Service|Helper|Util|Common|Base|Context|Info|Data)(?=[A-Z_]|s?$)", re.ASCII
)
SUPPRESSION = re.compile(
    r"# (noqa: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)*|type: ignore\[[a-z-]+(, ?[a-z-]+)*\])  # \S"
)
SILENCER = re.compile(r"#\s*(noqa|type:\s*ignore|pragma)\b")
# What only `hmac.compare_digest` may compare, and the modules that hold it: `==` tells where it differs.
GUESSED = re.compile(r"reveal\(\)|_mac\(|digest\(|\b(given|token|signature)\b")
GUARDS = ("secret.py", "sources", "server", "admin")
CLOCKS = ("asyncio", "anyio", "time")
# Names that a library gives to what a class of ours must be.
GRANTED = {"_Libraries"}


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"), str(path))


def name_of(path: Path) -> str:
    """The path as shown in a test's name."""
    return str(path.relative_to(ROOT))


def dotted(path: Path) -> str:
    """The module's name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> set[str]:
    """The modules of this package that a file imports, wherever in the file."""
    known = {dotted(module) for module in MODULES}
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return {name for name in found if name in known}


@pytest.mark.parametrize("path", [*MODULES, *SOURCES_OF_TESTS], ids=name_of)
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    """A file that must grow becomes a folder of files with one job each."""
    assert len(path.read_text("utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_function_is_longer_than_50_lines(path: Path) -> None:
    """A function fits on a screen, its docstring apart."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            length = (node.end_lineno or 0) - first.lineno + 1
            assert length <= 50, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_owns(path: Path) -> None:
    """The root docstring is the first thing a stranger reads: a name, and what it stands for."""
    docstring = ast.get_docstring(parsed(path))

    assert docstring
    assert path.name == "__main__.py" or re.match(r"\w[\w -]*: ", docstring), docstring.splitlines()[0]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_name_says_nothing(path: Path) -> None:
    """A word of the field beats a clever one, and any word beats Manager."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ClassDef) and node.name not in GRANTED:
            assert not BANNED.search(node.name), node.name
    assert not re.search(r"manager|handler|helper|util|common|misc", path.stem)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_there_is_one_broad_except_and_no_loose_task(path: Path) -> None:
    """A bug ends the process, unless it is a sink's; every task has an owner."""
    broad = [
        node.lineno
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
        )
    ]
    text = path.read_text("utf-8")

    assert len(broad) == (1 if path == PACKAGE / "dispatch" / "attempt.py" else 0), broad
    assert not re.search(r"asyncio\.(create_task|ensure_future|gather)\(|loop\.create_task\(", text)


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in GUARDS], ids=name_of
)
def test_nothing_that_can_be_guessed_is_compared_in_time_that_tells(path: Path) -> None:
    """Neither digests nor tokens; their length and their presence are no secret."""
    compared = [
        ast.unparse(operand)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.Is | ast.IsNot)
        for operand in (node.left, *node.comparators)
    ]

    assert [text for text in compared if GUESSED.search(text) and not text.startswith("len(")] == []


@pytest.mark.parametrize("path", [*MODULES, *SOURCES_OF_TESTS], ids=name_of)
def test_every_suppression_has_its_reason(path: Path) -> None:
    """`noqa` and `type: ignore` name what they silence, and why, in one form."""
    if not SILENCER.search(path.read_text("utf-8")):
        return
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT and SILENCER.search(token.string):
                assert SUPPRESSION.match(token.string), f"line {token.start[0]}: {token.string}"


def test_every_module_has_its_layer() -> None:
    """A file that the contract of layers forgot would be free to import anything."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = [name.strip() for layer in contract["contracts"][0]["layers"] for name in layer.split("|")]
    for path in MODULES:
        if len(parsed(path).body) > 1:
            module = dotted(path)
            known = module == "router" or any(f"{module}.".startswith(f"{name}.") for name in layers)
            assert known, module


def test_imports_never_form_a_cycle() -> None:
    """Not at run time, not in functions, not for types."""
    graph = {dotted(path): imports(path) for path in MODULES}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join((*above, module))
        if module not in done:
            for imported in graph[module]:
                visit(imported, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_import_hides_behind_type_checking(path: Path) -> None:
    """What only types need is needed."""
    assert "TYPE_CHECKING" not in path.read_text("utf-8")


def test_the_accept_path_and_the_deliver_path_never_meet() -> None:
    """They meet in the journal alone."""
    graph = {dotted(path): imports(path) for path in MODULES}

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            module = todo.pop()
            if module not in seen:
                seen.add(module)
                todo += graph[module]
        return seen

    deliver = {
        "router.transport.transport",
        "router.dispatch.attempt",
        "router.dispatch.settlement",
        "router.dispatch.dispatcher",
    }

    assert not deliver & reach("router.server.server")
    assert not {"router.intake", "router.server.server"} & reach("router.dispatch.dispatcher")


def test_no_component_is_handed_the_whole_configuration() -> None:
    """Only configuration and program know `Config`."""
    allowed = re.compile(r"router\.(config|app|program|admin|cli|commands|welcome|__main__)")
    for path in MODULES:
        if not allowed.match(dotted(path)):
            assert not any(name.startswith("router.config") for name in imports(path)), dotted(path)


def test_every_source_and_every_sink_is_in_its_table() -> None:
    """A file that the table forgot would never be configured."""
    listed_sources = {Path(kind.__module__.replace(".", "/")).name for kind in SOURCES.values()}
    listed_sinks = {Path(kind.__module__.replace(".", "/")).name for kind in SINKS.values()}

    for folder, listed, parent in (("sources", listed_sources, "Source"), ("sinks", listed_sinks, "Sink")):
        for path in (PACKAGE / folder).glob("*.py"):
            defines = re.search(rf"^class \w+\({parent}\b", path.read_text("utf-8"), re.MULTILINE)
            assert bool(defines) == (path.stem in listed), path.name


@pytest.mark.parametrize("path", SOURCES_OF_TESTS, ids=name_of)
def test_tests_touch_no_private_name_and_never_sleep(path: Path) -> None:
    """A test knows the outside of what it tests, and waits for events instead of time."""
    may_sleep = {"process", "torture", "bench", "waiting.py"} & set(path.parts)
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            assert not private or owner in ("self", "cls"), f"line {node.lineno}: {node.attr}"
            slept = node.attr == "sleep" and owner in CLOCKS
            assert not slept or may_sleep, f"line {node.lineno} sleeps"
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            assert not (node.module in CLOCKS and "sleep" in names) or may_sleep, f"line {node.lineno} sleeps"
            private_names = [name for name in names if name.startswith("_") and not name.startswith("__")]
            assert not private_names, f"line {node.lineno}: {private_names}"
