"""A reload in a container, as root and as its other users: by `docker exec`, and by `docker kill --signal HUP`."""

from functools import partial

import pytest
from deadline import until
from docker_engine import BOOT, Container, Engine, docker

ARBITRARY = ("--user", "12345:0", "--read-only", "--tmpfs", "/tmp:mode=1777")
WAYS = {
    "root": ((), 80, "on"),
    "an arbitrary uid on a read-only root": (ARBITRARY, 8080, "on"),
    "root without nginx": ((), 80, "off"),
    "an arbitrary uid on a read-only root, without nginx": (ARBITRARY, 8080, "off"),
}
REPLACED = {"on": "replaced uwsgi, reloaded nginx", "off": "replaced uwsgi"}


def server(container: Container) -> list[str]:
    """Return the PID of uWSGI's master, and the uid that it runs as."""
    pid = container.exec("entrypoint", "ctl", "pid", "uwsgi").stdout.strip()
    return [pid, container.exec("stat", "-c", "%u", f"/proc/{pid}").stdout.strip()]


def is_ready(container: Container) -> bool:
    """Return whether it is ready; without nginx no port answers that."""
    return container.exec("entrypoint", "health", "ready").returncode == 0


@pytest.mark.thorough
@pytest.mark.parametrize(("options", "port", "nginx"), WAYS.values(), ids=WAYS)
def test_the_user_of_process_1_reloads(
    engine: Engine, image: str, options: tuple[str, ...], port: int, nginx: str
) -> None:
    settings = {"SECRET_KEY": "of-the-tests-alone", "ENTRYPOINT_NGINX": nginx}
    container = engine.run(image, settings, options=options, port=port)
    until(partial(is_ready, container), "the boot", BOOT, lambda: container.logs)
    first = server(container)
    for command in (["reload"], ["ctl", "status"], ["maintenance", "off"]):
        options = ("--user", "33", "-e", "ENTRYPOINT_DATA_DIR=/tmp")
        stranger = docker("exec", *options, container.name, "entrypoint", *command, check=False)
        assert (stranger.returncode, stranger.stderr.count("\n")) == (77, 1), stranger.stderr
        assert "cannot " in stranger.stderr
    assert server(container) == first
    # Variables of this command alone are not those of the container.
    done = docker("exec", "-e", "WEB_CONCURRENCY=7", container.name, "entrypoint", "reload", check=False)
    assert (done.returncode, done.stderr) == (0, f"[entrypoint] reload: {REPLACED[nginx]}\n"), container.logs
    second = server(container)
    assert (second[0] != first[0], second[1]) == (True, first[1])
    docker("kill", "--signal", "HUP", container.name)
    until(lambda: "[entrypoint] reload: replaced uwsgi" in container.logs, "the reload")
    third = server(container)
    assert (third[0] != second[0], third[1]) == (True, first[1])
    assert is_ready(container)
    assert container.stop()[0] == 0
