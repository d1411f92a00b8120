"""Measure what nginx's cache saves, and what compressed files save; print two tables.

It needs wrk and nginx, and no container; README.md says what is measured.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import wrk
from example_site import COMMAND, EXAMPLE, PATIENCE, ROOT, environment, free_port
from table import Failed, carry_out, draw, machine, parser, positive, spread, write

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
CLIENTS, SLOW = 200, "/sleep/?s=0.2"
STYLE = "/static/admin/css/base.css"
ALONE, BEHIND, CACHED, USUAL = "the application alone", "behind nginx", "with NGINX_CACHE", "the usual nginx.conf"
SETTINGS = {
    ALONE: {"ENTRYPOINT_NGINX": "off"},
    BEHIND: {},
    CACHED: {"NGINX_CACHE": "64m", "NGINX_CACHE_LOCK": "/"},
}
RATE, HALF, MOST = "public page: answers a second", "public page: 50 % within", "public page: 99 % within"
REACHED = f"{CLIENTS} clients at once, a page of 200 ms: requests that reach the application"
WAITED = f"{CLIENTS} clients at once, a page of 200 ms: until the last one has it"
ENCODINGS = {"not compressed": "identity", "gzip": "gzip", "brotli": "br, gzip"}
PUBLIC = """
from pathlib import Path

from django.utils.cache import patch_cache_control
from config.settings import *

MIDDLEWARE = ["public_settings.public", *MIDDLEWARE]

def public(get_response):
    def middleware(request):
        with open({log!r}, "a") as log:
            log.write(request.path + "\\n")
        response = get_response(request)
        patch_cache_control(response, public=True, max_age=3600)
        return response
    return middleware
"""
USUALS_OWN = """
daemon off; pid {folder}/pid; error_log stderr; worker_processes auto;
events {{ worker_connections 768; }}
http {{
    include /etc/nginx/mime.types;
    sendfile on; tcp_nopush on; gzip on; access_log {folder}/access.log;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; uwsgi_temp_path {folder}/u;
    fastcgi_temp_path {folder}/f; scgi_temp_path {folder}/s;
    {site}
}}
"""  # what Debian's nginx.conf says


@dataclass(frozen=True)
class Sample:
    """One measure of one server in one round; times in milliseconds."""

    server: str
    run: int
    measure: str
    value: float


@contextmanager
def running(argv: Sequence[str], folder: Path, variables: dict[str, str]) -> Iterator[None]:
    """Run a server in the project's folder; stop it at the end."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            argv, cwd=EXAMPLE, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


def site(folder: Path, settings: dict[str, str], port: int) -> dict[str, str]:
    """Return the environment of a site in this folder."""
    (folder / "public_settings.py").write_text(PUBLIC.format(log=str(folder / "requests")), encoding="utf-8")
    (folder / "requests").touch()
    more = {"ENTRYPOINT_READY_PATH": "off", "NGINX_ACCESS_LOG": "off", "WEB_CONCURRENCY": "4", **settings}
    return environment(folder, port, DJANGO_SETTINGS_MODULE="public_settings", PYTHONPATH=str(folder), **more)


def get(port: int, path: str, encoding: str = "identity") -> tuple[int, int]:
    """Return the status and the bytes of a body as it was sent."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", path, headers={"Accept-Encoding": encoding})
        answer = connection.getresponse()
        return answer.status, len(answer.read())


def wait_for(port: int, path: str) -> None:
    """Wait for the first 200. Raises Failed."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if get(port, path)[0] == 200:  # noqa: PLR2004 -- HTTP's
                return
        except (OSError, HTTPException):
            pass
        time.sleep(0.05)
    raise Failed(f"cannot measure: nothing answers with 200 at port {port}")


def crowd(port: int, run: int) -> float:
    """Let many clients request one new page at the same moment; return the milliseconds until the last has it."""
    together = threading.Barrier(CLIENTS + 1)

    def ask() -> None:
        together.wait()
        get(port, f"{SLOW}&round={run}")

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    together.wait()
    began = time.monotonic()
    for client in clients:
        client.join()
    return (time.monotonic() - began) * 1e3


