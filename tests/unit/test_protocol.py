"""The formats between boot and plugin: a value survives the round trip, and an error names file and key."""

import json
import re
from pathlib import Path, PurePosixPath

import pytest

from entrypoint.protocol.agent import AppsReport, Database, ErrorReport, Message, SuperuserRequest, User, decode, encode
from entrypoint.protocol.codec import ConfigError, from_json, read_json, to_json
from entrypoint.protocol.probe import LIVENESS, READINESS, RUNNING, Kind, Probe
from entrypoint.protocol.supervision import (
    ApplicationConfig,
    Environments,
    Handover,
    Identity,
    LogFormat,
    MetricsConfig,
    OnFailure,
    PreStopHook,
    ProgramConfig,
    Protocol,
    ReloadConfig,
    RequestConfig,
    Restart,
    RunningProgram,
    StopChildren,
    SupervisionConfig,
)
from entrypoint.secret import Secret

EVERYTHING = SupervisionConfig(
    ready_file=PurePosixPath("/run/ready.json"),
    programs={
        "web": ProgramConfig(
            essential=True,
            after=("db",),
            ready=Probe.parse("http://127.0.0.1:8000/up"),
            first_request=RequestConfig(
                to=Probe.parse("unix:/run/app.sock"),
                protocol=Protocol.UWSGI,
                path="/",
                host="localhost",
                scheme="https",
                seconds=65.0,
                any_status=True,
            ),
            listen="0.0.0.0:80",
            liveness=Probe.parse("process"),
            frozen_seconds=None,
            accepts=Probe.parse("tcp:127.0.0.1:80"),
            patience=60.5,
            restart=Restart.ON_FAILURE,
            memory_limit=1024,
            stop_order=20,
            stop_seconds=5,
            stop_interval=0.5,
            stop_children=StopChildren("HUP", handles="USR2", late=True),
            environment={"A": "%(b)s"},
            raw=True,
            reload=ReloadConfig((PurePosixPath("/tls.pem"),), "HUP"),
            application=ApplicationConfig("uwsgi", "site.wsgi:application", "ENTRYPOINT_APP", PurePosixPath("/site")),
            identity=Identity(4321, 4322, (4322, 5)),
        )
    },
    on_failure=OnFailure.KEEP,
    stop_seconds=25,
    drain_seconds=5,
    hook_seconds=12.5,
    pre_stop=(PreStopHook("10-deregister", ("/hooks/10-deregister", "now"), Identity(33, 33, ()), as_root=True),),
    second_socket=True,
    log_format=LogFormat.JSON,
    log_timestamps=True,
    quiet=True,
    address="http://127.0.0.1:8080/",
    listen=("0.0.0.0:80",),
    metrics=MetricsConfig(
        socket=PurePosixPath("/run/http.sock"),
        timeline=PurePosixPath("/run/boot.json"),
        first_ready=PurePosixPath("/run/first-ready"),
        listen=("127.0.0.1:9100",),
        allow=("::1/128",),
        requests=PurePosixPath("/run/requests.log"),
        server="uwsgi",
        upstream="unix:/run/uwsgi.sock",
        uwsgi=PurePosixPath("/run/stats.sock"),
        certificates=(PurePosixPath("/tls.pem"),),
    ),
)


@pytest.mark.parametrize(
    "value",
    [
        EVERYTHING,
        SupervisionConfig(PurePosixPath("/x"), programs={"a": ProgramConfig()}),
        Handover(5, 6, {"a": RunningProgram(7, 8, "\xff\n")}),
        Handover(5),
        Environments({"A": "\udcff"}, {}),
    ],
)
def test_a_value_comes_back_as_it_was(value: tuple[object, ...]) -> None:
    assert from_json(type(value), to_json(value), "it") == value


def test_each_field_is_in_the_example() -> None:
    assert set(json.loads(to_json(EVERYTHING))) == set(SupervisionConfig._fields)
    assert set(json.loads(to_json(EVERYTHING))["programs"]["web"]) == set(ProgramConfig._fields)


