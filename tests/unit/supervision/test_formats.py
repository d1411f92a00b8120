import json
import re

import pytest

from entrypoint.supervision.logs.formats import as_json, as_text


def json_line(said: bytes) -> bytes:
    return as_json("a", [said], "stderr", 7)


def test_text_is_the_name_and_the_bytes() -> None:
    assert as_text()("a", [b"caf\xc3\xa9 \xff", b""], "stderr", 7) == b"[a] caf\xc3\xa9 \xff\n[a] \n"


def test_text_may_have_the_time_and_colours() -> None:
    form = as_text(timestamps=True, colour=True)
    lines = form("supervisord", [b"CRIT \xff", b"plain"], "stdout", 7).splitlines()
    time, _, rest = lines[0].partition(b" ")
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
    name = b"\033[36m[supervisord]\033[0m"
    assert rest == name + b" \033[31mCRIT \xff\033[0m"
    assert lines[1].endswith(name + b" plain")
    assert as_text(timestamps=False, colour=True)("a", [b"CRIT"], "stdout", 7) == b"\033[36m[a]\033[0m CRIT\n"


def test_json_is_an_object_a_line() -> None:
    line = json_line('say "caf\u00e9"\t\\'.encode())
    assert line.endswith(b"}\n")
    got = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", got.pop("time"))
    assert list(json.loads(line)) == ["time", "level", "program", "message", "stream", "pid"]
    assert got == {"level": "info", "program": "a", "message": 'say "caf\u00e9"\t\\', "stream": "stderr", "pid": 7}


def test_the_keys_of_an_object_are_beside_ours() -> None:
    got = json.loads(json_line(b'{"level": "WARNING", "event": "paid", "nested": {"a": [1, null]}, "half": "\\ud800"}'))
    del got["time"]
    said = {"level": "warning", "message": "paid", "nested": {"a": [1, None]}, "half": "\ud800"}
    assert got == {"program": "a", "stream": "stderr", "pid": 7, **said}


@pytest.mark.parametrize(
    "said",
    ["[1]", "{", "{}", '{"a": NaN}', '{"a": 1e999}', '{"msg": [1e999]}', '{"a": 1} b', "{" + '"a":{' * 100000, "", "7"],
)
def test_any_other_line_is_the_message(said: str) -> None:
    got = json.loads(json_line(said.encode()))
    assert (got["message"], got.keys()) == (said, {"time", "level", "program", "message", "stream", "pid"})


def test_bytes_that_are_no_text_make_no_broken_json() -> None:
    assert json.loads(json_line(b"\xff\x00"))["message"] == "\ufffd\0"


def test_each_line_is_an_object() -> None:
    lines = as_json("a", [b"one", b"two"], "stdout", 7).splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["one", "two"]


@pytest.mark.parametrize("program", ["a", "nginx"])
def test_lines_are_what_each_of_them_would_be_alone(program: str) -> None:
    said = [
        b"INFO one",
        b"",
        b"caf\xc3",
        b"\xa9 \xff",
        b'{"level": "error", "msg": "x"}',
        b"{",
        b"\0",
        b"[x] WARNING: y",
    ]
    together = as_json(program, said, "stdout", 7).splitlines()
    alone = [as_json(program, [line], "stdout", 7).rstrip(b"\n") for line in said]
    assert [json.loads(line) | {"time": ""} for line in together] == [json.loads(line) | {"time": ""} for line in alone]
