"""What survives a reload: the counters, and the token of the status page."""

import re
import sched
import time
from pathlib import Path, PurePosixPath

from metrics_text import value

from entrypoint.protocol.supervision import MetricsConfig
from entrypoint.supervision.clients.answers import Answers
from entrypoint.supervision.metrics.metrics import Container
from entrypoint.supervision.metrics.requests import LARGEST
from entrypoint.supervision.page.page import PAGE, Actions
from entrypoint.supervision.web.conversation import Request, Routes

PASSWORD = "Basic OnNlY3JldA=="  # :secret


def answer(routes: Routes, path: str) -> str:
    steps = routes["GET", path](Request("GET", path, {"authorization": PASSWORD}))
    try:
        next(steps)
    except StopIteration as end:
        return str(end.value.body)
    raise AssertionError


def test_a_reload_keeps_the_counts_and_the_token(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    timers = sched.scheduler(time.monotonic)
    nowhere = PurePosixPath("/nowhere")
    config = MetricsConfig(nowhere, nowhere, nowhere, requests=PurePosixPath(log), page=True)
    container = Container(tuple, ready=lambda: True, dropped=lambda: 0, probing=lambda _: 0)
    answers = Answers(config, container, timers, actions=Actions(lambda _: "", lambda: ""), log=lambda _: None)

    def counted(routes: Routes) -> float:
        return value(answer(routes, "/-/metrics"), "entrypoint_nginx_requests_total", **{"class": "2xx"})

    def token(routes: Routes) -> str:
        found = re.search(r'name="token" content="(.+)"', answer(routes, PAGE))
        return found[1] if found else ""

    log.write_bytes(b"200\n" * (LARGEST // 4))
    first = answers.routes(config, "secret")
    assert counted(first) == LARGEST // 4
    assert log.stat().st_size == 0
    with log.open("ab") as nginx:
        nginx.write(b"200\n")
    second = answers.routes(config._replace(server="uwsgi", upstream="unix:/another"), "secret")
    assert (counted(second), token(second)) == (LARGEST // 4 + 1, token(first))
    assert len(timers.queue) == 1  # one that counts
    assert token(answers.routes(config, "another")) == ""  # the old password opens it no longer
    assert not any(path == PAGE for _, path in answers.routes(config._replace(page=False), "another"))
