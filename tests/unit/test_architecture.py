"""A folder is a process: the process decides what its files may import."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import entrypoint

PACKAGE = Path(entrypoint.__file__).parent
PACKAGES = ("app", "boot", "certificates", "contrib", "control", "scaffold", "supervision")
COMMAND_LINE = {"entrypoint.cli", "entrypoint.commands", "entrypoint.serving"}
SHARED = {"contrib": "entrypoint.app"}  # both run in the application's processes
PROTOCOL = ("entrypoint.protocol", "entrypoint.secret")
SHARED_PACKAGES = ("output", "processes", "protocol")
SHARED_FILES = {
    f"entrypoint.{'.'.join(path.relative_to(PACKAGE).with_suffix('').parts)}": path
    for path in (
        *PACKAGE.glob("*.py"),
        *(path for shared in SHARED_PACKAGES for path in PACKAGE.glob(f"{shared}/*.py")),
    )
    if not path.stem.startswith("__")
}
TOP = SHARED_FILES.keys() - COMMAND_LINE


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names of the modules that a file imports, wherever in it that stands."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            package = path.relative_to(PACKAGE.parent).with_suffix("").parts[: -node.level]
            yield ".".join((*package, *([node.module] if node.module else [])))
        elif isinstance(node, ast.ImportFrom) and node.module:
            # A name imported from a package may be a module of it.
            for alias in node.names:
                inner = Path(*node.module.split("."), alias.name)
                there = (PACKAGE.parent / inner).is_dir() or (PACKAGE.parent / inner).with_suffix(".py").is_file()
                yield f"{node.module}.{alias.name}" if there else node.module


def imported_by(package: str) -> dict[str, set[str]]:
    return {str(path.relative_to(PACKAGE)): set(imports(path)) for path in (PACKAGE / package).rglob("*.py")}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_do_not_import_each_other(package: str) -> None:
    others = [
        f"entrypoint.{other}" for other in PACKAGES if other != package and f"entrypoint.{other}" != SHARED.get(package)
    ]
    wrong = {(path, name) for path, names in imported_by(package).items() for name in names if within(name, *others)}
    assert wrong == set()


ORDER = {
    "boot": (
        "trust",
        "settings",
        "facts",
        "decisions",
        "files",
        "plan",
        "effects",
        "run",
        "exec",
        "reload",
        "diagnosis",
        "manifest",
    ),
    "boot/settings": (
        *("types", "server_names", "spec", "programs", "sources", "table", "protection", "tls"),
        *("settings", "provenance", "reference"),
    ),
    "boot/decisions": (
        *("folders", "servers", "sizing", "stop_budget", "config", "overrides", "environment"),
        *("programs", "address", "decide", "derived"),
    ),
    "boot/effects": (
        *("signals", "command", "checks", "disk", "processes", "waiting", "timeline"),
        *("performers", "boot_performer", "maintenance", "printout"),
    ),
    "app": (
        *("served", "reporting", "writable", "packages", "application_traceback", "static", "databases", "production"),
        *("migrations", "once", "superuser", "checks", "project", "agent", "__main__"),
    ),
    "supervision": (
        *(
            "internals",
            "signals",
            "reaper",
            "files",
            "notify",
            "handover",
            "tasks",
            "logs",
            "checks",
            "policy",
            "readiness",
        ),
        *("reload", "shutdown", "reports", "lifecycle", "web", "metrics", "page", "clients"),
        *("round", "plugin"),
    ),
}
"""What a package holds, in an order in which each imports only those before it; in boot it is that of the flow."""
PURE = ("decisions", "files", "plan")


def imported_in(package: str) -> dict[str, set[str]]:
    """Return the modules of a package that each of its modules imports, by their names below it."""
    own = ".".join((PACKAGE.name, *Path(package).parts, ""))
    return {
        ".".join(path.relative_to(PACKAGE / package).with_suffix("").parts): {
            name.removeprefix(own) for name in imports(path) if name.startswith(own)
        }
        for path in (PACKAGE / package).rglob("*.py")
        if path.stem != "__init__"
    }


@pytest.mark.parametrize("package", ORDER)
def test_each_part_of_a_package_imports_only_those_before_it(package: str) -> None:
    order = {part: at for at, part in enumerate(ORDER[package])}
    part = {name: name.partition(".")[0] for name in imported_in(package)}
    assert set(part.values()) == set(order)
    wrong = {
        (name, imported)
        for name, others in imported_in(package).items()
        for imported in others
        if order[imported.partition(".")[0]] > order[part[name]]
    }
    assert wrong == set()


def test_no_two_modules_import_each_other() -> None:
    modules = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): set(imports(path))
        for path in PACKAGE.rglob("*.py")
        if path.stem != "__init__"
    }
    TopologicalSorter(modules).prepare()  # raises CycleError, which names them


@pytest.mark.parametrize("stage", PURE)
def test_the_pure_packages_neither_ask_the_machine_nor_change_it(stage: str) -> None:
    effects = {"os", "pwd", "grp", "socket", "subprocess", "shutil", "tempfile"}
    wrong = {
        (path.name, name)
        for path in (PACKAGE / "boot" / stage).rglob("*.py")
        for name in imports(path)
        if name.partition(".")[0] in effects
    }
    writes = {
        (path.name, node.attr)
        for path in (PACKAGE / "boot" / stage).rglob("*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in ("write_text", "write_bytes", "unlink", "mkdir", "open")
    }
    assert (wrong, writes) == (set(), set())


def test_the_command_line_is_imported_by_its_entry_alone() -> None:
    wrong = {
        (path, name)
        for package in PACKAGES
        for path, names in imported_by(package).items()
        for name in names
        if within(name, *COMMAND_LINE)
    }
    assert wrong == set()


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("app", ["django", "brotli", "entrypoint.app", *PROTOCOL]),  # brotli where the application has it
        ("contrib", ["django", "entrypoint.app", "entrypoint.contrib", *PROTOCOL]),
        ("supervision", ["supervisor", "entrypoint.supervision", *TOP]),
        ("certificates", ["entrypoint.certificates", *TOP]),
        ("control", ["supervisor", "entrypoint.control", *TOP]),
        ("boot", ["jinja2", "supervisor", "yaml", "entrypoint.boot", *TOP]),  # yaml for `check --manifest` alone
        ("scaffold", ["jinja2", "entrypoint.scaffold", *TOP]),
    ],
)
def test_a_package_imports_the_standard_library_and_what_its_process_has(package: str, allowed: list[str]) -> None:
    wrong = {
        (path, name)
        for path, names in imported_by(package).items()
        for name in names
        if not is_standard(name) and not within(name, *allowed)
    }
    assert wrong == set()


def test_the_shared_modules_at_the_top_depend_on_no_package() -> None:
    wrong = {
        (name, imported)
        for name in TOP
        for imported in imports(SHARED_FILES[name])
        if not is_standard(imported) and imported not in TOP
    }
    assert wrong == set()


def test_the_environment_is_read_on_the_command_line_and_by_the_application_alone() -> None:
    readers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv")
    }
    assert {name for name in readers if not name.startswith(("app/", "contrib/", "supervision/"))} == {
        "certificates/__main__.py",
        "cli.py",
    }
