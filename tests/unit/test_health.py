import pytest

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
def test_the_answer_of_ready_is_told_in_words(text: str, line: str) -> None:
    assert in_words(text) == line
