"""What the plugin answers over HTTP: the metrics, and the status page."""

import sched
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from entrypoint.protocol.supervision import MetricsConfig
from entrypoint.supervision.metrics.metrics import Container, Metrics
from entrypoint.supervision.page.page import Actions, Page, steps
from entrypoint.supervision.web.conversation import Request, Routes, Wait


def routes(  # noqa: PLR0913 -- it connects what it is given
    config: MetricsConfig,
    container: Container,
    timers: sched.scheduler,
    *,
    password: str,
    actions: Actions,
    log: Callable[[str], None],
) -> Routes:
    """Return the handlers by method and path. `password` is that of the page; `log` gets a line for each action."""
    metrics = Metrics(config, container, timers)
    answers = {("GET", "/-/metrics"): metrics.answer, ("GET", "/metrics"): metrics.answer}
    if not config.page:
        return answers

    def data(_: Request) -> Generator[Wait, bool, Mapping[str, Any]]:
        return {**(yield from metrics.figures()), "boot": steps(Path(config.timeline))}

    return {**answers, **Page(password, data, actions, log, everybody=not config.allow).routes}
