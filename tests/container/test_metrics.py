"""Who may read the metrics of a container: the address of the connection decides, whatever a client claims."""

import json

import pytest
import requests
from deadline import PATIENCE, until
from docker_engine import Container, Engine
from metrics_text import value, values

SETTINGS = {
    "SECRET_KEY": "of-the-tests-alone-and-no-one-else",
    "FORWARDED_ALLOW_IPS": "*",
    "WEB_CONCURRENCY": "1",
}
READ = "import urllib.request as u; print(u.urlopen('http://127.0.0.1/-/metrics').read().decode())"
ASTRAY = """
import os
stats = "/run/entrypoint/app/stats.sock"
os.unlink(stats)
os.symlink("/run/entrypoint/supervisor.sock", stats)
"""


def inside(container: Container) -> str:
    done = container.exec("python3", "-c", READ)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n") + "\n"


@pytest.mark.thorough  # tests/system/test_metrics.py tests who may read
def test_only_the_container_itself_may_read_its_metrics(engine: Engine, image: str) -> None:
    site = engine.run(image, SETTINGS).ready()
    for headers in (
        {},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "::1, 127.0.0.1"},
        {"Forwarded": "for=::1"},
    ):
        assert requests.get(f"{site.url}/-/metrics", headers=headers, timeout=PATIENCE).status_code == 403
    text = inside(site)
    assert value(text, "entrypoint_ready") == 1
    # Root without CAP_SYS_PTRACE reads the PSS of www-data's processes.
    resident = site.exec("sh", "-c", "cat /proc/[0-9]*/statm | sort -n -k 2 | tail -1").stdout.split()[1]
    assert 0 < value(text, "entrypoint_program_memory_bytes", program="uwsgi") < 3 * 4096 * int(resident)
    assert value(text, "entrypoint_uwsgi_workers", state="idle") == 1

    # The application's user puts a link in the place of uWSGI's socket: root does not follow it.
    done = site.exec("setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "python3", "-c", ASTRAY)
    assert done.returncode == 0, done.stderr
    until(lambda: not any("uwsgi_workers" in name for name, _ in values(inside(site))), "no statistics")
    assert value(inside(site), "entrypoint_program_up", program="uwsgi") == 1
    assert json.loads(site.exec("entrypoint", "status", "--format", "json").stdout)["ready"]
