"""The stop: its order, its hooks, and its time."""

import os
import pwd
import signal
import time

import pytest
from deadline import until

from .rig import Container, alive

SLEEP = "sleep 1000"

# Prints the time of its stop signal and of its end, by the same clock for all programs.
SLOW = """\
import signal, sys, time
def stop(*_):
    print("told", time.monotonic())
    time.sleep({seconds})
    print("ends", time.monotonic())
    sys.exit()
signal.signal(signal.SIG{signal}, stop)
print("up")
while True: signal.pause()
"""


# Ends at the third TERM.
THRICE = """\
import signal, sys
told = []
def stop(*_):
    told.append("TERM")
    print("told", len(told))
    if len(told) == 3: sys.exit()
signal.signal(signal.SIGTERM, stop)
print("up")
while True: signal.pause()
"""


# Starts children, one of them perhaps only at its stop signal, and ends when all have got a signal.
PARENT = """\
import os, signal, sys
def child(name, *handled):
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, handled)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for number in handled:
            signal.signal(number, print)
        print(f"{{name}} up\\n", end="")
        print(f"{{name}} got {{signal.Signals(signal.sigwait(handled)).name}}\\n", end="")
        os._exit(0)
    return pid
def stop(*_):
    print("told")
    if {late}:
        os.kill(first, signal.SIGTERM)
        child("late", signal.SIGHUP, signal.SIGUSR2)
signal.signal(signal.SIGTERM, stop)
first = child("first", signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)
deaf = child("deaf", signal.SIGINT)
for _ in range({late} + 1):
    while os.wait()[0] == deaf: pass
os.kill(deaf, signal.SIGINT)
os.wait()
"""


def slow(container: Container, name: str, seconds: float, signal: str = "TERM") -> str:
    return container.script(name, SLOW.format(seconds=seconds, signal=signal))


def when(container: Container, name: str, what: str) -> float:
    return next(float(line.split()[1]) for line in container.lines(name) if line.startswith(what))


def seconds_of(container: Container, *numbers: signal.Signals) -> float:
    began = time.monotonic()
    for number in numbers or (signal.SIGTERM,):
        container.signal(number)
    assert container.code() == 0
    return time.monotonic() - began


# Ends once both this program and another one have got their stop signals.
WAITS = """\
import os, signal, sys, time
def stop(*_):
    open("{name}.told", "w")
    while not os.path.exists("{other}.told"):
        time.sleep(0.005)
    print("ends", time.monotonic())
    sys.exit()
signal.signal(signal.SIG{signal}, stop)
print("up")
while True: signal.pause()
"""


def test_a_tier_stops_together_and_the_next_one_after_it(container: Container) -> None:
    one = container.script("first", WAITS.format(name="first", other="second", signal="QUIT"))
    other = container.script("second", WAITS.format(name="second", other="first", signal="TERM"))
    container.program("first", one, "stopsignal=QUIT", stop_order=30)
    container.program("second", other, stop_order=30)
    container.program("third", slow(container, "third", 0.2), stop_order=20)
    container.sections = (
        f"[program:theirs]\ncommand={slow(container, 'theirs', 0)}\nredirect_stderr=true\nstdout_logfile=NONE\n"
        "priority=1000\n"
    )
    container.start()
    names = ("first", "second", "third", "theirs")
    for name in names:
        container.said(f"[{name}] up")
    assert container.stop() == 0
    assert max(when(container, name, "ends") for name in ("first", "second")) <= when(container, "third", "told")
    assert when(container, "third", "ends") <= when(container, "theirs", "told")


def test_each_program_has_its_own_time(container: Container) -> None:
    container.program("short", slow(container, "short", 1000), "stopwaitsecs=1")
    container.program("long", slow(container, "long", 1.5), "stopwaitsecs=60")
    container.start()
    for name in ("short", "long"):
        container.said(f"[{name}] up")
    seconds_of(container)
    assert [line.split()[0] for line in container.lines("short")] == ["up", "told"]
    assert [line.split()[0] for line in container.lines("long")] == ["up", "told", "ends"]


def test_a_stop_signal_is_repeated_for_a_program_that_needs_it(container: Container) -> None:
    container.program("site", container.script("site", THRICE), "stopwaitsecs=900", stop_interval=0.02)
    container.config = {"stop_seconds": 900}
    container.start().said("[site] up")
    assert container.stop() == 0
    assert container.lines("site") == ["up", "told 1", "told 2", "told 3"]


