"""A reload in a container, as root and as its other users: by `docker exec`, and by `docker kill --signal HUP`."""

import pytest
from deadline import until
from docker_engine import Container, Engine, docker

WAYS = {
    "root": ((), 80),
    "an arbitrary uid on a read-only root": (
        ("--user", "12345:0", "--read-only", "--tmpfs", "/tmp:mode=1777"),
        8080,
    ),
}


def server(container: Container) -> list[str]:
    """Return the PID of uWSGI's master, and the uid that it runs as."""
    pid = container.exec("entrypoint", "ctl", "pid", "uwsgi").stdout.strip()
    return [pid, container.exec("stat", "-c", "%u", f"/proc/{pid}").stdout.strip()]


@pytest.mark.parametrize(
    ("options", "port"),
    [
        pytest.param(*WAYS["root"], id="root", marks=pytest.mark.thorough),
        pytest.param(*WAYS["an arbitrary uid on a read-only root"], id="an arbitrary uid", marks=pytest.mark.thorough),
    ],
)
def test_the_user_of_process_1_reloads(engine: Engine, image: str, options: tuple[str, ...], port: int) -> None:
    container = engine.run(image, {"SECRET_KEY": "of-the-tests-alone"}, options=options, port=port).ready()
    first = server(container)
    for command in (["reload"], ["ctl", "status"], ["maintenance", "off"]):
        options = ("--user", "33", "-e", "ENTRYPOINT_DATA_DIR=/tmp")
        stranger = docker("exec", *options, container.name, "entrypoint", *command, check=False)
        assert (stranger.returncode, stranger.stderr.count("\n")) == (77, 1), stranger.stderr
        assert "cannot " in stranger.stderr
    assert server(container) == first
    # Variables of this command alone are not those of the container.
    done = docker("exec", "-e", "WEB_CONCURRENCY=7", container.name, "entrypoint", "reload", check=False)
    assert (done.returncode, done.stderr) == (0, "[entrypoint] reload: replaced uwsgi, reloaded nginx\n"), (
        container.logs
    )
    second = server(container)
    assert (second[0] != first[0], second[1]) == (True, first[1])
    docker("kill", "--signal", "HUP", container.name)
    until(lambda: "[entrypoint] reload: replaced uwsgi" in container.logs, "the reload")
    third = server(container)
    assert (third[0] != second[0], third[1]) == (True, first[1])
    assert container.status("/-/ready") == 200
    assert container.stop()[0] == 0
