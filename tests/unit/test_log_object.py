"""Level, message and fields of the lines of programs."""

import json
from typing import Any

import pytest

from entrypoint.output.log_object import Source, of_line, parse

REQUEST = (
    '{"msec":1795651584.250,"level":"error","message":"GET /a?b=\\",\\"client\\": 502","client":"10.0.0.1",'
    '"method":"GET","uri":"/a?b=\\",\\"client\\":","status":502,"bytes":0,"seconds":0.003,"referer":"\\u0001","agent":"x",'
    '"host":"a\\\\","upstream_seconds":null,"request_id":"f00","connection":7}'
)
UWSGI = "[pid: 12] 10.0.0.1 GET /a b => generated 145 bytes in 12 msecs (HTTP/1.1 500) request f00"


@pytest.mark.parametrize(
    ("program", "line", "level", "message", "fields"),
    [
        (
            "nginx",
            "2026/11/26 00:01:02 [crit] 12#13: *7 connect() to unix:/x failed (13: Permission denied), client: ::1",
            "critical",
            "connect() to unix:/x failed (13: Permission denied), client: ::1",
            {"connection": 7},
        ),
        ("nginx", "2026/11/26 00:01:02 [notice] 12#12: signal 3 received", "info", "signal 3 received", {}),
        ("nginx", "nginx: [emerg] bind() to 0.0.0.0:80 failed", "critical", "bind() to 0.0.0.0:80 failed", {}),
        ("nginx", '10.0.0.1 - - "GET / HTTP/1.1" 200', "info", '10.0.0.1 - - "GET / HTTP/1.1" 200', {}),
        (
            "uwsgi",
            UWSGI,
            "error",
            "GET /a b 500",
            {
                "client": "10.0.0.1",
                "method": "GET",
                "uri": "/a b",
                "status": 500,
                "bytes": 145,
                "seconds": 0.012,
                "worker": 12,
                "request_id": "f00",
            },
        ),
        (
            "uwsgi",
            "Thu Nov 26 00:06:26 2026 - *** HARAKIRI ON WORKER 1 (pid: 7, try: 1) ***",
            "error",
            "*** HARAKIRI ON WORKER 1 (pid: 7, try: 1) ***",
            {},
        ),
        ("uwsgi", "DAMN ! worker 1 (pid: 7) died :( trying respawn ...", "error", None, {}),
        ("uwsgi", " *** WARNING: x ***", "warning", None, {}),
        ("uwsgi", "spawned uWSGI worker 1 (pid: 7, cores: 2)", "info", None, {}),
        ("supervisord", "CRIT site is not ready", "critical", "site is not ready", {}),
        ("supervisord", "spawned: 'nginx' with pid 7", "info", None, {}),
        ("entrypoint", "cannot load the application x:y: no", "error", None, {}),
        ("worker", "[2026-11-26 00:01:02 +0000] [7] [INFO] Booting worker", "info", None, {}),
        ("worker", "[2026-11-26 00:01:02,003: WARNING/MainProcess] slow", "warning", None, {}),
        ("worker", "INFO:     127.0.0.1 - GET", "info", None, {}),
        ("worker", "ERROR django.request: Internal Server Error: /", "error", None, {}),
        ("worker", "2026-11-26T00:01:02Z FATAL - gone", "critical", None, {}),
        ("worker", "No ERROR was found", "info", None, {}),
        ("worker", "ERRORS: 0", "info", None, {}),
        ("worker", '{"msg": 7, "level": 30, "pid": 1}', "info", "7", {"app_level": 30, "app_pid": 1}),
        ("worker", '{"severity": "Fatal", "a": 1}', "critical", "", {"severity": "Fatal", "a": 1}),
    ],
)
def test_a_line_becomes_level_message_and_fields(
    program: str, line: str, level: str, message: str | None, fields: dict[str, Any] | None
) -> None:
    said = parse(program, line)
    assert (said.level, said.message) == (level, line if message is None else message)
    assert fields is None or said.fields == fields


def test_a_request_has_the_time_of_its_end() -> None:
    written = of_line("now", Source("nginx", "stdout", 7), REQUEST)
    assert json.loads(written) == {
        "time": "2026-11-26T00:06:24.250Z",
        "level": "error",
        "program": "nginx",
        "message": 'GET /a?b=","client": 502',
        "stream": "stdout",
        "pid": 7,
        "client": "10.0.0.1",
        "method": "GET",
        "uri": '/a?b=","client":',
        "status": 502,
        "bytes": 0,
        "seconds": 0.003,
        "referer": "\x01",
        "agent": "x",
        "host": "a\\",
        "upstream_seconds": None,
        "request_id": "f00",
        "connection": 7,
    }
    assert list(json.loads(written))[:6] == ["time", "level", "program", "message", "stream", "pid"]


def test_a_request_that_two_workers_may_have_mixed_is_parsed() -> None:
    long = REQUEST.replace("/a", "/" + "a" * 5000)
    of = Source("nginx", "stdout", 7)
    assert json.loads(of_line("now", of, long))["time"] == "2026-11-26T00:06:24.250Z"
    assert json.loads(of_line("now", of, long[:5000] + REQUEST))["message"] == long[:5000] + REQUEST


@pytest.mark.parametrize("line", ['{"msec":1.5}', '{"msec":1.5,"a":1,"b":2,"client":""}', '{"msec":"x'])
def test_another_format_of_requests_is_an_object_or_a_text(line: str) -> None:
    assert json.loads(of_line("now", Source("nginx", "stdout", 7), line))["time"] == "now"


@pytest.mark.parametrize(
    "forged",
    [
        REQUEST.removesuffix("}") + ',"program":"entrypoint","time":"2020","message":"ready"}',
        REQUEST.replace('"client"', '"program":"entrypoint","client"', 1),
        REQUEST.replace("502,", '502,"program":"entrypoint",'),
        REQUEST.replace('"agent":"x"', '"agent":"x","pid":1'),
        REQUEST.replace('"level":"error"', '"level":"error","program":"entrypoint"'),
        REQUEST.replace("null", "1.2.3"),
        REQUEST.replace("f00", r"\x"),
        REQUEST.replace("f00", "\x01"),
        REQUEST.replace("250", "25 "),
    ],
)
def test_a_line_in_nginxs_output_is_not_of_another_program(forged: str) -> None:
    written = of_line("now", Source("nginx", "stdout", 7), forged)
    pairs: list[tuple[str, Any]] = json.loads(written, object_pairs_hook=list)
    ours = [pair for pair in pairs if pair[0] in {"time", "program", "pid"}]
    assert ours == [("time", "now"), ("program", "nginx"), ("pid", 7)]


def test_no_other_program_writes_requests_of_nginx() -> None:
    assert json.loads(of_line("now", Source("worker", "stdout", 7), REQUEST))["time"] == "now"
