"""The real command, run as a user runs it, and the small projects that it boots."""

import gc
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import hypothesis
import leftovers
import pytest
from deadline import PATIENCE, until
from own_etc import OwnEtc
from ports import free_port
from reachable import NOBODY, anybody_runs, copy_environment
from shared import made_once

MARK = "LC_TEST_MARK"  # by a name that supervisord keeps in its own environment
EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "django"
SERVERS = (
    ("postgres", {"postgres_server", "pgbouncer"}, ("postgres", "pgbouncer")),
    ("mariadb", {"mariadb_server"}, ("mariadb",)),
)
"""Servers that are started once a worker: the fixtures of each, and the values of a parameter `kind` that want it."""
IMAGES = {"engine", "image", "base"}
"""The fixtures of tests in containers: one worker builds the image, and no other waits for it."""
RUN = pytest.StashKey[tuple[Path, Path, "subprocess.Popen[bytes]"]]()
"""Its folder, that of pytest, and the process that waits for its end."""
FIRST = ["container", "system", "process", "unit"]
"""The folders with the slowest tests first, so that no worker begins a slow one when the others are done."""

QUICK, FULL = 25, 200
for name, examples in (("quick", QUICK), ("full", FULL)):
    hypothesis.settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
hypothesis.settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what tests/golden expects of each plan anew")


@pytest.hookimpl(trylast=True)  # pytest knows its own folder by then
def pytest_configure(config: pytest.Config) -> None:
    """Make the folder that the workers of this run share, and see that nothing of the run outlives it."""
    # A shell ignores these for a command in the background, and what tests start would inherit that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGQUIT) == signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    if hasattr(config, "workerinput"):
        return
    # A short name, because messages shorten what is long, and a socket's path has a limit.
    folder = Path(tempfile.gettempdir(), f"tests-{uuid.uuid4().hex[:8]}")
    folder.mkdir()
    folder.chmod(0o755)
    os.environ[leftovers.RUN] = str(folder)
    pytests = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # noqa: SLF001 -- nothing else tells
    config.stash[RUN] = folder, pytests, leftovers.watch(folder, pytests)


def pytest_unconfigure(config: pytest.Config) -> None:
    if RUN in config.stash:
        folder, pytests, watcher = config.stash[RUN]
        leftovers.sweep(folder, pytests)
        watcher.kill()
        watcher.wait()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None]:
    """Collect without the garbage collector, which would look again and again at all tests: a sixth of the CPU."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Shorten long values in the ids of tests: each worker sends all ids, and one value has 500 KB."""
    return f"{val[:80]!r}..." if isinstance(val, str | bytes) and len(val) > 100 else None


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow tests first, and those that share a server or a site to one worker of pytest-xdist."""
    items.sort(key=_rank)
    for item in items:
        group = _group(item)
        if group:
            item.add_marker(pytest.mark.xdist_group(group))


def _rank(item: pytest.Item) -> int:
    """Return the place of a test's folder among all."""
    return next((rank for rank, name in enumerate(FIRST) if name in item.path.parts), len(FIRST))


def _group(item: pytest.Item) -> str:
    """Return what a test shares with others: a server by its name, the fixtures of its module, or the image."""
    if not isinstance(item, pytest.Function):
        return ""
    kind = str(item.callspec.params.get("kind", "")) if hasattr(item, "callspec") else ""
    for server, fixtures, kinds in SERVERS:
        if fixtures.intersection(item.fixturenames) or kind.startswith(kinds):
            return server
    definitions = item._fixtureinfo.name2fixturedefs.values()  # noqa: SLF001 -- pytest tells scopes nowhere else
    if any(each[-1].scope == "module" for each in definitions):
        return str(item.path)
    return "docker" if IMAGES.intersection(item.fixturenames) else ""


@dataclass(frozen=True)
class Done:
    """What a command that ended has said."""

    code: int
    out: str
    err: str


