"""The lines that application servers print at their start."""

from pathlib import PurePosixPath

import pytest

from entrypoint.output.server_output import Banner, failure, is_end_of_worker, is_trouble
from entrypoint.protocol.supervision import ApplicationConfig

FOLDER = PurePosixPath("/srv/project")
UWSGI = ApplicationConfig("uwsgi", "config.wsgi:application", "WSGI_APPLICATION", FOLDER)
START = b"""\
[uWSGI] getting INI configuration from /run/entrypoint/uwsgi.ini
*** Starting uWSGI 2.0.30 (64bit) on [Wed Nov 25 20:58:28 2026] ***
os: Linux-6.18.44 #1 SMP PREEMPT_DYNAMIC @0
 *** WARNING: you have enabled harakiri without post buffering. Slow upload could be rejected on post-unbuffered \
webservers ***\x20
*** WARNING: a new warning ***
Python version: 3.13.0 (main, May  9 2026, 07:36:57) [GCC 12.2.0]
*** Operational MODE: preforking ***
added /srv/project/ to pythonpath.
running "call:PyRun_SimpleString import gc; gc.disable()" (pre app)...
Python version: 3.13, says the application
os: unknown
WSGI app 0 (mountpoint='') ready in 7 seconds on interpreter 0x7fae50c96620 pid: 20 (default app)
running "call:PyRun_SimpleString import entrypoint_logging; entrypoint_logging.log_failed_requests()" (post app)...
running "call:PyRun_SimpleString import gc; gc.freeze(); gc.enable()" (post app)...
spawned uWSGI master process (pid: 20)
spawned uWSGI worker 1 (pid: 29, cores: 1)
running "unix_signal:15 gracefully_kill_them_all" (master-start)...
Respawned uWSGI worker 1 (new pid: 30)
""".splitlines()
SAID = [
    b"*** WARNING: a new warning ***",
    b"Python version: 3.13, says the application",
    b"os: unknown",
    b"Respawned uWSGI worker 1 (new pid: 30)",
]
TRACEBACK = b"""\
Traceback (most recent call last):
  File "/srv/project/config/wsgi.py", line 5, in <module>
    application = get_wsgi_application()
  File "/srv/project/site/urls.py", line 3, in <module>
    import x
ModuleNotFoundError: No module named 'x'
unable to load app 0 (mountpoint='') (callable not found or import error)
*** no app loaded. GAME OVER ***
"""


def test_the_banner_is_left_out_and_all_else_is_kept() -> None:
    banner = Banner(UWSGI)
    assert [line for line in START if not banner.has(line)] == SAID


def test_that_uwsgi_runs_as_root_is_worth_one_warning() -> None:
    warning = b"*** WARNING: you are running uWSGI as root !!! (use the --uid flag) *** "
    often = [START[0], warning, b"uWSGI running as root, you can use --uid/--gid/--chroot options", warning, *START[1:]]
    banner = Banner(UWSGI)
    assert [line for line in [*often, warning] if not banner.has(line)] == [warning, *SAID]


def test_a_second_start_in_the_same_output_has_a_banner_too() -> None:
    banner = Banner(UWSGI)
    assert [line for line in START * 2 if not banner.has(line)] == SAID * 2


def test_without_nginx_a_slow_upload_is_worth_a_warning() -> None:
    banner = Banner(UWSGI._replace(behind_nginx=False))
    assert len([line for line in START if not banner.has(line)]) == len(SAID) + 1


def test_other_servers_have_no_banner() -> None:
    banner = Banner(UWSGI._replace(server="gunicorn"))
    assert not [line for line in START if banner.has(line)]


@pytest.mark.parametrize(
    ("module", "output", "why"),
    [
        ("config.wsgi:application", TRACEBACK, "ModuleNotFoundError: No module named 'x' (site/urls.py, line 3)"),
        (
            "config.wsgi:application",
            (
                b'  File "/srv/project/config/wsgi.py", line 1\n'
                b"    def application(:\n                    ^\nSyntaxError: invalid syntax\nunable to load app 0 (x)\n"
            ),
            "SyntaxError: invalid syntax (config/wsgi.py, line 1)",
        ),
        (
            "config.nowhere:application",
            b"ModuleNotFoundError: No module named 'config.nowhere'\nunable to load app 0 (mountpoint='') (x)\n",
            "ModuleNotFoundError: No module named 'config.nowhere'; correct WSGI_APPLICATION",
        ),
        (
            "config.wsgi:nothing",
            b"unable to load app 0 (mountpoint='') (callable not found or import error)\n",
            "config.wsgi has no callable nothing; correct WSGI_APPLICATION",
        ),
    ],
)
def test_uwsgis_failure_is_the_applications_last_line(module: str, output: bytes, why: str) -> None:
    found = failure(UWSGI._replace(module=module), output.splitlines())
    assert found == f"cannot load the application {module}: {why}"


def test_a_traceback_that_the_application_survived_is_no_failure() -> None:
    survived = TRACEBACK.partition(b"unable")[0]
    assert failure(UWSGI, survived.splitlines()) is None


@pytest.mark.parametrize(
    ("server", "output", "why"),
    [
        (
            "gunicorn",
            (
                b'Traceback (most recent call last):\n  File "/venv/gunicorn/util.py", line 467, in import_app\n'
                b'    raise AppImportError()\ngunicorn.errors.AppImportError: Failed to find attribute "x" in "y".\n'
            ),
            'gunicorn.errors.AppImportError: Failed to find attribute "x" in "y".',
        ),
        (
            "gunicorn",
            b'Traceback (most recent call last):\n  File "/venv/gunicorn/sock.py", line 4, in bind\nOSError: no\n',
            None,
        ),
        (
            "uvicorn",
            b'ERROR:    Error loading ASGI app. Attribute "nothing" not found in module "good".\n',
            'Attribute "nothing" not found in module "good"; correct WSGI_APPLICATION',
        ),
    ],
)
def test_other_servers_failures(server: str, output: bytes, why: str | None) -> None:
    found = failure(UWSGI._replace(server=server), output.splitlines())
    assert found == (why and f"cannot load the application config.wsgi:application: {why}")


def test_trouble_begins_with_a_traceback_or_an_error() -> None:
    lines = [b"Traceback (most recent call last):", b"django.core.exceptions.ImproperlyConfigured: x", b"OSError: x"]
    assert [is_trouble(line) for line in lines] == [True, False, True]
    assert not is_trouble(b"retrying after Error: x")


@pytest.mark.parametrize(
    "line", [b"INFO:     Child process [42] died", b"[ERROR] Unexpected exit from worker-2"], ids=["uvicorn", "granian"]
)
def test_a_server_reports_the_end_of_a_worker(line: bytes) -> None:
    assert is_end_of_worker(line)
    assert not is_end_of_worker(b"a view said: " + line)
    assert not is_end_of_worker(line + b" of old age")
