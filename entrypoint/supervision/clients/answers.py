"""What the plugin answers over HTTP: the metrics, and the status page."""

import sched
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from entrypoint.protocol.supervision import MetricsConfig
from entrypoint.supervision.metrics.metrics import Container, Metrics
from entrypoint.supervision.page.page import Actions, Page, steps
from entrypoint.supervision.tasks import Wait
from entrypoint.supervision.web.conversation import Request, Routes


class Answers:
    """The metrics and the page. They live through reloads, because counters must not begin again."""

    def __init__(
        self,
        config: MetricsConfig,
        container: Container,
        timers: sched.scheduler,
        *,
        actions: Actions,
        log: Callable[[str], None],
    ) -> None:
        """`actions` are those of the page; `log` gets a line for each."""
        self._config = config
        self._metrics = Metrics(config, container, timers)
        self._actions = actions
        self._log = log
        self._guard = ("", False)
        self._page: Page | None = None

    def routes(self, config: MetricsConfig, password: str) -> Routes:
        """Return the handlers by method and path, from now on with this configuration and password of the page."""
        self._config = config
        self._metrics.use(config)
        answers = {("GET", "/-/metrics"): self._metrics.answer, ("GET", "/metrics"): self._metrics.answer}
        if not config.page:
            return answers
        guard = (password, not config.allow)
        if self._page is None or guard != self._guard:  # otherwise open pages keep their token
            self._page = Page(password, self._data, self._actions, self._log, everybody=not config.allow)
            self._guard = guard
        return {**answers, **self._page.routes}

    def _data(self, _: Request) -> Generator[Wait, bool, Mapping[str, Any]]:
        return {**(yield from self._metrics.figures()), "boot": steps(Path(self._config.timeline))}
