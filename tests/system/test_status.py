"""`entrypoint status` beside a site that runs, hangs and stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import psutil
from deadline import PATIENCE, until
from site_under_test import COMMAND

if TYPE_CHECKING:
    from site_under_test import NewSite, Site

DRAIN = {"ENTRYPOINT_DRAIN_DELAY": "5m", "ENTRYPOINT_STOP_TIMEOUT": "10m"}


def status(site: Site) -> Any:
    done = site.command("status", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def program(site: Site, name: str) -> Any:
    return next(each for each in status(site)["programs"] if each["program"] == name)


def test_the_status_is_true_while_the_site_runs_hangs_and_stops(plain_site: NewSite) -> None:
    worker = "sh -c 'test -e $DATA_DIR/once && exec sleep 1000; touch $DATA_DIR/once; sleep 1.1; exit 22'"
    site = plain_site(ENTRYPOINT_PROGRAM_WORKER=worker, WEB_CONCURRENCY="2", **DRAIN)
    before = site.command("status")
    assert (before.returncode, before.stdout) == (78, "")
    assert before.stderr.startswith("[entrypoint] cannot show the programs: nothing was started here")
    site.start().ready()
    until(lambda: program(site, "worker")["restarts"], "the second worker")

    found = status(site)
    (uwsgi,), (nginx,) = site.programs("uwsgi"), site.programs("nginx")
    by_name = {each["program"]: each for each in found["programs"]}
    assert (found["ready"], found["waits_for"], found["supervisord"]) == (True, "", "running")
    assert {name: each["pid"] for name, each in by_name.items()} | {"worker": 0} == {
        "worker": 0, "uwsgi": uwsgi.pid, "nginx": nginx.pid,
    }  # fmt: skip
    assert (by_name["uwsgi"]["state"], by_name["uwsgi"]["ready"], by_name["uwsgi"]["essential"]) == (
        "RUNNING",
        True,
        True,
    )
    assert by_name["worker"]["last_end"] == "exit status 22"
    assert by_name["uwsgi"]["memory_kind"] == "pss"
    family = [uwsgi, *uwsgi.children(recursive=True)]
    assert by_name["uwsgi"]["memory"] > max(each.memory_full_info().pss for each in family)
    assert {"name": "WEB_CONCURRENCY", "value": "2", "source": "environment"} in found["settings"]
    table = site.command("status").stdout
    assert "exit status 22, " in table
    assert "\nready\n" in table

    # A person watches until Ctrl-C.
    with subprocess.Popen(
        [COMMAND, "status", "--watch"], cwd=site.project, env=site.environment, stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout
        tables = (line for line in watching.stdout if line.startswith("PROGRAM "))
        assert next(tables)
        assert next(tables)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(PATIENCE) == 130

    # supervisord hangs, and meanwhile a program ends: only the kernel knows.
    os.kill(site.pid, signal.SIGSTOP)
    uwsgi.kill()
    until(lambda: uwsgi.status() == psutil.STATUS_ZOMBIE, "its end")
    found = status(site)
    assert found["supervisord"] == "frozen"
    assert (found["ready"], found["waits_for"]) == (False, "uwsgi: it has ended, and supervisord has not noticed")
    os.kill(site.pid, signal.SIGCONT)
    until(lambda: program(site, "uwsgi")["ready"], "another uWSGI")
    assert program(site, "uwsgi")["last_end"] == "killed by SIGKILL"

    os.kill(site.pid, signal.SIGTERM)
    until(lambda: site.status("/-/ready") == 503, "the stop")
    stopping = ("stopping", "not ready: stopping")
    until(lambda: tuple(status(site)[name] for name in ("supervisord", "waits_for")) == stopping, "its record")
    os.kill(site.pid, signal.SIGTERM)  # the drain ends at once
    assert site.wait() == 0
    after = site.command("status")
    assert (after.returncode, after.stdout) == (78, "")
    assert after.stderr.endswith("/run has ended\n")
