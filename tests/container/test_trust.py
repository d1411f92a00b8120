"""Root neither follows, runs nor overwrites what the application's user can write.

One image (tests/untrusted_site.py) in which that user owns what it may own. In one container it replaces each path that
it can replace by a link to a file that is root's, in another it leaves files of its own; then the container is started
again, every command is called, and it is stopped. The engine itself, from outside, says what became of root's files.
"""

import io
import json
import re
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import pytest
from deadline import until
from docker_engine import BOOT, Container, Engine, docker
from untrusted_site import HOME, LED_ASTRAY, OWN_HOOKS, REFUSED, SITE, Refusal, by_hand, context, plants

# Three containers and every command in each; tests/process/test_trust.py shows most rules without one.
pytestmark = pytest.mark.thorough

PYTHON = "3.13"
KINDS = (*(plant.kind for plant in plants(PYTHON)), *OWN_HOOKS)

COMMANDS = (
    ("ctl", "status"),
    ("health",),
    ("check",),
    ("exec", "--", "/usr/bin/true"),
    ("env",),
    ("boot",),
    ("maintenance", "on"),
    ("maintenance", "off"),
    ("render",),
    ("reload",),
    ("status",),
    ("doctor",),
    ("cache", "purge"),
    ("prepare", "--only", "compress"),
    ("--dry-run",),
)
SETTINGS = {
    "NGINX_CACHE": "20m",
    "NGINX_PRIVATE_ROOT": f"{SITE}/private",
    "ENTRYPOINT_STATUS_PAGE": "on",
    "ENTRYPOINT_STATUS_PASSWORD": "of the page",
    "ENTRYPOINT_METRICS_ALLOW": "172.16.0.0/12",
    "PROMETHEUS_MULTIPROC_DIR": f"{HOME}/metrics",
}

OF_ROOT = ("/etc", "/root", "/usr/local/bin", "/usr/sbin", "/docker-entrypoint.d", "/opt", "/victims")
OF_DOCKER = ("etc/hosts", "etc/hostname", "etc/resolv.conf")  # written again at each start
OF_THE_USER = "-own."  # its hooks

# Without its code and its interpreter nothing would be started that could go astray, and without its database not all.
CODE = " ".join(f"{SITE}{place}" for place in ("", "/*.py", "/config*", "/members*", "/pages*", "/.venv*"))
# With these the boot ends early, so each has a container of its own (`LED_ASTRAY`).
DECISIVE = (
    f"{SITE}/data {SITE}/data/db* {SITE}/static_root/staticfiles.json {SITE}/static_root/.collected-* "
    f"{HOME}/keys {HOME}/keys/* {HOME}/metrics"
)
AREAS = {
    "the run directory": "/run/",
    "the home": f"{HOME}/",
    "the application": f"{SITE}/",
    "the static files": f"{SITE}/static_root/",
    "the data": f"{SITE}/data/",
    "temporary files": "/tmp/",
}


READ_ALL = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; true"


class File(NamedTuple):
    """The properties of a file of root that must not change."""

    kind: bytes
    mode: int
    uid: int
    gid: int
    content: bytes


@dataclass
class Seen:
    """What a test found in a container after the attack."""

    logs: str = ""
    before: Mapping[str, File] = field(default_factory=dict)
    after: Mapping[str, File] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)  # each path, and where its link led
    as_root: Mapping[str, str] = field(default_factory=dict)  # each plant that ran as root, and in which process
    as_user: frozenset[str] = frozenset()
    homes: Mapping[str, str] = field(default_factory=dict)
    readable: str = ""  # by the application's user
    reloads: list[str] = field(default_factory=list)  # the last line of each

    @cached_property
    def changed(self) -> list[str]:
        """The files of root that have changed."""
        names = sorted(self.before.keys() | self.after.keys())
        return [name for name in names if self.before.get(name) != self.after.get(name)]


