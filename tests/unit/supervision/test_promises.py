import json
import re
from pathlib import Path

import pytest

from entrypoint.supervision.promises import (
    RUNNING,
    Kind,
    LogFormat,
    OnFailure,
    PreStop,
    Probe,
    Promise,
    PromiseError,
    Promises,
    Reload,
    Restart,
    load,
)


def test_promises_are_read(tmp_path: Path) -> None:
    file = tmp_path / "promises.json"
    file.write_text(
        '{"ready_file": "/run/ready.json", "programs": {'
        '"nginx": {"essential": true, "ready": "running"}, "uwsgi": {"ready": "notify"}, "cron": {}}}'
    )
    promises = load(file)
    assert promises == Promises(
        Path("/run/ready.json"),
        {
            "nginx": Promise(essential=True),
            "uwsgi": Promise(ready=Probe(Kind.NOTIFY)),
            "cron": Promise(),
        },
    )
    assert promises.of("nginx").essential
    assert promises.of("theirs") == Promise(essential=False, ready=RUNNING)


def test_every_key_is_read(tmp_path: Path) -> None:
    file = tmp_path / "promises.json"
    program = {
        "essential": True,
        "after": ["db"],
        "ready": "http://127.0.0.1:8000/up",
        "live": "tcp:127.0.0.1:8000",
        "restart": "on-failure",
        "memory_limit": 1024,
        "tier": 20,
        "environment": {"A": "%(b)s"},
        "raw": True,
        "reload": {"files": ["/tls.pem"], "signal": "HUP"},
    }
    whole = {
        "ready_file": "/run/ready.json",
        "programs": {"web": program},
        "on_failure": "keep",
        "stop_seconds": 25,
        "drain_seconds": 5,
        "pre_stop": [{"name": "10-tell", "command": ["/hooks/10-tell", "now"], "as_root": True}],
        "log_format": "json",
        "listen": ["0.0.0.0:80"],
    }
    file.write_text(json.dumps(whole))
    assert load(file) == Promises(
        ready_file=Path("/run/ready.json"),
        programs={
            "web": Promise(
                essential=True,
                after=("db",),
                ready=Probe(Kind.HTTP, "http://127.0.0.1:8000/up"),
                live=Probe(Kind.TCP, "127.0.0.1:8000"),
                restart=Restart.ON_FAILURE,
                memory_limit=1024,
                tier=20,
                environment={"A": "%(b)s"},
                raw=True,
                reload=Reload((Path("/tls.pem"),), "HUP"),
            )
        },
        on_failure=OnFailure.KEEP,
        stop_seconds=25,
        drain_seconds=5,
        pre_stop=(PreStop("10-tell", ("/hooks/10-tell", "now"), as_root=True),),
        log_format=LogFormat.JSON,
        listen=("0.0.0.0:80",),
    )


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([], "not an object"),
        ({}, "ready_file: missing"),
        ({"ready_file": 1}, "ready_file: not a text"),
        ({"ready_file": "/x", "program": {}}, "program: unknown key"),
        ({"ready_file": "/x", "programs": []}, "programs: not an object"),
        ({"ready_file": "/x", "programs": {"a": True}}, "programs.a: not an object"),
        ({"ready_file": "/x", "programs": {"a": {"esential": True}}}, "programs.a.esential: unknown key"),
        (
            {"ready_file": "/x", "programs": {"a": {"essential": "yes"}}},
            "programs.a.essential: 'yes' is neither true nor false",
        ),
        (
            {"ready_file": "/x", "programs": {"a": {"ready": "soon"}}},
            (
                "programs.a.ready: 'soon' is no probe: it begins with one of "
                "running, notify, exit, unix, tcp, http, log, process"
            ),
        ),
        (
            {"ready_file": "/x", "programs": {"a": {"ready": "notify:x"}}},
            (
                "programs.a.ready: 'notify:x' is no probe: "
                "it begins with one of running, notify, exit, unix, tcp, http, log, "
                "process"
            ),
        ),
        (
            {"ready_file": "/x", "programs": {"a": {"restart": "often"}}},
            "programs.a.restart: 'often' is not one of always, on-failure, never",
        ),
        ({"ready_file": "/x", "programs": {"a": {"tier": True}}}, "programs.a.tier: True is not a whole number"),
        ({"ready_file": "/x", "programs": {"a": {"after": "b"}}}, "programs.a.after: not a list of texts"),
        ({"ready_file": "/x", "pre_stop": [{"name": "a", "command": [1]}]}, "pre_stop.0.command: not a list of texts"),
    ],
)
def test_an_error_names_file_and_key(tmp_path: Path, value: object, error: str) -> None:
    file = tmp_path / "promises.json"
    file.write_text(json.dumps(value))
    with pytest.raises(PromiseError, match=f"^{re.escape(f'cannot read {file}: {error}')}$"):
        load(file)


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    file = tmp_path / "promises.json"
    with pytest.raises(PromiseError, match=f"cannot read {file}: No such file"):
        load(file)
    file.write_text("{")
    with pytest.raises(PromiseError, match=f"cannot read {file}: Expecting property name"):
        load(file)
