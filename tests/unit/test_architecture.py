"""A folder is a process: what its files may import follows from where they run."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import entrypoint

PACKAGE = Path(entrypoint.__file__).parent
ROOMS = ("app", "boot", "contrib", "control", "supervision")
SHARED = {"contrib": "entrypoint.app"}  # what a project takes into itself runs where the agent does
COMMAND_LINE = {"entrypoint.cli", "entrypoint.commands"}
TOP = {f"entrypoint.{path.stem}" for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")} - COMMAND_LINE


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names of the modules that a file imports, wherever in it that stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            package = path.relative_to(PACKAGE.parent).with_suffix("").parts[: -node.level]
            yield ".".join((*package, *([node.module] if node.module else [])))
        elif isinstance(node, ast.ImportFrom) and node.module:
            # Of a package a name may be a module: that is what is imported.
            for alias in node.names:
                inner = Path(*node.module.split("."), alias.name)
                there = (PACKAGE.parent / inner).is_dir() or (PACKAGE.parent / inner).with_suffix(".py").is_file()
                yield f"{node.module}.{alias.name}" if there else node.module


def imported_by(room: str) -> dict[str, set[str]]:
    return {str(path.relative_to(PACKAGE)): set(imports(path)) for path in (PACKAGE / room).rglob("*.py")}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("room", ROOMS)
def test_the_rooms_do_not_import_each_other(room: str) -> None:
    others = [f"entrypoint.{other}" for other in ROOMS if other != room and f"entrypoint.{other}" != SHARED.get(room)]
    wrong = {(path, name) for path, names in imported_by(room).items() for name in names if within(name, *others)}
    assert wrong == set()


def test_the_command_line_is_imported_by_its_entry_alone() -> None:
    wrong = {path for room in ROOMS for path, names in imported_by(room).items() if COMMAND_LINE & set(names)}
    assert wrong == set()


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("app", ["django", "brotli", "entrypoint.app"]),  # brotli where the application has it
        ("contrib", ["django", "entrypoint.app", "entrypoint.contrib"]),
        ("supervision", ["supervisor", "psutil", "entrypoint.supervision", *TOP]),
        ("control", ["supervisor", "psutil", "entrypoint.control", *TOP]),
        ("boot", ["jinja2", "supervisor", "entrypoint.boot", *TOP]),
    ],
)
def test_a_room_imports_the_standard_library_and_what_its_process_has(room: str, allowed: list[str]) -> None:
    wrong = {
        (path, name)
        for path, names in imported_by(room).items()
        for name in names
        if not is_standard(name) and not within(name, *allowed)
    }
    assert wrong == set()


def test_what_is_shared_at_the_top_depends_on_no_room() -> None:
    wrong = {
        (name, imported)
        for name in TOP
        for imported in imports(PACKAGE / f"{name.rpartition('.')[2]}.py")
        if not is_standard(imported) and imported not in TOP
    }
    assert wrong == set()


def test_the_environment_is_read_on_the_command_line_and_by_the_application_alone() -> None:
    readers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv")
    }
    assert {name for name in readers if not name.startswith(("app/", "contrib/", "supervision/"))} == {"cli.py"}