def test_a_program_that_is_not_named_has_the_defaults() -> None:
    assert EVERYTHING.program("web").essential
    assert EVERYTHING.program("theirs") == ProgramConfig(essential=False, ready=RUNNING)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([], "not an object"),
        ({}, "ready_file: missing"),
        ({"ready_file": 1}, "ready_file: not a string"),
        ({"ready_file": "/x", "program": {}}, "program: unknown key"),
        ({"ready_file": "/x", "programs": []}, "programs: not an object"),
        ({"ready_file": "/x", "programs": {"a": True}}, "programs.a: not an object"),
        ({"ready_file": "/x", "programs": {"a": {"esential": True}}}, "programs.a.esential: unknown key"),
        ({"ready_file": "/x", "programs": {"a": {"essential": "yes"}}}, "programs.a.essential: not true or false"),
        (
            {"ready_file": "/x", "programs": {"a": {"ready": "notify:x"}}},
            (
                "programs.a.ready: 'notify:x': it is not one of running, notify, exit, unix:PATH, tcp:HOST:PORT, "
                "http://HOST[:PORT]/PATH, log:REGEX, process"
            ),
        ),
        (
            {"ready_file": "/x", "programs": {"a": {"restart": "often"}}},
            "programs.a.restart: 'often': not one of always, on-failure, never",
        ),
        ({"ready_file": "/x", "programs": {"a": {"stop_order": True}}}, "programs.a.stop_order: not an integer"),
        ({"ready_file": "/x", "programs": {"a": {"after": "b"}}}, "programs.a.after: not a list"),
        ({"ready_file": "/x", "pre_stop": [{"name": "a", "command": [1]}]}, "pre_stop.0.command.0: not a string"),
        ({"ready_file": "/x", "hook_seconds": "4"}, "hook_seconds: not a number"),
    ],
)
def test_an_error_names_file_and_key(tmp_path: Path, value: object, error: str) -> None:
    file = tmp_path / "supervision.json"
    file.write_text(json.dumps(value))
    with pytest.raises(ConfigError, match=f"^{re.escape(f'cannot read {file}: {error}')}$"):
        read_json(SupervisionConfig, file)


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    file = tmp_path / "supervision.json"
    with pytest.raises(ConfigError, match=f"cannot read {file}: No such file"):
        read_json(SupervisionConfig, file)
    file.write_text("{")
    with pytest.raises(ConfigError, match=f"cannot read {file}: Expecting property name"):
        read_json(SupervisionConfig, file)


@pytest.mark.parametrize(
    "message",
    [
        SuperuserRequest("ada", Secret("\udcff"), {"email": Secret("a@b.c")}, update=True, development=False),
        AppsReport((Database("default", "sqlite", "db", "", ""),), staticfiles=True, user=None),
        AppsReport((), staticfiles=False, user=User("a.User", "email", ("email",), (), {"email": Secret("a@b.c")})),
        ErrorReport("why", "timed out"),
    ],
)
def test_a_message_of_the_agent_comes_back_as_it_was(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "line",
    [
        '["ErrorReport", {"text": "why", "kind": "any"}]',
        '["ErrorReport", {"text": "why", "kind": ["failed"]}]',
        '["ProgressReport", {"text": "a", "done": true}]',
        pytest.param(f'["WaitRequest", {{"aliases": [], "seconds": 1{"0" * 400}}}]', id="no float is as large"),
        '["AppsReport", {"databases": [["a"]], "staticfiles": true, "user": null}]',
    ],
)
def test_a_message_of_another_form_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not "):
        decode(line)


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ("running", Probe(Kind.RUNNING, "running")),
        ("unix:/run/s", Probe(Kind.UNIX, "unix:/run/s", "/run/s")),
        ("tcp:localhost:80", Probe(Kind.TCP, "tcp:localhost:80", host="127.0.0.1", port=80)),
        ("tcp:[::1]:65535", Probe(Kind.TCP, "tcp:[::1]:65535", host="::1", port=65535)),
        ("http://127.0.0.1/a?b", Probe(Kind.HTTP, "http://127.0.0.1/a?b", "/a?b", "127.0.0.1", 80)),
        ("log:^up", Probe(Kind.LOG, "log:^up", "^up")),
    ],
)
def test_a_probe_is_parsed(text: str, probe: Probe) -> None:
    assert Probe.parse(text) == probe


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("unix:s", "it is not one of"),
        ("unix:@s", "it is not one of"),
        (f"unix:/{'s' * 107}", "not be longer than 107 bytes"),
        ("tcp:localhost", "it is not one of"),
        ("tcp:localhost:http", "it is not one of"),
        ("tcp:localhost:70000", "from 1 to 65535"),
        ("tcp:db:5432", "must be an IP address"),
        ("tcp:::1:80", "it is not one of"),
        ("http://db/", "must be an IP address"),
        ("http://localhost:x/", "it is not one of"),
        ("http://localhost", "it is not one of"),
        ("http://localhost/a b", "it is not one of"),
        ("http://localhost/a\r\nX: b", "it is not one of"),
        ("http://me@localhost/", "must be an IP address"),
        ("log:(", "regular expression is invalid"),
        ("exit:1", "it is not one of"),
        ("soon", "it is not one of"),
    ],
)
def test_an_invalid_probe_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Probe.parse(text)


def test_only_some_kinds_show_readiness_and_liveness() -> None:
    with pytest.raises(ValueError, match=r"^it is not one of notify, unix:PATH, tcp:HOST:PORT, http:"):
        Probe.parse("running", LIVENESS)
    with pytest.raises(ValueError, match="it is not one of running"):
        Probe.parse("process", READINESS)
