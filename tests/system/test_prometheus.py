"""A real Prometheus reads the metrics of a site, and the queries of the dashboard."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from deadline import PATIENCE, until
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from site_under_test import NewSite

DASHBOARD = Path(__file__).resolve().parents[2] / "deploy/grafana/entrypoint.json"
CONFIG = """
global: {{scrape_interval: 2s, scrape_timeout: 2s}}
scrape_configs:
  - job_name: site
    static_configs: [{{targets: ["{target}"]}}]
"""


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """Run Prometheus; give the URL of its API."""
    listen = f"127.0.0.1:{free_port()}"
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(target=target))
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
             f"--web.listen-address={listen}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield f"http://{listen}/api/v1"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def answer(url: str, **parameters: str) -> Any:
    try:
        found = requests.get(url, params=parameters, timeout=PATIENCE)
    except requests.ConnectionError:
        return None
    assert found.status_code in {200, 503}, found.text
    return found.json()["data"] if found.status_code == 200 else None


def number(api: str, query: str) -> float:
    found = answer(f"{api}/query", query=query)
    return float(found["result"][0]["value"][1]) if found and found["result"] else 0.0


@pytest.mark.thorough
@pytest.mark.skipif(
    not shutil.which("prometheus") and not os.environ.get("CI"), reason="make test-all installs Prometheus"
)
def test_prometheus_scrapes_a_site_and_evaluates_the_dashboard(tmp_path: Path, prepared_site: NewSite) -> None:
    port = free_port()
    site = prepared_site(ENTRYPOINT_METRICS_PORT=f"127.0.0.1:{port}").start().ready()
    old = requests.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": "text/plain"}, timeout=PATIENCE).content
    checked = subprocess.run(["promtool", "check", "metrics"], input=old, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")

    with prometheus(tmp_path, f"127.0.0.1:{port}") as api:
        until(lambda: number(api, "count_over_time(up[5m])") >= 2, "some scrapes")
        for _ in range(20):
            assert site.status("/") == 200
        until(lambda: number(api, 'entrypoint_nginx_requests_total{class="2xx"}') >= 20, "the requests")
        until(lambda: number(api, "count_over_time(up[5m])") >= 6, "more scrapes")
        assert number(api, "min_over_time(up[5m])") == 1
        # A busy machine slows some of them.
        assert 0 < number(api, "min_over_time(scrape_duration_seconds[5m])") < 0.4
        (target,) = answer(f"{api}/targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        types = {name: each[0]["type"] for name, each in answer(f"{api}/metadata").items()}
        assert types["entrypoint_nginx_requests"] == "counter"
        assert types["entrypoint_uwsgi_request_seconds"] == "summary"

        empty = []
        for panel in json.loads(DASHBOARD.read_text())["panels"]:
            for each in panel["targets"]:
                query = each["expr"].replace("$__rate_interval", "10s").replace("$job", ".*").replace("$instance", ".*")
                if not answer(f"{api}/query", query=query)["result"]:
                    empty.append(panel["title"])
        assert empty == ["Certificate expires in"]
    assert site.stop()[0] == 0
    log = (tmp_path / "prometheus.log").read_text().splitlines()
    assert not [line for line in log if "level=error" in line or ("level=warn" in line and "SIGTERM" not in line)]
