"""What the kernel says about processes that it killed for memory."""

from pathlib import Path

import pytest

from entrypoint.processes.oom import OutOfMemory

CASES = {
    "v2 in a container": ("0::/\n", "sys/fs/cgroup/memory.events", "sys/fs/cgroup/memory.max"),
    "v2 on a host": ("0::/a/b\n", "sys/fs/cgroup/a/b/memory.events", "sys/fs/cgroup/a/b/memory.max"),
    "v1": (
        "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/docker/1\n",
        "sys/fs/cgroup/memory/memory.oom_control",
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
    ),
}
KILLS = "oom 9\nunder_oom 0\noom_kill {}\noom_group_kill 0\n"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("67108864", "out of memory, memory limit 64 MiB"),
        ("max", "out of memory, without a memory limit"),
        ("9223372036854771712", "out of memory, without a memory limit"),
    ],
)
def test_the_kills_since_the_last_look_are_counted(tmp_path: Path, case: str, limit: str, told: str) -> None:
    groups, events, most = CASES[case]
    for name, text in (("proc/self/cgroup", groups), (events, KILLS.format(3)), (most, f"{limit}\n")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    out = OutOfMemory(tmp_path)
    assert out.known
    assert out.killed() == 0
    (tmp_path / events).write_text(KILLS.format(5))
    assert (out.killed(), out.killed()) == (2, 0)
    assert str(out) == told


def test_without_a_control_group_nothing_is_known(tmp_path: Path) -> None:
    out = OutOfMemory(tmp_path)
    assert not out.known
    assert out.killed() == 0
