"""The sources of the metrics: files, sockets and /proc. The application's user can write some of them."""

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deadline import until

from entrypoint import certificate
from entrypoint.supervision.metrics import queue, uwsgi
from entrypoint.supervision.metrics.programs import Usages, own_usage
from entrypoint.supervision.metrics.requests import LARGEST, RequestCount

WORKER = {"status": "idle", "requests": 2, "running_time": 1500, "exceptions": 1, "respawn_count": 1}
TOLD: dict[str, Any] = {
    "listen_queue": 0,
    "workers": [WORKER, {**WORKER, "status": "busy"}, {**WORKER, "status": "sig9"}],
}


# ---- requests


def test_requests_are_counted_by_class_as_nginx_appends(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    count = RequestCount(log)
    assert count.read() == {}
    with log.open("ab") as nginx:
        for batch in (b"200\n404\n499\n", b"", b"301\n503\n2", b"00\n000\n"):  # a full disk may cut a line
            nginx.write(batch)
            nginx.flush()
            found = count.read()
    assert found == {"1xx": 0, "2xx": 2, "3xx": 1, "4xx": 2, "5xx": 1, "none": 1}


def test_the_file_is_emptied_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    count = RequestCount(log)
    with log.open("ab") as nginx:
        nginx.write(b"200\n" * (LARGEST // 4))
        nginx.flush()
        assert count.read()["2xx"] == LARGEST // 4
        assert log.stat().st_size == 0
        nginx.write(b"404\n")
        nginx.flush()
    assert count.read()["4xx"] == 1
    log.write_text("500\n")  # emptied by someone else
    log.write_text("")
    count.read()
    log.write_text("500\n")
    assert (count.read()["2xx"], count.read()["5xx"]) == (LARGEST // 4, 1)


def test_neither_a_link_nor_a_pipe_in_the_place_of_the_log_is_used(tmp_path: Path) -> None:
    other, log = tmp_path / "other", tmp_path / "requests.log"
    other.write_bytes(b"200\n" * LARGEST)
    log.symlink_to(other)
    assert RequestCount(log).read() == {}
    assert other.stat().st_size == 4 * LARGEST
    log.unlink()
    os.mkfifo(log)
    assert RequestCount(log).read() == {}


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    log.write_text("200\n")
    os.truncate(log, 1 << 40)  # a worker of nginx may do that
    count = RequestCount(log)
    assert count.read()["2xx"] == 1
    assert log.stat().st_size == 0
    log.write_text("200\n")
    assert count.read()["2xx"] == 2


# ---- uWSGI


def test_uwsgis_statistics_become_sums() -> None:
    found = uwsgi.parse(json.dumps(TOLD).encode())
    assert found is not None
    assert found.states == {"idle": 1, "busy": 1, "cheap": 0, "pause": 0, "other": 1}
    assert (found.requests, found.seconds, found.exceptions, found.respawns) == (6, 0.0045, 3, 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"workers": 1, "listen_queue": 0}',
        "[" * 100000,
        json.dumps({**TOLD, "workers": [{**WORKER, "requests": "many"}]}),
        json.dumps({**TOLD, "workers": [{**WORKER, "requests": True}]}),
        json.dumps({**TOLD, "workers": [WORKER, "idle"]}),
        json.dumps({**TOLD, "workers": [{**WORKER, "running_time": float("nan")}]}),
        json.dumps({**TOLD, "workers": [{**WORKER, "running_time": float("inf")}]}),
        '{"listen_queue": ' + "9" * 5000 + ', "workers": []}',
        b'{"listen_queue": "\xff"}'.decode("latin-1"),
    ],
)
def test_statistics_of_another_form_are_ignored(text: str) -> None:
    assert uwsgi.parse(text.encode("latin-1")) is None


# ---- the queue of a listening socket


def test_the_queue_of_a_unix_socket_and_of_a_port_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    assert queue.length(f"unix:{path}") is None
    with socket.socket(socket.AF_UNIX) as unix, socket.socket() as tcp:
        unix.bind(str(path))
        tcp.bind(("127.0.0.1", 0))
        for each in (unix, tcp):
            each.listen(8)
        address = "127.0.0.1:{1}".format(*tcp.getsockname())
        assert (queue.length(f"unix:{path}"), queue.length(address)) == (0, 0)
        clients = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX), socket.socket()]
        for client, target in zip(clients, (str(path), str(path), tcp.getsockname()), strict=True):
            client.connect(target)
        until(lambda: queue.length(address) == 1, "the connection")
        assert queue.length(f"unix:{path}") == 2
        unix.accept()[0].close()
        assert queue.length(f"unix:{path}") == 1
        for client in clients:
            client.close()
    assert queue.length("unix:/nowhere\0") is None
    assert queue.length("nonsense") is None


