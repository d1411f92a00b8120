"""The plugin's HTTP responses: the metrics, and the status page."""

import sched
from collections.abc import Callable

from entrypoint.protocol.supervision import MetricsConfig
from entrypoint.supervision.metrics.metrics import Container, Metrics
from entrypoint.supervision.page.page import Actions, Page
from entrypoint.supervision.web.conversation import Routes


class Answers:
    """The metrics and the page. They survive a reload, because counters must not start again from zero."""

    def __init__(
        self,
        config: MetricsConfig,
        container: Container,
        timers: sched.scheduler,
        *,
        actions: Actions,
        log: Callable[[str], None],
    ) -> None:
        """`actions` are the actions of the page's buttons; `log` gets a line for each use."""
        self._metrics = Metrics(config, container, timers)
        self._actions = actions
        self._log = log
        self._guard = ("", False)
        self._page: Page | None = None

    def routes(self, config: MetricsConfig, password: str) -> Routes:
        """Use this configuration and this password of the page from now on; return the handlers by method and path."""
        self._metrics.use(config)
        answers = {("GET", "/-/metrics"): self._metrics.answer, ("GET", "/metrics"): self._metrics.answer}
        if not config.page:
            return answers
        guard = (password, not config.allow)
        if self._page is None or guard != self._guard:  # otherwise open pages keep their token
            self._page = Page(password, self._metrics.figures, self._actions, self._log, everybody=not config.allow)
            self._guard = guard
        return {**answers, **self._page.routes}