def tree(root: Path) -> dict[str, tuple[int, int]]:
    found = ((str(path.relative_to(root)), path.lstat()) for path in sorted(root.rglob("*")))
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found}


class Running:
    """A command that may still run; its stderr is a file, so that it never waits for its reader."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def err(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_until_it_says(self, text: str) -> None:
        until(lambda: text in self.err or self.process.poll() is not None)
        assert text in self.err

    def stop(self, number: signal.Signals) -> tuple[int, float]:
        """Send the signal; return the exit code, and after how many seconds it came."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE), time.monotonic() - began


@dataclass(frozen=True)
class Command:
    """The installed command `entrypoint`, in an environment that holds nothing but what a test gives it."""

    place: Path
    user: int | None = None
    python: str = sys.executable
    """The interpreter that runs it: `sys.executable`, or a copy that each user can reach."""
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "ENTRYPOINT_RUN_DIR": str(self.place / "run"),
            "TMPDIR": str(self.place),
            MARK: self.mark,
            **({"ENTRYPOINT_USER": "root"} if os.geteuid() == 0 else {}),
            **environ,
        }

    @property
    def script(self) -> str:
        return str(Path(self.python).parent / "entrypoint")

    def as_user(self, uid: int | None) -> "Command":
        """Return the same command, run by another user; None: by whoever runs the tests."""
        return replace(self, user=uid)

    def run(self, cwd: Path, *words: str, **environ: str) -> Done:
        return self.run_argv(cwd, [self.script, *words], **environ)

    def run_argv(self, cwd: Path, argv: list[str], **environ: str) -> Done:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=self.environment(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=2 * PATIENCE,
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
        )
        return Done(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def start(self, cwd: Path, *words: str, **environ: str) -> Running:
        log = self.place / f"log-{uuid.uuid4().hex}"
        with log.open("wb") as opened:
            process = subprocess.Popen(
                [self.script, *words],
                cwd=cwd,
                env=self.environment(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=opened,
            )
        return Running(process, log)

    def left_running(self) -> list[int]:
        """Return the processes that carry this test's mark in their environment."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    environ = (entry / "environ").read_bytes()
                except OSError:  # it has ended, or is another user's and so not ours
                    continue
                if wanted in environ.split(b"\0"):
                    found.append(int(entry.name))
        return found


SETTINGS = """
    import os
    from pathlib import Path

    BASE_DIR = Path(__file__).resolve().parent.parent
    SECRET_KEY = "of-the-tests-alone-and-no-one-else"
    INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.staticfiles", "shelf"]
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "data" / "db.sqlite3"}}
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    ROOT_URLCONF = "site_.urls"
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    STATIC_URL = "/static/"
    STATIC_ROOT = os.environ.get("STATIC_ROOT", BASE_DIR / "data" / "static")
    ALLOWED_HOSTS = ["*"]
"""
MANAGE = """
    import os
    import sys

    from django.core.management import execute_from_command_line

    if __name__ == "__main__":
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")
        execute_from_command_line(sys.argv)
"""
MODELS = """
    from django.db import models


    class Book(models.Model):
        title = models.CharField(max_length=100)
"""
MIGRATION = """
    from django.db import migrations, models


    class Migration(migrations.Migration):
        initial = True
        operations = [
            migrations.CreateModel(
                "Book",
                [("id", models.BigAutoField(primary_key=True)), ("title", models.CharField(max_length=100))],
            )
        ]
