import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from deadline import until
from ports import free_port

from .rig import Container, alive

SLEEP = "sleep 1000"

# As nginx does: a master that opens the port, and workers that live on when it is killed.
MASTER = """\
import os, socket, time
server = socket.create_server(("127.0.0.1", {port}))
for _ in range(2):
    if os.fork() == 0:
        time.sleep(1000)
print("serves", flush=True)
time.sleep(1000)
"""


def test_workers_of_a_killed_master_do_not_keep_its_port(container: Container) -> None:
    port = free_port()
    container.program("site", container.script("site", MASTER.format(port=port)), "autorestart=true", essential=True)
    container.start().said("[site] serves")
    master = container.spawned("site")
    workers = {pid for pid in container.pids() if os.getpgid(pid) == master} - {master}
    assert len(workers) == 2
    os.kill(master, signal.SIGKILL)
    container.said("[site] serves", 2)
    assert not any(alive(worker) for worker in workers)
    assert container.stop() == 0
    assert not container.pids()


def test_more_than_a_hundred_programs_that_end_together_are_all_noticed(container: Container) -> None:
    # supervisord stops after a hundred, and one signal may tell of all of them.
    many = 130
    container.sections = (
        f"[program:many]\ncommand={SLEEP}\nprocess_name=%(program_name)s_%(process_num)d\nnumprocs={many}\n"
        "startsecs=0\nautorestart=false\nredirect_stderr=true\nstdout_logfile=NONE\n"
    )
    container.start()
    until(lambda: container.text().count("spawned: 'many_") == many, "all starts")
    children = container.pids() - {container.pid}
    container.signal(signal.SIGSTOP)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in children), "the end of all")
    container.signal(signal.SIGCONT)
    until(lambda: container.text().count("exited: many_") == many, "all ends")
    assert container.stop() == 0


UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.fixture
def namespace() -> tuple[str, ...]:
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare(1)")
    for under in (UNSHARE, (*UNSHARE, "--map-root-user")):
        if subprocess.run([*under, "true"], check=False, capture_output=True).returncode == 0:
            return under
    pytest.skip("this user, or this machine, may not make a PID namespace")


@pytest.mark.alone
def test_pid_1_takes_all_orphans_at_once(container: Container, namespace: tuple[str, ...]) -> None:
    # One parent leaves orphans that PID 1 inherits; all of them end together. Taken by the hundred a second, as stock
    # supervisord takes them, they would not be gone within 20 s.
    many = 2500
    script = f"""\
import os, time
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    for _ in range({many}):
        if os.fork() == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
    os._exit(0)
os.wait()
print("orphans", flush=True)
os.close(write)
while True:
    time.sleep(0.01)
    left = set(open("/proc/1/task/1/children").read().split()) - {{str(os.getpid())}}
    if not left:
        break
print("gone", flush=True)
"""
    container.program("site", container.script("site", script), "autorestart=false")
    container.start(under=namespace)
    until(lambda: "[site] gone" in container.text(), "the end of all orphans", 20)
    assert "reaped" not in container.text()
    _stop_inside(container)


def test_pid_1_ends_by_a_stop_that_comes_at_once(container: Container, namespace: tuple[str, ...]) -> None:
    container.program("site", SLEEP, essential=True)
    container.start(under=namespace)
    _stop_inside(container)


def _stop_inside(container: Container) -> None:
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    os.kill(int(until(lambda: children.read_text().split(), "PID 1")[0]), signal.SIGTERM)
    assert container.code() == 0