def dynamic(stack: ExitStack, folder: Path, runs: int, seconds: int) -> Iterator[Sample]:
    """Boot three sites and request pages from them in turn."""
    ports: dict[str, int] = {}
    for number, (name, settings) in enumerate(SETTINGS.items()):
        own = folder / str(number)
        own.mkdir()
        ports[name] = free_port()
        stack.enter_context(running([COMMAND], own, site(own, settings, ports[name])))
        wait_for(ports[name], "/")
    for run in range(runs + 1):
        for number, (name, port) in enumerate(ports.items()):
            # uWSGI alone closes each connection after an answer.
            told = wrk.load(f"http://127.0.0.1:{port}/", seconds, "Accept-Encoding: gzip", closes=name == ALONE)
            yield Sample(name, run, RATE, told.rate)
            yield Sample(name, run, HALF, told.half * 1e3)
            yield Sample(name, run, MOST, told.most * 1e3)
            log = folder / str(number) / "requests"
            before = log.read_text().count("/sleep/")
            yield Sample(name, run, WAITED, crowd(port, run))
            yield Sample(name, run, REACHED, log.read_text().count("/sleep/") - before)


def static(stack: ExitStack, folder: Path, runs: int, seconds: int) -> Iterator[Sample]:
    """Serve one file by the usual nginx.conf and by ours, with files that were compressed ahead."""
    own, usual = folder / "ours", folder / "usual"
    own.mkdir()
    usual.mkdir()
    ports = {USUAL: free_port(), BEHIND: free_port()}
    variables = site(own, {}, ports[BEHIND])
    subprocess.run(
        [COMMAND, "prepare", "--only", "collectstatic"],
        cwd=EXAMPLE,
        env=variables,
        check=True,
        capture_output=True,
    )
    stack.enter_context(running([COMMAND], own, variables))
    text = (ROOT / "bench/peers/usual/nginx.conf").read_text(encoding="utf-8")
    for old, new in (
        ("listen 80 default_server", f"listen 127.0.0.1:{ports[USUAL]}"),
        ("/srv/project/static_root/", f"{own}/static/"),
        ("include uwsgi_params", "include /etc/nginx/uwsgi_params"),
    ):
        text = text.replace(old, new)
    (usual / "nginx.conf").write_text(USUALS_OWN.format(folder=usual, site=text), encoding="utf-8")
    command = [NGINX, "-p", str(usual), "-c", str(usual / "nginx.conf")]
    stack.enter_context(running(command, usual, dict(os.environ)))
    for port in ports.values():
        wait_for(port, STYLE)
    for run in range(runs + 1):
        for name, port in ports.items():
            for encoding, accepted in ENCODINGS.items():
                yield Sample(name, run, f"{encoding}: bytes", get(port, STYLE, accepted)[1])
                told = wrk.load(f"http://127.0.0.1:{port}{STYLE}", seconds, f"Accept-Encoding: {accepted}")
                yield Sample(name, run, f"{encoding}: answers a second", told.rate)


def rows(samples: Sequence[Sample]) -> list[list[str]]:
    """Return the heading, and a row for each measure."""
    servers = list(dict.fromkeys(sample.server for sample in samples))
    table = [["", *servers]]
    for measure in dict.fromkeys(sample.measure for sample in samples):
        unit = " ms" if measure in (HALF, MOST, WAITED) else ""
        cells = (
            [each.value for each in samples if (each.server, each.measure) == (server, measure)] for server in servers
        )
        table.append([measure, *(spread(values, 1 if unit else 0, unit) for values in cells)])
    return table


def bench(options: argparse.Namespace) -> None:
    """Measure, print."""
    found: list[Sample] = []
    for measure in (dynamic, static):
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            Path(folder).chmod(0o755)
            samples = [each for each in measure(stack, Path(folder), options.runs, options.seconds) if each.run > 0]
        print(f"{draw(rows(samples))}\n")
        found += samples
    where = machine()
    print(f"Median (min to max), rounds: {options.runs}, {options.seconds} s each. {where};")
    print(f"load average at the end, of which the benchmark makes 2 to 3: {os.getloadavg()[0]:.1f}.")
    if options.json:
        write(options.json, json.loads(json.dumps({"machine": where, "samples": [asdict(each) for each in found]})))


def arguments() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    made = parser("What nginx's cache and compressed files save.", runs=5)
    made.add_argument("--seconds", type=positive, default=2, help="each page in a round (default: %(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(carry_out(bench, arguments().parse_args()))
