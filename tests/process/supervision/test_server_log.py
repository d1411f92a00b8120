"""The output of an application server: its banner, and why it could not load the application."""

from deadline import until

from .rig import NOTIFY, Container

FAILS = """\
import os, sys, time
print("*** Starting uWSGI 2.0.30 (64bit) ***")
print("nodename: here")
print("*** Operational MODE: preforking ***")
print("loading")
print("Traceback (most recent call last):")
print('  File "{home}/urls.py", line 3, in <module>')
print("ModuleNotFoundError: No module named 'x'")
print("unable to load app 0 (mountpoint='') (callable not found or import error)")
sys.exit(22)
"""
WHY = "cannot load the application config.wsgi:application: ModuleNotFoundError: No module named 'x' (urls.py, line 3)"


def application(container: Container) -> dict[str, object]:
    folder = str(container.home)
    return {
        "server": "uwsgi",
        "module": "config.wsgi:application",
        "setting": "WSGI_APPLICATION",
        "folder": folder,
    }


def test_a_server_that_cannot_load_says_why_first_and_is_not_started_again(container: Container) -> None:
    command = container.script("uwsgi", FAILS.format(home=container.home))
    container.config = {"quiet": True}
    container.program(
        "uwsgi", command, essential=True, restart="always", ready="notify", application=application(container)
    )
    container.start()
    assert container.code() == 22
    ours = [line for line in container.lines() if line.startswith(("[uwsgi]", "[entrypoint]"))]
    assert ours[:3] == ["[uwsgi] loading", f"[entrypoint] {WHY}", "[uwsgi] Traceback (most recent call last):"]
    assert container.text().count("loading") == 1
    assert "nodename" not in container.text()


def test_a_traceback_of_a_server_that_continues_is_shown_and_a_later_failure_is_retried(container: Container) -> None:
    code = NOTIFY + FAILS.format(home=container.home).replace(
        "sys.exit", "tell()\ntime.sleep(0.1) if os.path.exists('failed') else open('failed', 'w')\nsys.exit"
    )
    container.program(
        "uwsgi", container.script("uwsgi", code), essential=True, restart="always", ready="notify",
        application=application(container),
    )  # fmt: skip
    container.start().said("[uwsgi] unable to load app")
    container.spawned("uwsgi", 3)  # it has been ready, so a later failure may be temporary
    until(lambda: "nodename: here" in container.lines("uwsgi"), "the banner, which is shown unless it is quiet")
    assert WHY not in container.text()
    container.stop()


def test_a_server_whose_workers_cannot_load_is_stopped_although_it_would_go_on(container: Container) -> None:
    code = (
        "import itertools, time\n"
        "for number in itertools.count(1):\n"
        "    print('Traceback (most recent call last):', flush=True)\n"
        "    print('  File \"/venv/uvicorn/importer.py\", line 1, in import_from_string')\n"
        "    print('ValueError: bro\\rken', flush=True)\n"
        "    print(f'INFO:     Child process [{number}] died', flush=True)\n"
        "    time.sleep(0.05)\n"
    )
    container.program(
        "uvicorn", container.script("uvicorn", code), essential=True, restart="always", ready="tcp:127.0.0.1:1",
        application={**application(container), "server": "uvicorn"},
    )  # fmt: skip
    container.start()
    assert container.code() == 1
    why = "[entrypoint] cannot load the application config.wsgi:application: ValueError: bro\\rken"
    assert container.text().count(why) == 1
    ours = [line for line in container.lines() if line.startswith(("[uvicorn]", "[entrypoint]"))]
    assert "uvicorn failed permanently (cannot load the application): stopping all, exit code 1" in container.text()
    assert ours[:2] == [why, "[uvicorn] Traceback (most recent call last):"]


def test_a_status_of_a_program_forges_no_line(container: Container) -> None:
    code = NOTIFY + "import signal\ntell(b'STATUS=up\\rCRIT forged\\nREADY=1')\nsignal.pause()"
    container.program("a", container.script("a", code), ready="notify")
    container.start().said(r"[supervisord] a reports: up\rCRIT forged")
    container.stop()
