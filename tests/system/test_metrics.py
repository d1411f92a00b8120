"""`/-/metrics` of a site that serves, waits, loses processes and hangs."""

import http.client
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE, until
from metrics_text import old_values, value, values
from ports import free_port
from site_under_test import Site, copy_example, hold_requests

from entrypoint.supervision.metrics import queue
from entrypoint.supervision.metrics.requests import LARGEST

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
ALLOWED = "198.51.100.7"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Callable[[Path], Path]) -> Iterator[Site]:
    folder = prepared(tmp_path_factory.mktemp("site"))
    project = copy_example(folder / "project")
    hold_requests(project)
    settings = {
        "ENTRYPOINT_METRICS_PORT": f"127.0.0.1:{free_port()}",
        "ENTRYPOINT_METRICS_ALLOW": "198.51.100.0/24",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        "NGINX_SERVER_NAME": "example.com",
        "ENTRYPOINT_PROGRAM_WORKER": "sleep 1000",
        "WEB_CONCURRENCY": "1",
        "ALLOWED_HOSTS": "example.com",
    }
    with Site(folder, project, **settings) as running:
        yield running.start().ready()
        assert running.stop()[0] == 0, running.output
        assert not (folder / "run/http.sock").exists()


def scrape(site: Site) -> str:
    answer = requests.get(f"{site.url}/-/metrics", timeout=PATIENCE)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, OPENMETRICS)
    return answer.text


def writing(site: Site) -> float:
    """Return how many requests nginx answers: with this one, and one that has its answer counts for a moment."""
    return value(scrape(site), "entrypoint_nginx_connections", state="writing")


def port_of(site: Site) -> str:
    return f"http://{site.environment['ENTRYPOINT_METRICS_PORT']}"


def get(site: Site, path: str) -> int:
    return requests.get(site.url + path, headers={"Host": "example.com"}, timeout=PATIENCE).status_code


def test_prometheus_can_read_both_formats(site: Site) -> None:
    until(lambda: value(scrape(site), "entrypoint_program_ready", program="worker") == 1, "the worker")
    until(lambda: writing(site) == 1, "this request alone")
    text = scrape(site)
    old = requests.get(f"{site.url}/-/metrics", headers={"Accept": "text/plain"}, timeout=PATIENCE)
    assert old.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert old_values(old.text).keys() == values(text).keys()
    assert {labels[0][1] for name, labels in values(text) if name == "entrypoint_program_up"} == {
        "nginx", "uwsgi", "worker",
    }  # fmt: skip
    for name in ("entrypoint_program_up", "entrypoint_program_ready"):
        assert [number for (found, _), number in values(text).items() if found == name] == [1, 1, 1]
    assert value(text, "entrypoint_ready") == 1
    assert value(text, "entrypoint_program_state", program="worker", state="running") == 1
    assert value(text, "entrypoint_program_memory_bytes", program="uwsgi") > 10 << 20
    assert value(text, "entrypoint_program_processes", program="uwsgi") == 2
    assert value(text, "entrypoint_program_cpu_seconds_total", program="uwsgi") > 0.05
    assert value(text, "entrypoint_migrations_applied") == 0
    phases = {dict(labels)["phase"]: each for (name, labels), each in values(text).items() if "phase" in name}
    assert {"python", "import", "load", "migrate", "validate", "supervise"} <= phases.keys()
    assert value(text, "entrypoint_boot_seconds") == pytest.approx(sum(phases.values()), abs=0.01)
    assert "of-the-tests-alone" not in text


