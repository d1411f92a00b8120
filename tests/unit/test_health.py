from pathlib import Path

import pytest

from entrypoint.control import place
from entrypoint.control.health import in_words


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"phase": "ready"}\n', "ready"),
        ('{"phase": "migrating", "done": 14, "of": 37}', "starting: migrating 14/37"),
        ('{"phase": "starting application"}', "starting application"),
        ('{"phase": "restarting", "programs": ["uwsgi"]}', "not ready: restarting uwsgi"),
        ('{"phase": "starting application", "why": "uwsgi: GET /: status 500"}', "not ready: uwsgi: GET /: status 500"),
        ("<html>no JSON</html>", "<html>no JSON</html>"),
        ("[]", "[]"),
    ],
)
def test_the_answer_of_ready_is_put_into_words(text: str, line: str) -> None:
    assert in_words(text) == line


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        (["/usr/bin/python3", "-I", "/usr/bin/supervisord", "-n", "-c", "/run/entrypoint/supervisord.conf"], True),
        (["/usr/local/bin/python", "-I", "/usr/local/bin/entrypoint"], True),
        (["/sbin/docker-init", "--", "/usr/local/bin/entrypoint", "serve"], True),
        (["/sbin/init"], False),
    ],
)
def test_another_user_learns_of_process_1_whether_root_has_booted(
    tmp_path: Path, command: list[str], *, ours: bool
) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1/cmdline").write_text("\0".join([*command, ""]))
    first = (tmp_path / "1").stat().st_uid
    for uid in (first, first + 1):
        assert place.of_root(uid, tmp_path) is ((first if ours else uid) == 0)
    assert place.of_root(0, tmp_path / "hidden")