"""


class Project:
    """A small Django project on disk, which everyone may read and write."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / "data" / "db.sqlite3"
        self.write("manage.py", MANAGE)
        self.write("site_/settings.py", SETTINGS)
        self.write("site_/urls.py", "urlpatterns = []\n")
        self.write("shelf/models.py", MODELS)
        self.write("shelf/migrations/__init__.py", "")
        self.write("shelf/migrations/0001_initial.py", MIGRATION)
        self.write("shelf/static/shelf/book.css", "p { color: black }\n")
        (root / "data").mkdir()
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
            folder.chmod(0o777)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")

    def add_setting(self, text: str) -> None:
        with (self.root / "site_/settings.py").open("a", encoding="utf-8") as opened:
            opened.write(dedent(text))

    def rows(self, statement: str, database: str = "db.sqlite3") -> list[tuple[Any, ...]]:
        """Run a statement in a database, without Django, which takes long to start; return its rows."""
        connection = sqlite3.connect(self.root / "data" / database)
        with closing(connection), connection:
            return connection.execute(statement).fetchall()

    def ask(self, code: str) -> str:
        """Return what `code` prints once Django stands."""
        done = subprocess.run(
            [sys.executable, "-B", "-c", f"import django; django.setup(); {code}"],
            cwd=self.root,
            env={"PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "site_.settings", "PYTHONPATH": str(self.root)},
            capture_output=True,
            check=True,
            text=True,
            timeout=PATIENCE,
        )
        return done.stdout.strip()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of what is made once a run."""
    return leftovers.run_folder()


@pytest.fixture(name="until")
def until_() -> Callable[..., None]:
    return until


@pytest.fixture(name="tree")
def tree_() -> Callable[[Path], dict[str, tuple[int, int]]]:
    return tree


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a folder that every user can reach; pytest's own tmp_path is closed to all but its owner."""
    path = Path(tempfile.mkdtemp(prefix="", dir=leftovers.run_folder()))
    path.chmod(0o755)
    yield path
    leftovers.remove(path)


@pytest.fixture(scope="session")
def reachable_python(shared: Path) -> str:
    """Give an interpreter that each user can run with the toolkit and the packages of the tests."""
    if os.geteuid() != 0 or anybody_runs(sys.executable):
        return sys.executable
    return str(made_once(shared / "environment", copy_environment) / "bin" / "python")


@pytest.fixture(scope="session")
def command_in(reachable_python: str) -> Callable[[Path], Command]:
    """Give a function that returns the command for a folder that several tests share."""
    return lambda place: Command(place, python=reachable_python)


@pytest.fixture
def entrypoint(place: Path, command_in: Callable[[Path], Command]) -> Iterator[Command]:
    """Give the command, and see that nothing that it started outlives the test."""
    command = command_in(place)
    yield command
    left = command.left_running()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


@pytest.fixture
def own_etc(tmp_path: Path) -> OwnEtc:
    """Give an /etc to which a test adds files for the command that it runs."""
    return OwnEtc(tmp_path)


@pytest.fixture
def project(place: Path) -> Project:
    """Give a small Django project with one migration, one static file and SQLite."""
    return Project(place / "app")


@pytest.fixture
def migrated_project(project: Project, shared: Path, command_in: Callable[[Path], Command]) -> Project:
    """Give the small project with a copy of its migrated database: its migrations take a third of a `prepare`."""

    def migrate(folder: Path) -> None:
        folder.mkdir()
        done = command_in(folder).run(Project(folder / "app").root, "prepare", "--only", "migrate")
        assert done.code == 0, done.err

    shutil.copyfile(made_once(shared / "migrated", migrate) / "app/data/db.sqlite3", project.database)
    return project


@pytest.fixture
def plain(place: Path) -> Path:
    """Give an application that is not Django, ENTRYPOINT_APP=hello:app: its boot takes a third of the CPU."""
    folder = place / "plain"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "hello.py").write_text(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello']\n"
    )
    return folder


@pytest.fixture
def example(place: Path) -> Path:
    """Give a copy of the example project, as git has it."""
    copy = place / "example"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__", "db.sqlite3*", "static_root", "media"))
    (copy / "data").chmod(0o777)
    return copy


@pytest.fixture(name="free_port")
def free_port_() -> int:
    """Give a port that nobody listens on."""
    return free_port()


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield int(holder.getsockname()[1])


@pytest.fixture
def ordinary_user() -> int | None:
    """Give the uid of someone without rights: None where the tests run as such a user already."""
    return NOBODY if os.geteuid() == 0 else None