def test_requests_are_counted_by_status_class(site: Site) -> None:
    before = scrape(site)
    statuses = [get(site, path) for path in ("/", "/", "/nothing", "/admin/", "/-/live", "/-/ready", "/-/metrics")]
    assert statuses == [200, 200, 404, 200, 200, 200, 200]

    def more(each: str) -> float:
        return value(scrape(site), "entrypoint_nginx_requests_total", **{"class": each}) - value(
            before, "entrypoint_nginx_requests_total", **{"class": each}
        )

    wanted = {"2xx": 3, "3xx": 1, "4xx": 1}  # the probes and the scrapes are not counted; 3xx is to the login
    until(lambda: sum(map(more, wanted)) == 5, "the batches of nginx")
    assert {each: more(each) for each in wanted} == wanted
    after = scrape(site)
    of_uwsgi = "entrypoint_uwsgi_request_seconds_count"
    assert value(after, of_uwsgi) - value(before, of_uwsgi) == 5
    assert value(after, "entrypoint_uwsgi_request_seconds_sum") > value(before, "entrypoint_uwsgi_request_seconds_sum")


def test_busy_workers_and_the_queue_before_them_are_seen(site: Site) -> None:
    answers: list[int] = []
    clients = [threading.Thread(target=lambda: answers.append(get(site, "/hold/"))) for _ in range(3)]
    for client in clients:
        client.start()
    socket_of_uwsgi = f"unix:{site.folder}/run/app/uwsgi.sock"
    until(lambda: queue.length(socket_of_uwsgi) == 3, "the connection of the liveness check behind two clients")
    text = scrape(site)
    assert value(text, "entrypoint_server_listen_queue", program="uwsgi") == 2
    assert value(text, "entrypoint_uwsgi_workers", state="busy") == 1
    until(lambda: writing(site) == 4, "the three, and this request")
    line = re.compile(r"^uwsgi: 1 of 1 worker busy, 2 connections wait, [\d.]+ requests/s$", re.MULTILINE)
    until(lambda: line.search(site.command("status").stdout), "the line of uWSGI")
    (site.project / "released").touch()
    for client in clients:
        client.join()
    assert answers == [200, 200, 200]
    assert value(scrape(site), "entrypoint_server_listen_queue", program="uwsgi") == 0
    until(lambda: value(scrape(site), "entrypoint_uwsgi_workers", state="idle") == 1, "an idle worker")


def test_a_restart_is_counted(site: Site) -> None:
    (worker,) = site.programs("sleep")
    began = value(scrape(site), "entrypoint_program_start_time_seconds", program="worker")
    worker.kill()
    until(lambda: value(scrape(site), "entrypoint_program_restarts_total", program="worker") == 1, "the restart")
    until(lambda: value(scrape(site), "entrypoint_program_up", program="worker") == 1, "the second worker")
    assert value(scrape(site), "entrypoint_program_start_time_seconds", program="worker") > began


def test_the_rest_is_answered_while_uwsgi_hangs(site: Site) -> None:
    (master,) = site.programs("uwsgi")
    master.suspend()
    text = scrape(site)
    master.resume()
    assert value(text, "entrypoint_program_up", program="uwsgi") == 1
    assert not any(name.startswith("entrypoint_uwsgi") for name, _ in values(text))
    assert value(text, "entrypoint_server_listen_queue", program="uwsgi") == 0
    until(lambda: value(scrape(site), "entrypoint_uwsgi_workers", state="idle") == 1, "uWSGI's answer")


def test_the_port_serves_metrics_and_nothing_else(site: Site) -> None:
    assert values(requests.get(f"{port_of(site)}/metrics", timeout=PATIENCE).text).keys() == values(scrape(site)).keys()
    found = [
        requests.get(port_of(site) + path, timeout=PATIENCE).status_code for path in ("/-/metrics", "/", "/admin/")
    ]
    assert found == [200, 404, 404]
    refused = requests.post(f"{port_of(site)}/metrics", data="x" * 100000, timeout=PATIENCE)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"X-Forwarded-For": ALLOWED}, 200),  # of 127.0.0.1, a trusted proxy
        ({"X-Forwarded-For": "203.0.113.9"}, 403),
        ({"X-Forwarded-For": f"127.0.0.1, {ALLOWED}, 203.0.113.9"}, 403),
        ({"X-Forwarded-For": "203.0.113.9, 127.0.0.1"}, 403),
        ({"X-Forwarded-For": "nonsense"}, 200),  # nginx ignores it, as for each request
    ],
)
def test_only_allowed_addresses_may_read_the_metrics(site: Site, headers: dict[str, str], status: int) -> None:
    for url in (f"{site.url}/-/metrics", f"{port_of(site)}/metrics"):
        assert requests.get(url, headers=headers, timeout=PATIENCE).status_code == status
    if status == 403:
        assert requests.get(f"{site.url}/-/ready", headers=headers, timeout=PATIENCE).status_code == 200


