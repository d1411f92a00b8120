"""The examples that are not Django, as they are in the repository."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from deadline import PATIENCE, until
from servers import Redis
from site_under_test import EXAMPLE, NewSite, Site
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

EXAMPLES = EXAMPLE.parent
# The commands of the examples are those of the image's interpreter: here, of the tests' own.
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def test_the_flask_example_is_served(new_site: NewSite) -> None:
    site = new_site(EXAMPLES / "flask", PATH=PATH, NGINX_STATIC_ROOT=str(EXAMPLES / "flask" / "static"))
    site.start().ready()
    assert requests.post(site.url, {"text": "buy <milk>"}, timeout=PATIENCE).status_code == 200
    page = requests.get(site.url, timeout=PATIENCE).text
    assert "<li>buy &lt;milk&gt;</li>" in page
    style = requests.get(f"{site.url}/static/style.css", timeout=PATIENCE)
    assert (style.status_code, style.headers["Cache-Control"]) == (200, "no-cache")
    assert site.stop()[0] == 0


def test_the_fastapi_example_serves_a_websocket(new_site: NewSite) -> None:
    site = new_site(EXAMPLES / "fastapi", PATH=PATH, ENTRYPOINT_STOP_TIMEOUT="3s").start().ready()
    assert "new WebSocket" in requests.get(site.url, timeout=PATIENCE).text
    address = f"ws://127.0.0.1:{site.port}/chat"
    with connect(address) as one, connect(address) as other:
        until(lambda: requests.get(f"{site.url}/clients", timeout=PATIENCE).json() == {"clients": 2}, "both clients")
        one.send("hello")
        assert (one.recv(timeout=PATIENCE), other.recv(timeout=PATIENCE)) == ("hello", "hello")
        os.kill(site.pid, signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            one.recv(timeout=PATIENCE)
    assert site.wait() == 0, site.output


def state_of(site: Site, task: str) -> Any:
    return requests.get(f"{site.url}/orders/{task}", timeout=PATIENCE).json()


@pytest.mark.thorough  # redis-server, worker, beat and Flower; the other examples run without this marker
def test_the_celery_example_runs_its_tasks(new_site: NewSite, tmp_path: Path) -> None:
    with Redis() as redis:
        redis.start()
        url = f"redis://127.0.0.1:{redis.port}/0"
        beat = f"celery -A orders:queue beat --schedule {tmp_path}/beat --loglevel INFO"
        settings = {
            "PATH": PATH,
            "REDIS_URL": url,
            "ENTRYPOINT_PROGRAM_BEAT": beat,
            "REPORT_EVERY": "1",
            "FLOWER": "yes",
        }
        site = new_site(EXAMPLES / "celery", **settings).start().ready()
        done = requests.post(f"{site.url}/orders?seconds=0", timeout=PATIENCE).json()["id"]
        until(lambda: state_of(site, done) == {"state": "SUCCESS", "result": "packed in 0 s"}, "the task")
        until(lambda: "all orders are fine" in site.output, "the task of beat")
        assert {"worker", "beat", "flower"} <= set(site.command("ctl", "status").stdout.split())
        running = requests.post(f"{site.url}/orders?seconds=2", timeout=PATIENCE).json()["id"]
        until(lambda: f"Task orders.pack[{running}] received" in site.output, "the task to be begun")
        assert site.stop()[0] == 0
        assert f"Task orders.pack[{running}] succeeded" in site.output
        assert not [each for each in psutil.process_iter(["cmdline"]) if url in str(each.info["cmdline"])]
