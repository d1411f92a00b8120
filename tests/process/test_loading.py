"""The application is loaded by its own interpreter, and its own error is reported if that fails."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entrypoint.output.lines import LONGEST

if TYPE_CHECKING:
    from conftest import Command, Project

WITH_DJANGO = ("django", "asgiref", "sqlparse")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        (
            "from django.core.exceptions import ImproperlyConfigured; raise ImproperlyConfigured('set IT')",
            "ImproperlyConfigured: set IT",
        ),
        ("import sys; sys.exit('no licence')", "SystemExit: no licence"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("INSTALLED_APPS += ['no_such_app']", "ModuleNotFoundError: No module named 'no_such_app'"),
        ("DATABASES = {'default': {'ENGINE': 'no.such.engine'}}", "'no.such.engine' isn't an available database"),
    ],
)
def test_settings_that_fail_are_reported_by_the_last_line_of_their_error(
    entrypoint: Command, project: Project, setting: str, said: str
) -> None:
    project.add_setting(setting)
    done = entrypoint.run(project.root, "prepare")
    assert done.code == 78
    last = done.err.splitlines()[-1]
    assert last.startswith("[entrypoint] cannot load the application: ")
    assert said in done.err
    assert "Traceback" not in done.err
    assert not project.database.exists()


def add_package(project: Project, name: str, version: str) -> None:
    project.write(f"{name}-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_two_halves_of_psycopg_that_do_not_fit_are_named(entrypoint: Command, project: Project) -> None:
    """What psycopg 3.2.9 raises where psycopg-binary 3.1.18 is installed."""
    project.write("psycopg/__init__.py", "raise AttributeError(\"module 'psycopg_binary.pq' has no PGcancelConn\")")
    add_package(project, "psycopg", "3.2.9")
    add_package(project, "psycopg_binary", "3.1.18")
    project.add_setting('\nDATABASES["default"]["ENGINE"] = "django.db.backends.postgresql"\n')
    done = entrypoint.run(project.root, "prepare")
    assert done.code == 78
    why = "psycopg 3.2.9 and psycopg-binary 3.1.18 have different versions; install one version of both"
    assert done.err.endswith(f"; {why}: pip install 'psycopg[binary]==3.2.9'\n")


def test_a_driver_that_is_not_installed_is_named(entrypoint: Command, project: Project) -> None:
    for name in ("psycopg", "psycopg2"):
        project.write(f"{name}/__init__.py", "raise ImportError")
    project.add_setting('\nDATABASES["default"]["ENGINE"] = "django.db.backends.postgresql"\n')
    done = entrypoint.run(project.root, "prepare")
    assert done.code == 78
    assert done.err.endswith(": Error loading psycopg2 or psycopg module; install psycopg[binary]\n")


@pytest.mark.parametrize(
    ("setting", "fix"),
    [
        ('(BASE_DIR / "logs").mkdir()', "create it in the Dockerfile: RUN install -d "),
        ('open(BASE_DIR / "site.log", "w")', "the application's code; use a separate folder, such as "),
    ],
)
def test_a_log_that_the_settings_may_not_create_is_named_with_its_fix(
    entrypoint: Command, project: Project, ordinary_user: int | None, setting: str, fix: str
) -> None:
    project.add_setting(f"\n{setting}\n")
    project.root.chmod(0o555)
    uid = os.geteuid() if ordinary_user is None else ordinary_user
    done = entrypoint.run(project.root, "prepare", ENTRYPOINT_USER=str(uid))
    project.root.chmod(0o755)
    assert done.code == 77
    assert "cannot load the application: PermissionError: " in done.err
    assert fix in done.err.splitlines()[-1]


def test_a_django_that_is_too_old_is_named(entrypoint: Command, project: Project) -> None:
    project.write("old/django/__init__.py", "VERSION, __version__ = (3, 2, 25, 'final', 0), '3.2.25'\n")
    done = entrypoint.run(project.root, "prepare", PYTHONPATH=str(project.root / "old"))
    why = "Django 3.2.25 is too old; install 4.2 or newer"
    assert (done.code, done.err.splitlines()[-1]) == (78, f"[entrypoint] cannot load the application: {why}")


def test_two_packages_that_bring_uwsgi_are_a_warning_of_check(entrypoint: Command, project: Project) -> None:
    add_package(project, "uWSGI", "2.0.28")
    add_package(project, "pyuwsgi", "2.0.28")
    done = entrypoint.run(project.root, "check")
    assert "[application] warning: packages: uWSGI and pyuwsgi are both installed, and both install" in done.err


def test_the_place_of_the_failure_in_the_application_is_reported(entrypoint: Command, project: Project) -> None:
    project.write("site_/settings.py", "first = 1\nsecond = 1 / 0\n")
    done = entrypoint.run(project.root, "prepare")
    assert done.err.endswith(f"ZeroDivisionError: division by zero ({project.root}/site_/settings.py, line 2)\n")


def test_a_manage_py_with_a_syntax_error_is_reported_with_its_line(entrypoint: Command, project: Project) -> None:
    project.write("manage.py", "import os\ndef main(:\n")
    done = entrypoint.run(project.root, "prepare")
    assert done.code == 78
    assert "SyntaxError: invalid syntax" in done.err
    assert done.err.endswith("manage.py, line 2)\n")
    assert "Traceback" not in done.err


def test_a_process_that_ends_while_it_loads_is_reported_with_its_code(entrypoint: Command, project: Project) -> None:
    project.add_setting("os._exit(41)")
    done = entrypoint.run(project.root, "prepare")
    assert (done.code, done.err) == (
        41,
        "[entrypoint] cannot load the application: its process exited with status 41\n",
    )


def test_a_process_that_is_killed_while_it_loads_is_reported_with_its_signal(
    entrypoint: Command, project: Project
) -> None:
    project.add_setting("os.kill(os.getpid(), 9)")
    done = entrypoint.run(project.root, "prepare")
    assert (done.code, done.err) == (
        137,
        "[entrypoint] cannot load the application: its process was killed by SIGKILL\n",
    )


def test_output_of_the_settings_module_does_not_disturb_the_agent(entrypoint: Command, project: Project) -> None:
    project.add_setting(
        r"""
        import sys
        print('{"done": "a lie"}')
        print("x" * 200000, file=sys.stderr)
        sys.stdout.buffer.write(b"caf\xe9\nwithout an end")
        """
    )
    done = entrypoint.run(project.root, "--dry-run")
    assert done.code == 0
    lines = done.err.splitlines()
    assert '[application] {"done": "a lie"}' in lines
    long = [line.removeprefix("[application] ") for line in lines if line.startswith("[application] x")]
    assert ("".join(long), max(map(len, long))) == ("x" * 200000, LONGEST)  # a line that is too long is cut
    assert "[application] caf\\xe9" in lines


def test_the_error_names_the_interpreter_that_lacks_django(entrypoint: Command, project: Project, place: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "venv")], check=True)
    done = entrypoint.run(project.root, "prepare", ENTRYPOINT_PYTHON=str(place / "venv/bin/python"))
    assert done.code == 78
    assert f"{place}/venv/bin/python has no Django" in done.err
    assert done.err.endswith("; install it, or set ENTRYPOINT_PYTHON\n")


@pytest.mark.parametrize("found_by", ["ENTRYPOINT_PYTHON", "VIRTUAL_ENV", ".venv"])
def test_an_application_boots_from_an_environment_that_has_django_alone(
    entrypoint: Command, project: Project, place: Path, free_port: int, found_by: str
) -> None:
    home = project.root / ".venv" if found_by == ".venv" else place / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    (packages,) = (home / "lib").glob("python*/site-packages")
    for name in WITH_DJANGO:
        (packages / name).symlink_to(Path(sysconfig.get_path("purelib"), name))
    project.add_setting(
        """
        import importlib.util, sys
        found = [name for name in ("click", "jinja2", "supervisor") if importlib.util.find_spec(name)]
        print(f"{sys.prefix} sees of the toolkit's libraries {found}")
        """
    )
    environ = {
        "ENTRYPOINT_PYTHON": {"ENTRYPOINT_PYTHON": str(home / "bin/python")},
        "VIRTUAL_ENV": {"VIRTUAL_ENV": str(home)},
        ".venv": {},
    }[found_by]
    done = entrypoint.run(project.root, "prepare", "--skip", "validate", PORT=f"127.0.0.1:{free_port}", **environ)
    assert done.code == 0
    assert f"[application] {home} sees of the toolkit's libraries []" in done.err
    assert f"home = {home}\n" in (place / "run/uwsgi.ini").read_text(encoding="utf-8")
    assert project.database.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the application as another user")
def test_an_interpreter_behind_a_closed_folder_is_reported_with_that_folder(
    entrypoint: Command, project: Project, place: Path
) -> None:
    closed = place / "closed"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(closed / "venv")], check=True)
    closed.chmod(0o700)
    python = closed / "venv/bin/python"
    done = entrypoint.run(project.root, "prepare", ENTRYPOINT_PYTHON=str(python), ENTRYPOINT_USER="nobody")
    why = f"cannot run {python} as nobody: Permission denied ({closed} is root:root 0700)"
    mend = "install it where nobody can reach it and set ENTRYPOINT_PYTHON, or set ENTRYPOINT_USER"
    assert (done.code, done.err) == (126, f"[entrypoint] {why}; {mend}\n")