@pytest.mark.parametrize("header", [("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1")])
def test_a_proxy_that_is_not_trusted_may_not_pass_on_a_scrape(site: Site, header: tuple[str, str]) -> None:
    host, _, port = site.url.removeprefix("http://").partition(":")
    with closing(http.client.HTTPConnection(host, int(port), PATIENCE, ("127.0.0.2", 0))) as connection:
        connection.request("GET", "/-/metrics", headers={header[0]: header[1]})
        assert connection.getresponse().status == 403


def test_a_user_of_the_container_cannot_occupy_or_fill_supervisord(site: Site) -> None:
    path = str(site.folder / "run/http.sock")
    silent = [socket.socket(socket.AF_UNIX) for _ in range(12)]
    for each in silent:
        each.connect(path)
        each.send(b"GET /-/metrics HTTP/1.1\r\nX: ")
    assert value(scrape(site), "entrypoint_ready") == 1
    with socket.socket(socket.AF_UNIX) as flooding:
        flooding.settimeout(PATIENCE)
        flooding.connect(path)
        with suppress(ConnectionError):
            for _ in range(100):  # supervisord reads two pieces of 4 KiB
                flooding.sendall(b"x" * 65536)
            pytest.fail("supervisord has read everything")
    for each in silent:
        each.close()


def test_counters_survive_a_reload(site: Site) -> None:
    """All but those of uWSGI, which is another process then."""
    with (site.folder / "run/nginx/requests.log").open("ab") as log:
        log.write(b"200\n" * (LARGEST // 4))  # so supervisord empties the file
    before = values(scrape(site))
    done = site.command("reload")
    assert done.returncode == 0, done.stderr
    after = values(scrape(site))
    counters = [key for key in before if key[0].endswith("_total") and "uwsgi" not in str(key)]
    assert before["entrypoint_nginx_requests_total", (("class", "2xx"),)] >= LARGEST // 4
    assert {key: after[key] for key in counters if after[key] < before[key]} == {}


def test_while_supervisord_hangs_there_are_no_metrics_and_the_site_answers(site: Site) -> None:
    os.kill(site.pid, signal.SIGSTOP)
    with pytest.raises(requests.Timeout):
        requests.get(f"{site.url}/-/metrics", timeout=0.2)
    assert get(site, "/") == 200
    os.kill(site.pid, signal.SIGCONT)
    assert get(site, "/") == 200


APP = """
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

PAGES = Counter("pages", "Pages that were shown.")

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] != "/metrics":
        PAGES.inc()
        return [b"page"]
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return [generate_latest(registry)]
"""


def test_the_applications_own_metrics_begin_again_with_each_boot(tmp_path: Path) -> None:
    (tmp_path / "pages.py").write_text(APP)
    settings = {"ENTRYPOINT_APP": "pages:app", "PROMETHEUS_MULTIPROC_DIR": "metrics", "ENTRYPOINT_READY_PATH": "off"}
    for _ in range(2):
        with Site(tmp_path, tmp_path, WEB_CONCURRENCY="2", **settings) as site:
            site.start().ready()
            for _ in range(10):
                assert site.status("/page") == 200
            found = requests.get(f"{site.url}/metrics", timeout=PATIENCE).text
            assert old_values(found)["pages_total", ()] == 10
            assert list((tmp_path / "metrics").glob("counter_*.db"))
            assert site.stop()[0] == 0
