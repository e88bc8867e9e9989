"""How the house is built: who may import whom, where effects live, and that the pages name what the program knows."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from config import DEFAULTS, NAMES, REQUIRED, load, read

TOP = Path(__file__).resolve().parent.parent

# From the top down. A module imports only from floors below its own; on the lowest floor, neighbours may be imported.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"main"}),
    frozenset({"flags", "output", "terminal", "counting", "stopping", "demo", "limits", "live_test"}),
    frozenset({"engine"}),
    frozenset({"sync_logic", "state", "clients", "report"}),
    frozenset({"decisions"}),
    frozenset({"models", "world", "status_map", "config", "text", "errors", "clock", "threads", "budget"}),
)
# They know nothing of the rest, so that everything can rest on them.
FOUNDATIONS = {"models", "status_map", "text", "errors", "clock"}
# Decisions and texts: no effect, no clock, no chance, nothing that differs between two calls.
PURE = {"sync_logic", "decisions", "budget", "world", "models", "status_map", "text", "report"}
EFFECTS = {
    "os", "pathlib", "shutil", "tempfile", "subprocess", "socket", "sqlite3", "time", "random", "secrets", "uuid",
    "logging", "threading", "concurrent", "asyncio", "multiprocessing",
}  # fmt: skip
# Each of these libraries has one room.
ROOMS = {
    "requests": "clients/http.py",
    "urllib3": "clients/http.py",
    "tenacity": "clients/http.py",
    "sqlite3": "state",
    "rich": "terminal",
    "dotenv": "config",
}
PRINTERS = {"main.py", "sandbox/__main__.py"}


@cache
def sources() -> dict[str, ast.Module]:
    """Every source file of the program and the stand-in by its path, with its syntax tree."""
    paths = [*TOP.glob("*.py"), *(path for room in rooms() for path in (TOP / room).rglob("*.py"))]
    return {path.relative_to(TOP).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(paths)}


def rooms() -> list[str]:
    """The folders at the top that are packages of the program."""
    others = {"tests", "benchmarks"}
    return sorted(path.parent.name for path in TOP.glob("*/__init__.py") if path.parent.name not in others)


def room(path: str) -> str:
    """The module or package at the top that a file belongs to."""
    return path.partition("/")[0].removesuffix(".py")


def imported(tree: ast.Module) -> set[str]:
    """Names at the top of every import in the file, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports go by full name"
            names.add((node.module or "").split(".")[0])
    return names


def ours() -> set[str]:
    return {room(path) for path in sources()}


def floor(name: str) -> int:
    for number, names in enumerate(FLOORS):
        if name in names:
            return number
    pytest.fail(f"{name} has no floor yet: give it one in FLOORS")


def program() -> Iterator[tuple[str, set[str]]]:
    for path, tree in sources().items():
        if room(path) != "sandbox":
            yield path, imported(tree)


def test_there_is_something_to_look_at() -> None:
    assert {"config.py", "models.py", "clients/errors.py"} <= set(sources())


def test_imports_run_downwards() -> None:
    wrong = []
    for path, names in program():
        here = floor(room(path))
        for name in (names & ours()) - {room(path), "sandbox"}:
            neighbours = here == floor(name) == len(FLOORS) - 1
            if floor(name) <= here and not neighbours:
                wrong.append(f"{path} imports {name}")
    assert wrong == []


def test_the_foundations_rest_on_nothing_of_ours() -> None:
    assert {path: found for path, names in program() if room(path) in FOUNDATIONS and (found := names & ours())} == {}


def test_only_main_and_the_demo_know_the_stand_in_and_the_terminal() -> None:
    for guarded in ("sandbox", "terminal"):
        guests = {room(path) for path, names in program() if guarded in names} - {guarded}
        assert guests <= {"main", "demo"}


def test_the_stand_in_needs_python_and_nothing_else() -> None:
    allowed = set(sys.stdlib_module_names) | {"sandbox"}
    strangers = {
        path: found
        for path, tree in sources().items()
        if room(path) == "sandbox" and (found := imported(tree) - allowed)
    }
    assert strangers == {}


@pytest.mark.parametrize("library", sorted(ROOMS))
def test_each_library_has_one_room(library: str) -> None:
    home = ROOMS[library]
    users = {path for path, names in program() if library in names}
    assert {path for path in users if home not in (path, room(path))} == set()


def test_every_library_is_listed_in_the_requirements() -> None:
    listed = set(re.findall(r"^[a-z0-9-]+", (TOP / "requirements.txt").read_text(), re.MULTILINE))
    packages = {"dotenv": "python-dotenv", "urllib3": "requests"}
    used = set().union(*(names for _, names in program())) - set(sys.stdlib_module_names) - ours()
    assert {packages.get(name, name) for name in used} <= listed


def test_decisions_have_no_effects() -> None:
    wrong = [f"{path} imports {name}" for path, names in program() if room(path) in PURE for name in names & EFFECTS]
    for path, tree in sources().items():
        if room(path) in PURE:
            wrong.extend(f"{path} calls {name}" for name in calls(tree) & {"now", "utcnow", "today", "open", "input"})
    assert wrong == []


def test_only_main_prints() -> None:
    assert {path for path, tree in sources().items() if "print" in calls(tree)} <= PRINTERS


def calls(tree: ast.Module) -> set[str]:
    """Names of everything that is called: `f(...)` and `x.f(...)` alike."""
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {
        func.id if isinstance(func, ast.Name) else func.attr
        for func in called
        if isinstance(func, (ast.Name, ast.Attribute))
    }


def example() -> dict[str, str]:
    """The settings of .env.example; those in comments too."""
    text = (TOP / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=(.*)$", text, re.MULTILINE))


def test_the_example_names_every_setting_with_its_default_and_nothing_else() -> None:
    assert example() == {**dict.fromkeys(REQUIRED, ""), **DEFAULTS}
    assert list(example())[: len(REQUIRED)] == list(REQUIRED)


def test_the_example_can_be_copied_and_only_the_required_six_are_left_to_fill_in(tmp_path: Path) -> None:
    active = re.findall(r"^([A-Z_]+)=", (TOP / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert active == list(REQUIRED)
    filled = tmp_path / "filled.env"
    lines = (TOP / ".env.example").read_text(encoding="utf-8").replace("\n# STATUS_MAP=", "\nSTATUS_MAP=")
    filled.write_text(lines)
    six = {
        "AIRTABLE_API_KEY": "pat.x",
        "AIRTABLE_BASE_ID": "appAbCdEfGhIjKl12",
        "AIRTABLE_TABLE_NAME": "Leads",
        "CLICKUP_API_KEY": "pk_1",
        "CLICKUP_LIST_ID": "1",
        "CLICKUP_CUSTOM_FIELD_ID": "1a2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f",
    }
    assert str(load(read(six, filled)).status_map) == DEFAULTS["STATUS_MAP"]


def test_the_readme_names_every_setting_with_its_default_and_nothing_else() -> None:
    text = (TOP / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Z][A-Z_]+)` \| *(?:`([^`]*)`)? *\|", text, re.MULTILINE))
    assert rows == {**dict.fromkeys(REQUIRED, ""), **DEFAULTS}
    mentioned = set(re.findall(r"\b(?:AIRTABLE|CLICKUP|SYNC)_[A-Z_]+\b", text))
    assert mentioned <= set(NAMES)
