"""Every way of running the image: a container boots twice and must answer the same requests each time."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from deadline import PATIENCE, until
from docker_engine import BOOT, Container, Engine, docker, log_in
from ports import free_port
from rows import rows

ADMIN = {
    "SUPERUSER_USERNAME": "admin",
    "SUPERUSER_PASSWORD": "correct-horse",
    "SECRET_KEY": "of-the-tests-alone-and-no-one-else",
}
NAS_USER, OLD_USER = (12345, 54321), (1026, 100)
FEW = ("CHOWN", "DAC_OVERRIDE", "KILL", "SETGID", "SETUID")
HAND_OVER = (
    "from pathlib import PurePosixPath; from entrypoint.boot.effects.disk.ownership import hand_over; "
    "from entrypoint.boot.trust.accounts import look_up; hand_over(PurePosixPath('/shared'), look_up('12345:54321'))"
)
UPLOAD = b"an upload of the tests\n"


class Way(NamedTuple):
    """Options of `docker run`, what they need on this machine, and the user that must serve the site then."""

    user: tuple[int, int]
    options: tuple[str, ...] = ()
    settings: dict[str, str] = {}  # noqa: RUF012 -- no test changes it
    arrange: Callable[[Path], tuple[str, ...]] = lambda _: ()

    @property
    def port(self) -> int:
        return 8080 if "--user" in self.options else 80


def volume_of_a_nas(place: Path) -> tuple[str, ...]:
    """Make a folder that belongs to another user, with one file of root in it."""
    folder = place / "nas"
    folder.mkdir()
    (folder / "old").touch()
    for path in (folder, folder / "old"):
        os.chown(path, *OLD_USER)
    (folder / "roots").touch()
    return ("-v", f"{folder}:/data", "-v", "/empty", "--tmpfs", "/shared:mode=1777")


WAYS = {
    "root, which drops its privileges": Way((33, 33)),
    "an ordinary user": Way((1000, 0), ("--user", "1000")),
    "an arbitrary uid in the group root": Way((1000650000, 0), ("--user", "1000650000:0")),
    "an arbitrary uid on a read-only root": Way(
        (12345, 0), ("--user", "12345:0", "--read-only", "--tmpfs", "/tmp:mode=1777")
    ),
    "a read-only root and /run": Way((33, 33), ("--read-only", "--tmpfs", "/run")),
    "no capabilities": Way((33, 33), ("--user", "33", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")),
    "root with few capabilities": Way(
        (33, 33),
        ("--cap-drop", "ALL", *(w for name in FEW for w in ("--cap-add", name))),
    ),
    "PUID and PGID on the volume of a NAS": Way(
        NAS_USER,
        settings={"PUID": "12345", "PGID": "54321", "DATA_DIR": "/data", "ENTRYPOINT_DATA_DIR": "/empty"},
        arrange=volume_of_a_nas,
    ),
}
IN_MAKE_TEST = {"an arbitrary uid on a read-only root"}


def upload(url: str) -> str:
    """Upload a file by the form of the site; return the path where it is served."""
    with requests.Session() as session:
        page = session.get(f"{url}/upload/", timeout=PATIENCE)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token
        form = {"csrfmiddlewaretoken": token[1]}
        after = session.post(f"{url}/upload/", data=form, files={"file": ("a.txt", UPLOAD)}, timeout=PATIENCE)
        found = re.search(r'href="(/media/[^"]+)"', after.text)
        assert found, after.text
        return found[1]


def check_pages(url: str, uploaded: str) -> None:
    """Ask for the page, its static files and an upload."""
    page = requests.get(url, timeout=PATIENCE)
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(files) > 1
    assert {requests.get(url + name, timeout=PATIENCE).status_code for name in ("/", *files)} == {200}
    assert requests.get(url + uploaded, timeout=PATIENCE).content == UPLOAD


def owners(container: Container, *paths: str) -> list[str]:
    return container.exec("stat", "-c", "%u:%g", *paths).stdout.split()


def users(container: Container, program: str) -> set[tuple[int, int]]:
    top = docker("top", container.name, "-eo", "pid,uid,gid,comm").stdout
    return {(int(uid), int(gid)) for uid, gid in re.findall(rf"(\d+)\s+(\d+)\s+{program}", top)}


@pytest.mark.parametrize("name", rows(WAYS, IN_MAKE_TEST))
def test_the_site_is_served_and_stopped_and_serves_again_with(
    engine: Engine, image: str, place: Path, name: str
) -> None:
    if name.startswith("PUID") and os.geteuid() != 0:
        pytest.skip("only root can make files of another user")
    way = WAYS[name]
    options = (*way.options, *way.arrange(place))
    container = engine.run(image, {**ADMIN, **way.settings}, options=options, port=way.port).ready()
    uploaded = upload(container.url)
    if name.startswith("PUID"):
        container.exec("python", "-c", HAND_OVER)
        assert owners(container, "/shared") == ["0:0"]
    for boot in (1, 2):
        check_pages(container.url, uploaded)
        assert container.exec("entrypoint", "health").returncode == 0
        status = json.loads(container.exec("entrypoint", "status", "--format", "json").stdout)
        assert [each["ready"] for each in status["programs"]] == [True, True]
        assert users(container, "uwsgi") == {way.user}
        assert way.user in users(container, "nginx")
        assert "Site administration" in log_in(container)
        if name.startswith("PUID"):
            mine = ":".join(map(str, NAS_USER))
            assert owners(container, "/data", "/data/old", "/empty", "static_root", "/data/media") == [mine] * 5
            assert owners(container, "/data/roots", "/srv/project") == ["0:0"] * 2
        assert container.stop()[0] == 0, container.logs
        assert container.logs.count("migrations applied") == 1
        if boot == 1:
            container.start().ready()


def podman(*words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(["podman", *words], capture_output=True, text=True, timeout=600, check=False)
    assert not check or done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
    return done


def missing_podman() -> str:
    """Return why Podman cannot be used, or nothing. For an ordinary user it also needs newuidmap(1)."""
    if shutil.which("podman") is None:
        return "podman is not installed"
    done = podman("info", check=False)
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@pytest.fixture
def podman_image(image: str) -> Iterator[str]:
    """Give Podman the image. Where Podman cannot be used, the test is skipped for a person, and fails in CI."""
    if why := missing_podman():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
        loaded = subprocess.run(
            ["podman", "load", "-q"], stdin=saved.stdout, capture_output=True, text=True, check=True
        )
    tag = loaded.stdout.rpartition("Loaded image: ")[2].strip()
    yield tag
    podman("rmi", "-f", tag)


@pytest.mark.thorough
def test_podman_serves_and_stops_and_serves_again(podman_image: str) -> None:
    port, name = free_port(), f"entrypoint-test-{os.getpid()}"
    variables = [word for key, value in ADMIN.items() for word in ("-e", f"{key}={value}")]
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return requests.get(f"{url}/-/ready", timeout=PATIENCE).status_code == 200
        except requests.ConnectionError:
            return False

    # In the host's network: not every machine lets Podman make another.
    podman("run", "-d", "--network=host", "--name", name, "-e", f"PORT=127.0.0.1:{port}", *variables, podman_image)
    try:
        until(ready, "the site to be ready", BOOT)
        uploaded = upload(url)
        for boot in (1, 2):
            check_pages(url, uploaded)
            assert podman("exec", name, "entrypoint", "health").returncode == 0
            podman("stop", name)
            assert podman("inspect", "-f", "{{.State.ExitCode}}", name).stdout == "0\n"
            if boot == 1:
                podman("start", name)
                until(ready, "the site to be ready", BOOT)
    finally:
        podman("rm", "-f", "-v", name)