@pytest.mark.parametrize("late", [False, True], ids=["all", "those that come later"])
def test_children_get_a_stop_signal(container: Container, *, late: bool) -> None:
    script = container.script("site", PARENT.format(late=late))
    signals = {"signal": "HUP", "handles": "USR2", "late": True} if late else {"signal": "TERM", "handles": "TERM"}
    container.program("site", script, "stopwaitsecs=900", stop_children=signals)
    container.config = {"stop_seconds": 900}
    container.start()
    for child in ("first", "deaf"):
        container.said(f"[site] {child} up")
    assert container.stop() == 0
    got = {line for line in container.lines("site") if " got " in line}
    assert got == {"first got SIGTERM", "deaf got SIGINT"} | ({"late got SIGHUP"} if late else set())


def test_a_second_term_hurries(container: Container) -> None:
    container.program("site", slow(container, "site", 1000), "stopwaitsecs=900", stop_order=1)
    container.program("other", SLEEP)
    container.config = {"stop_seconds": 900}
    container.start().said("[site] up")
    container.signal(signal.SIGTERM)
    container.said("[site] told")
    assert container.stop() == 0  # long before the 900 s
    container.said("CRIT another stop signal: killing other, site")
    assert not container.pids()


def test_a_stop_keeps_its_time(container: Container) -> None:
    for tier in (1, 2):
        container.program(f"site{tier}", slow(container, f"site{tier}", 1000), "stopwaitsecs=900", stop_order=tier)
    container.config = {"stop_seconds": 1}
    container.start()
    for tier in (1, 2):
        container.said(f"[site{tier}] up")
    assert seconds_of(container) > 0.8  # and long before the 900 s
    container.said("CRIT site1, site2 were still running after ")
    assert not container.pids()


@pytest.mark.parametrize("hooks", [[], ["bye"]])
def test_time_that_an_order_does_not_use_goes_to_the_next(container: Container, hooks: list[str]) -> None:
    # Guaranteed is 1 s; without any use of the others' time it would be killed after that.
    container.program("nginx", slow(container, "nginx", 0), stop_order=30, stop_seconds=10)
    container.program("uwsgi", slow(container, "uwsgi", 0), stop_order=20, stop_seconds=5)
    container.program("worker", slow(container, "worker", 2), "stopwaitsecs=1", stop_order=10, stop_seconds=1)
    container.config = {
        "stop_seconds": 30,
        "hook_seconds": 15,
        "pre_stop": [pre_stop("echo", word) for word in hooks],
    }
    container.start()
    for name in ("nginx", "uwsgi", "worker"):
        container.said(f"[{name}] up")
    assert container.stop() == 0
    assert [line.split()[0] for line in container.lines("worker")] == ["up", "told", "ends"]
    assert "kill" not in container.text()


def test_an_order_ends_in_time_for_what_is_guaranteed_to_the_next_ones(container: Container) -> None:
    container.program("site", slow(container, "site", 1000), stop_order=2, stop_seconds=1)
    container.program("worker", slow(container, "worker", 1), stop_order=1, stop_seconds=58)
    container.config = {"stop_seconds": 60}
    container.start()
    for name in ("site", "worker"):
        container.said(f"[{name}] up")
    assert container.stop() == 0
    line = container.said("CRIT site was still running after ")
    assert line.endswith(
        " s: killed; raise ENTRYPOINT_STOP_TIMEOUT (now 60s) and docker run --stop-timeout or "
        "terminationGracePeriodSeconds"
    )
    assert [line.split()[0] for line in container.lines("site")] == ["up", "told"]
    assert [line.split()[0] for line in container.lines("worker")] == ["up", "told", "ends"]
    assert container.text().count("kill") == 1


def test_children_of_a_shell_may_finish(container: Container) -> None:
    child = slow(container, "child", 0.5)
    container.program("site", f"sh -c '{child}; true'")
    container.start().said("[site] up")
    assert container.stop() == 0
    assert [line.split()[0] for line in container.lines("site")] == ["up", "told", "ends"]
    assert "killing" not in container.text()


def test_children_of_a_shell_are_killed_when_the_time_is_over(container: Container) -> None:
    child = container.script(
        "child", "import signal\nsignal.signal(15, signal.SIG_IGN)\nprint('up')\nwhile True: signal.pause()"
    )
    container.program("site", f"sh -c '{child}; true'", "stopwaitsecs=1", "killasgroup=false")
    container.start().said("[site] up")
    assert seconds_of(container) > 0.9
    assert not container.pids()


