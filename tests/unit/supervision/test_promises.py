import json
import re
from pathlib import Path

import pytest

from entrypoint.supervision.promises import Promise, PromiseError, Promises, Ready, load


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
            "uwsgi": Promise(ready=Ready.NOTIFY),
            "cron": Promise(),
        },
    )
    assert promises.of("nginx").essential
    assert promises.of("theirs") == Promise(essential=False, ready=Ready.RUNNING)


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
            "programs.a.ready: 'soon' is not one of running, notify",
        ),
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
