"""Neither a stop nor the death of a worker loses a request."""

import os
import signal
import socket
from contextlib import ExitStack

import pytest
import requests
from deadline import PATIENCE, until
from load import Load
from rows import rows
from site_under_test import NewSite, Site


def loads(site: Site) -> list[Load]:
    """Return visitors of all kinds: of the application, of a file, on one connection, and of a slow page."""
    file = "/static/style.css"
    return [
        Load(site.port, "/"),
        Load(site.port, file, 2),
        Load(site.port, "/", 2, keep=True),
        Load(site.port, file, 2, keep=True),
        Load(site.port, "/sleep/?s=0.1", 6),
    ]


def answered(load: Load, times: int) -> None:
    until(lambda: load.counts["answered"] >= times, f"{times} answers", instead=lambda: f"{load.counts} {load.lost}")


def test_a_stop_loses_no_request(plain_site: NewSite) -> None:
    site = plain_site(WEB_CONCURRENCY="3").start().ready()
    with ExitStack() as visitors:
        running = [visitors.enter_context(load) for load in loads(site)]
        for load in running:
            answered(load, 10)
        assert site.stop()[0] == 0
        for load in running:
            load.join()
            assert load.lost == []
            assert load.counts["refused"]


@pytest.mark.parametrize("server", rows(("uwsgi", "gunicorn", "uvicorn", "granian"), quick=()))
def test_a_stop_without_nginx_loses_no_request(plain_site: NewSite, server: str) -> None:
    own = {"ENTRYPOINT_SERVER": server, "ENTRYPOINT_APP": "plain:asgi" if server == "uvicorn" else "plain:wsgi"}
    site = plain_site(WEB_CONCURRENCY="3", ENTRYPOINT_NGINX="off", **own).start().ready()
    with ExitStack() as visitors:
        loads = (Load(site.port, "/"), Load(site.port, "/sleep/?s=0.1", 6))
        running = [visitors.enter_context(load) for load in loads]
        for load in running:
            answered(load, 10)
        assert site.stop()[0] == 0
        for load in running:
            load.join()
            assert load.lost == []
            assert load.counts["refused"]


def test_a_stop_after_the_drain_refuses_no_client_that_heeds_readiness(plain_site: NewSite) -> None:
    times = {"ENTRYPOINT_DRAIN_DELAY": "5m", "ENTRYPOINT_STOP_TIMEOUT": "10m"}
    site = plain_site(WEB_CONCURRENCY="3", **times).start().ready()
    with ExitStack() as visitors:
        running = [visitors.enter_context(load) for load in loads(site)]
        for load in running:
            answered(load, 10)
        os.kill(site.pid, signal.SIGTERM)
        until(lambda: site.status("/-/ready") == 503, "the drain")
        for load in running:
            load.end()
            assert load.lost == []
            assert load.counts.keys() == {"answered"}
    os.kill(site.pid, signal.SIGTERM)  # a second one ends the drain
    assert site.wait() == 0


def test_connections_that_wait_at_a_stop_are_answered_and_no_new_ones_wait(plain_site: NewSite) -> None:
    site = plain_site().start().ready()
    (master,) = site.programs("nginx")
    workers = master.children()
    for worker in workers:
        worker.suspend()
    with ExitStack() as sockets:

        def waits() -> bool:
            """Open a connection and send a request; return whether it waits to be accepted."""
            made = sockets.enter_context(socket.socket())
            made.settimeout(0)
            made.connect_ex(("127.0.0.1", site.port))
            try:
                made.sendall(b"GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            except BlockingIOError:
                return False
            made.settimeout(PATIENCE)
            waiting.append(made)
            return True

        def listens() -> bool:
            return any(each.status == "LISTEN" for each in master.net_connections("tcp"))

        waiting: list[socket.socket] = []
        assert all(waits() for _ in range(20))
        os.kill(site.pid, signal.SIGTERM)
        until(lambda: not waits(), "an end of new connections")
        assert len(waiting) < 400  # the kernel's queue has room for 512
        until(lambda: not listens(), "the stop of nginx")  # its master alone is not held up
        for worker in workers:
            worker.resume()
        for each in waiting:
            assert each.makefile("rb").readline().split()[1] == b"200"
    assert site.wait() == 0


@pytest.mark.parametrize("server", rows(["uwsgi", "gunicorn"], ["uwsgi"]))
def test_a_killed_worker_loses_no_get(plain_site: NewSite, server: str) -> None:
    site = plain_site(WEB_CONCURRENCY="3", ENTRYPOINT_SERVER=server).start().ready()
    (master,) = site.programs(server)
    with Load(site.port, "/sleep/?s=0.05", 6) as load:
        for _ in range(6):
            # After so many each request that was asked again has its answer.
            answered(load, load.counts["answered"] + 20)
            until(lambda: len(master.children()) == 3, "all workers")
            master.children()[0].kill()
    assert load.lost == []
    assert load.counts.keys() == {"answered"}
    assert site.stop()[0] == 0


def test_a_post_is_not_sent_to_a_second_worker(plain_site: NewSite) -> None:
    site = plain_site(NGINX_WORKER_PROCESSES="1").start().ready()
    deaths = "killed by signal 9"
    assert requests.post(f"{site.url}/crash/", timeout=PATIENCE).status_code == 502
    until(lambda: deaths in site.output, "the death of a worker")
    answer = requests.get(f"{site.url}/crash/", timeout=PATIENCE)
    assert answer.status_code == 502
    assert answer.json() == {"error": "the application closed the connection without a response"}
    until(lambda: site.output.count(deaths) >= 3, "the deaths of two more")
    # That request has killed two workers: the next one gets one worker only.
    page = requests.get(f"{site.url}/crash/", headers={"Accept": "text/html"}, timeout=PATIENCE)
    assert page.status_code == 502
    assert "Error 502: the application closed the connection without a response." in page.text
    assert "refresh" not in page.text
    until(lambda: site.output.count(deaths) >= 4, "the death of one more")
    until(lambda: site.status("/") == 200, "another worker")
    assert site.output.count(deaths) == 4
    assert site.stop()[0] == 0