def test_a_drain_serves_on_and_restarts(container: Container) -> None:
    container.program("site", SLEEP, "autorestart=true", essential=True)
    container.config = {"drain_seconds": 5}
    container.start().said("ready after")
    began = time.monotonic()
    container.signal(signal.SIGTERM)
    until(lambda: not container.ready_file.exists(), "red")
    assert container.unready() == {"phase": "stopping"}
    os.kill(container.spawned("site"), signal.SIGKILL)
    assert alive(container.spawned("site", 2))
    container.signal(signal.SIGHUP)  # which is ignored here, too
    assert container.code() == 0
    assert time.monotonic() - began >= 5
    assert not container.ready_file.exists()


def test_a_second_term_skips_the_drain_and_a_third_one_hurries(container: Container) -> None:
    container.program("site", slow(container, "site", 1000), "stopwaitsecs=900", essential=True)
    container.config = {"drain_seconds": 500, "stop_seconds": 900}
    container.start().said("ready after")
    container.said("[site] up")
    container.signal(signal.SIGTERM)
    until(lambda: not container.ready_file.exists(), "red")
    assert "[site] told" not in container.text()
    container.signal(signal.SIGTERM)
    container.said("[site] told")
    assert container.stop() == 0  # long before the 900 s


def pre_stop(name: str, *words: str) -> dict[str, object]:
    return {"name": name, "command": [f"/bin/{name}", *words]}


def test_hooks_run_one_after_the_other_before_the_first_stop_order(container: Container) -> None:
    container.program("site", slow(container, "site", 0), essential=True)
    container.config = {
        "pre_stop": [
            pre_stop("sh", "-c", "echo one; sleep 0.3; printf two >&2; exit 3"),
            {"name": "nowhere", "command": ["/nowhere/at/all"]},
            pre_stop("sh", "-c", f"test ! -e {container.ready_file} && echo red"),
        ],
        "hook_seconds": 60,
    }
    container.start().said("ready after")
    container.said("[site] up")
    assert seconds_of(container) > 0.3
    told = [line for line in container.lines() if line.startswith(("[pre-stop", "[site] told"))]
    assert told[:3] == ["[pre-stop sh] one", "[pre-stop sh] two", "[pre-stop sh] red"]
    assert told[3].startswith("[site] told")
    assert container.said("CRIT pre-stop sh failed (exit status 3): continuing the stop")
    assert container.said("CRIT cannot run pre-stop nowhere: No such file or directory")


def test_a_hook_that_hangs_is_killed_after_its_time(container: Container) -> None:
    container.program("site", slow(container, "site", 0), essential=True)
    container.config = {"pre_stop": [pre_stop("sh", "-c", "sleep 1000; true")], "stop_seconds": 900, "hook_seconds": 1}
    container.start().said("[site] up")
    assert seconds_of(container) >= 1  # and long before the 900 s
    assert container.lines("site")[-1].startswith("ends")
    assert not container.pids()


def test_hooks_run_when_a_program_fails_permanently(container: Container) -> None:
    container.program("other", SLEEP)
    container.program("site", SLEEP, "autorestart=false", essential=True)
    container.config = {"pre_stop": [pre_stop("echo", "bye")], "drain_seconds": 500, "hook_seconds": 500}
    container.start()
    os.kill(container.spawned("site"), signal.SIGKILL)
    assert container.code() == 137
    assert container.lines("pre-stop echo") == ["bye"]


def test_keep_keeps_the_other_programs_and_ends_with_the_code_of_the_failure(container: Container) -> None:
    container.program("other", SLEEP)
    container.program("site", SLEEP, "autorestart=false", essential=True)
    container.config = {"on_failure": "keep"}
    container.start().said("ready after")
    other = container.spawned("other")
    os.kill(container.spawned("site"), signal.SIGKILL)
    lost = "site failed permanently (killed by SIGKILL): keeping the other programs running, not ready, exit code 137"
    container.said(f"[supervisord] CRIT {lost}")
    until(lambda: not container.ready_file.exists(), "the end of readiness")
    until(lambda: container.unready() == {"phase": "failed", "programs": ["site"]}, "the reason")
    assert alive(other)
    assert container.stop() == 137


def test_a_failed_program_that_is_started_by_hand_is_ready_again(container: Container) -> None:
    container.program("site", SLEEP, "autorestart=false", essential=True)
    container.config = {"on_failure": "keep"}
    container.start()
    os.kill(container.spawned("site"), signal.SIGKILL)
    container.said("failed permanently")
    container.ask("startProcess", "site")
    container.said("ready again after")
    assert container.unready() is None
    assert container.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the user")
def test_a_program_knows_its_user(container: Container) -> None:
    container.program("site", "sh -c 'echo $USER $LOGNAME $HOME'", "user=nobody", "autorestart=false")
    container.start().said("exited: site")
    assert container.lines("site") == [f"nobody nobody {pwd.getpwnam('nobody').pw_dir}"]
    assert container.stop() == 0