def files(container: Container, *folders: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield what is in folders of a container, running or not, as the engine finds it."""
    for folder in folders:
        packed = subprocess.run(["docker", "cp", f"{container.name}:{folder}", "-"], capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            for member in archive:
                opened = archive.extractfile(member) if member.isreg() else None
                yield member, opened.read() if opened else member.linkname.encode()


def of_root(container: Container) -> Mapping[str, File]:
    return {
        member.name: File(member.type, member.mode, member.uid, member.gid, content)
        for member, content in files(container, *OF_ROOT)
        if member.name not in OF_DOCKER and OF_THE_USER not in member.name
    }


def as_user(container: Container, *words: str) -> str:
    return docker("exec", "-u", "33:33", "-w", SITE, container.name, *words).stdout


def work_through(container: Container, seen: Seen) -> None:
    """Kill and start it, call each command as an operator does, stop it; see what its user can read."""
    docker("kill", container.name)  # a stop would have tidied up
    if container.start().booted():
        for words in COMMANDS:
            done = docker("exec", "-w", SITE, container.name, "/usr/local/bin/entrypoint", *words, check=False)
            seen.reloads += reloads(done.stderr)
        before = reloads(container.logs)
        docker("kill", "-s", "HUP", container.name)
        until(lambda: reloads(container.logs) != before, "the reload by a signal", BOOT)
        seen.reloads += reloads(container.logs)[len(before) :]
        seen.readable = as_user(container, "/bin/sh", "-c", READ_ALL)
    docker("stop", container.name)
    seen.readable += container.logs


def reloads(log: str) -> list[str]:
    """Return the last lines of reloads in a log."""
    return re.findall(r"^\[entrypoint\] (reload: .*|cannot reload.*)", log, re.MULTILINE)


def examine(container: Container, seen: Seen) -> Seen:
    seen.after = of_root(container)
    seen.logs = container.logs
    marks = [(m, content) for m, content in files(container, "/trace") if m.isreg()]
    kinds = [(m.name.partition("/")[2].rpartition(".")[0], m.uid, content.decode().strip()) for m, content in marks]
    seen.as_root = {kind: command for kind, uid, command in kinds if uid == 0}
    seen.as_user = frozenset(kind for kind, uid, _ in kinds if uid == 33)
    trusted = [(m, content) for m, content in files(container, "/var/lib/trusted") if m.isreg()]
    seen.homes = {m.name.partition("/")[2]: content.decode().strip() for m, content in trusted}
    return seen


@pytest.fixture(scope="module")
def engine_of_all() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def untrusted(engine_of_all: Engine, base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image."""
    folder = context(tmp_path_factory.mktemp("untrusted"), PYTHON)
    return engine_of_all.build(folder, "--build-arg", f"BASE={base}")


def linked(engine: Engine, image: str, *words: str) -> Seen:
    container = engine.run(image, SETTINGS).ready()
    seen = Seen(before=of_root(container))
    seen.replaced = json.loads(as_user(container, "/usr/local/bin/python3", "-I", "/opt/replace_by_links.py", *words))
    work_through(container, seen)
    return examine(container, seen)


@pytest.fixture(scope="module")
def leaves(engine_of_all: Engine, untrusted: str) -> Seen:
    """The user replaces each file, socket and empty folder that it can by a link to one of root."""
    return linked(engine_of_all, untrusted, "leaves", f"{CODE} {DECISIVE}")


@pytest.fixture(scope="module")
def folders(engine_of_all: Engine, untrusted: str) -> Seen:
    """The user does the same with each folder that is not empty."""
    return linked(engine_of_all, untrusted, "folders", f"{CODE} {DECISIVE}")


@pytest.fixture(scope="module")
def planted(engine_of_all: Engine, untrusted: str) -> Seen:
    """The user puts files wherever a program may run, import or read them."""
    options = ("--health-interval", "1s")
    container = engine_of_all.run(untrusted, SETTINGS, options=options).ready()
    seen = Seen(before=of_root(container))
    as_user(container, "/usr/bin/cp", "-r", "--remove-destination", "/opt/plants/.", "/")
    as_user(container, "/bin/sh", "-c", f"{by_hand(PYTHON)}\ntrue")
    work_through(container, seen)
    return examine(container, seen)


@pytest.mark.usefixtures("untrusted")
@pytest.mark.parametrize("seen", ["leaves", "planted"])
def test_the_site_boots_and_reloads_nevertheless(request: pytest.FixtureRequest, seen: str) -> None:
    """Without this the attack proves nothing: the container reloads, by the command and by the signal."""
    found: Seen = request.getfixturevalue(seen)
    assert found.reloads == ["reload: replaced uwsgi, reloaded nginx"] * 2, found.logs


@pytest.mark.parametrize("area", AREAS)
def test_root_follows_no_link_in(leaves: Seen, area: str) -> None:
    links = {path: target for path, target in leaves.replaced.items() if path.startswith(AREAS[area])}
    assert links, f"nothing could be replaced: {sorted(leaves.replaced)}"
    followed = [
        path for path, target in links.items() if any(name.startswith(target.lstrip("/")) for name in leaves.changed)
    ]
    assert not followed, leaves.logs


def test_root_follows_no_link_in_place_of_a_folder(folders: Seen) -> None:
    assert f"{SITE}/static_root" in folders.replaced
    assert not folders.changed, folders.logs


@pytest.mark.usefixtures("untrusted")  # a scope of the module, by which these tests run beside the others of it
@pytest.mark.parametrize("seen", ["leaves", "folders", "planted"])
def test_no_file_of_roots_is_changed(request: pytest.FixtureRequest, seen: str) -> None:
    found: Seen = request.getfixturevalue(seen)
    assert len(found.before) > 1000
    assert not found.changed, found.logs


@pytest.mark.usefixtures("untrusted")
@pytest.mark.parametrize("seen", ["leaves", "folders"])
def test_no_secret_of_roots_is_handed_to_the_user(request: pytest.FixtureRequest, seen: str) -> None:
    found: Seen = request.getfixturevalue(seen)
    assert "secret of root" not in found.readable


@pytest.mark.parametrize("kind", KINDS)
def test_root_runs_nothing_of_the_users(planted: Seen, kind: str) -> None:
    assert kind in planted.as_user, "it never ran at all, so that it shows nothing"
    assert kind not in planted.as_root, f"{kind} ran as root in: {planted.as_root[kind]}"


@pytest.mark.parametrize("place", ["pre-start", "pre-stop"])
def test_a_hook_of_roots_runs_as_root_with_its_home(planted: Seen, place: str) -> None:
    assert planted.homes.get(place) == "0 /root"


def start_after(engine: Engine, image: str, plant: str) -> Container:
    """Start a container in which the application's user did something before; wait until its boot is over."""
    words = json.loads(docker("inspect", "-f", "{{json .Config.Entrypoint}}", image).stdout)
    settings = {"PLANT": plant, "START": " ".join(words)}
    container = engine.run(image, settings, options=("--entrypoint", "/opt/become-plant"))
    container.booted()
    return container


@pytest.mark.parametrize("place", LED_ASTRAY)
def test_root_is_not_led_astray_by(engine: Engine, untrusted: str, place: str) -> None:
    path, kind = LED_ASTRAY[place]
    container = start_after(engine, untrusted, f"rm -rf {path} && ln -s /victims/0000-{kind} {path}")
    readable = ""
    if container.state["Running"]:
        readable = docker("exec", "-u", "33:33", container.name, "/bin/sh", "-c", READ_ALL).stdout
    victims = [
        (mark.name, mark.uid, stat.S_IMODE(mark.mode), content)
        for mark, content in files(container, "/victims/0000-" + kind)
    ]
    name, text = f"0000-{kind}", b"secret of root 0000\n"
    untouched = {
        "file": [(name, 0, 0o600, text)],
        "folder": [(name, 0, 0o700, b""), (f"{name}/inside", 0, 0o600, text)],
    }
    assert victims == untouched[kind], container.logs
    assert "secret of root" not in readable + container.logs
    assert container.state["Running"] or container.state["ExitCode"] != 70, container.logs


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda refusal: refusal.name)
def test_a_project_file_of_the_users_cannot_ask_for(engine: Engine, untrusted: str, refusal: Refusal) -> None:
    container = start_after(engine, untrusted, f"cp /opt/refused/{refusal.name} {refusal.file}")
    assert not [mark.name for mark, _ in files(container, "/trace") if "/refused." in mark.name and mark.uid == 0]
    assert (container.state["Running"], container.state["ExitCode"]) == (False, refusal.code), container.logs
    refused = [line for line in container.logs.splitlines() if line.startswith("[entrypoint] cannot ")]
    assert any(refusal.line in line for line in refused), container.logs