# ---- the certificate


@pytest.mark.parametrize(("days", "key"), [("3", "rsa:1024"), ("3650", "ec"), ("20000", "ed25519")])  # after 2050
def test_the_expiry_of_a_certificate_is_what_openssl_says(tmp_path: Path, days: str, key: str) -> None:
    file = tmp_path / "site.pem"
    curve = ("-pkeyopt", "ec_paramgen_curve:prime256v1") if key == "ec" else ()
    made = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        key,
        *curve,
        "-nodes",
        "-keyout",
        str(tmp_path / "key"),
        "-out",
        str(file),
    )
    subprocess.run((*made, "-days", days, "-subj", "/O=Example/CN=example.com"), check=True, capture_output=True)
    told = subprocess.run(
        ("openssl", "x509", "-in", str(file), "-noout", "-enddate"), check=True, capture_output=True, text=True
    ).stdout
    at = datetime.strptime(told.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC).timestamp()
    assert certificate.expiry(file) == at
    file.write_text("renewed, and not yet written completely")
    assert certificate.expiry(file) is None
    file.unlink()
    assert certificate.expiry(file) is None


def test_a_pipe_in_the_place_of_a_certificate_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "site.pem")
    assert certificate.expiry(tmp_path / "site.pem") is None


# ---- /proc

BUSY = """
import os, sys, time
block = bytearray(32 << 20)
for at in range(0, len(block), 4096):
    block[at] = 1
child = os.fork()
if not child:
    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass
    os._exit(0)
print("up", flush=True)
os.waitpid(child, 0)
print("waited", flush=True)
sys.stdin.read()
"""


def test_a_program_counts_with_its_children_and_their_cpu_time_stays_when_they_have_ended() -> None:
    with subprocess.Popen(
        (sys.executable, "-c", BUSY), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        program.stdout.readline()
        usages = Usages(fresh=60)
        first = usages.of([program.pid])[program.pid]
        assert first.processes == 2
        assert 32 << 20 <= first.memory < 60 << 20  # the child shares the parent's pages
        assert abs(first.started - time.time()) < 60
        assert program.stdout.readline() == "waited\n"
        again = Usages().of([program.pid])[program.pid]
        assert again.processes == 1
        assert again.cpu >= 0.2
        assert usages.of([program.pid])[program.pid] is first  # one pass while the figures are fresh
        program.stdin.close()
    assert Usages().of([program.pid]) == {}


def test_memory_that_is_not_read_again_keeps_its_value() -> None:
    usages = Usages(fresh=0, credit=0)
    before = usages.of([os.getpid()])[os.getpid()].memory
    block = bytearray(os.urandom(1 << 20)) * 32
    assert usages.of([os.getpid()])[os.getpid()].memory == before  # new processes are read, this one is not
    del block


def test_supervisords_own_figures_are_those_of_this_process() -> None:
    own = own_usage()
    assert own is not None
    assert own.memory > 1 << 20
    assert own.cpu > 0
    assert own.started < time.time()
