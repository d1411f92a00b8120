"""The limits of the control group, read from trees as the kernel shows them."""

from pathlib import Path

import pytest

from entrypoint.boot.facts.cgroup import Limits, read_limits

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup rw,nsdelegate"
V1_MOUNTS = """\
31 23 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:28 {root} /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
33 31 0:29 {root} /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
34 31 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"""
V1_GROUPS = "5:cpu,cpuacct:{group}\n4:memory:{group}\n1:name=systemd:{group}\n0::/"
NO_LIMIT_V1 = "9223372036854771712"
GIB = 1 << 30


@pytest.fixture
def machine(tmp_path: Path) -> "Tree":
    return Tree(tmp_path)


class Tree:
    """A root with a /proc and a /sys of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")

    def is_in(self, groups: str, mounts: str) -> None:
        self.write("proc/self/cgroup", groups)
        self.write("proc/self/mountinfo", mounts)

    def group(self, path: str, **files: str) -> None:
        for name, text in files.items():
            self.write(f"sys/fs/cgroup/{path}/{name.replace('__', '.')}", text)

    def limits(self, cpus: int = 8) -> Limits:
        return read_limits(self.root, cpus)


def test_the_own_group_of_v2_in_a_namespace_of_its_own(machine: Tree) -> None:
    machine.is_in("0::/", V2_MOUNT)
    machine.group("", cpu__max="50000 100000", memory__max="268435456")
    assert machine.limits() == Limits(0.5, 256 << 20)


def test_no_limit_of_v2_is_none(machine: Tree) -> None:
    machine.is_in("0::/a", V2_MOUNT)
    machine.group("a", cpu__max="max 100000", memory__max="max")
    assert machine.limits(3) == Limits(3, None)


def test_the_smallest_limit_of_nested_groups_counts(machine: Tree) -> None:
    machine.is_in("0::/pod/box/own", V2_MOUNT)
    machine.group("pod", cpu__max="150000 100000", memory__max=str(2 * GIB))
    machine.group("pod/box", cpu__max="300000 100000", memory__max=str(GIB))
    machine.group("pod/box/own", cpu__max="max 100000", memory__max=str(4 * GIB))
    assert machine.limits() == Limits(1.5, GIB)


def test_the_limits_of_another_group_are_not_ours(machine: Tree) -> None:
    machine.is_in("0::/pod/own", V2_MOUNT)
    machine.group("pod/other", cpu__max="10000 100000", memory__max="1048576")
    assert machine.limits() == Limits(8, None)


def test_v1_of_the_host_walks_up_each_hierarchy(machine: Tree) -> None:
    machine.is_in(V1_GROUPS.format(group="/pod/own"), V1_MOUNTS.format(root="/"))
    machine.group("cpu,cpuacct/pod", cpu__cfs_quota_us="200000", cpu__cfs_period_us="100000")
    machine.group("cpu,cpuacct/pod/own", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    machine.group("memory/pod", memory__limit_in_bytes=str(GIB))
    machine.group("memory/pod/own", memory__limit_in_bytes=NO_LIMIT_V1)
    assert machine.limits() == Limits(2, GIB)


def test_v1_in_a_container_whose_mount_is_its_group(machine: Tree) -> None:
    machine.is_in(V1_GROUPS.format(group="/docker/4f1c"), V1_MOUNTS.format(root="/docker/4f1c"))
    machine.group("cpu,cpuacct", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    machine.group("memory", memory__limit_in_bytes=str(256 << 20))
    assert machine.limits() == Limits(0.5, 256 << 20)


def test_v1_shows_a_group_above_the_container(machine: Tree) -> None:
    machine.is_in(V1_GROUPS.format(group="/pod/box"), V1_MOUNTS.format(root="/pod/box"))
    machine.group(
        "memory", memory__limit_in_bytes=str(2 * GIB), memory__stat=f"cache 0\nhierarchical_memory_limit {GIB}"
    )
    assert machine.limits().memory == GIB


def test_no_limit_of_v1_is_none(machine: Tree) -> None:
    machine.is_in(V1_GROUPS.format(group="/"), V1_MOUNTS.format(root="/"))
    machine.group("cpu,cpuacct", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    stat = f"hierarchical_memory_limit {NO_LIMIT_V1}"
    machine.group("memory", memory__limit_in_bytes=NO_LIMIT_V1, memory__stat=stat)
    assert machine.limits(2) == Limits(2, None)


def test_a_group_that_the_mount_does_not_show_is_read_at_the_mounts_top(machine: Tree) -> None:
    machine.is_in("0::/../../elsewhere", V2_MOUNT)
    machine.group("", cpu__max="100000 100000")
    assert machine.limits() == Limits(1, None)


def test_a_mount_point_with_a_space_is_found(machine: Tree) -> None:
    machine.is_in("0::/", V2_MOUNT.replace("/sys/fs/cgroup", r"/sys/fs/cgroup/of\040mine"))
    machine.group("of mine", memory__max=str(GIB))
    assert machine.limits().memory == GIB


def test_a_quota_above_the_cpus_that_are_there_grants_no_more_of_them(machine: Tree) -> None:
    machine.is_in("0::/", V2_MOUNT)
    machine.group("", cpu__max="400000 100000")
    assert machine.limits(2) == Limits(2, None)


def test_a_machine_without_control_groups_has_the_cpus_alone(machine: Tree) -> None:
    assert machine.limits(2) == Limits(2, None)


@pytest.mark.parametrize("text", ["", "banana", "0 100000", "100000 0", "100000", "-5 100000"])
def test_an_invalid_quota_limits_nothing(machine: Tree, text: str) -> None:
    machine.is_in("0::/", V2_MOUNT)
    machine.group("", cpu__max=text)
    assert machine.limits() == Limits(8, None)


def test_this_process_has_limits_that_make_sense() -> None:
    found = read_limits(Path("/"), 2)
    assert 0 < found.cpus <= 2
    assert found.memory is None or found.memory > 1 << 20


@pytest.mark.parametrize(
    ("limits", "shown"),
    [
        (Limits(0.5, 256 << 20), "0.5 CPU, 256 MiB"),
        (Limits(1), "1 CPU"),
        (Limits(1 / 3), "0.33 CPU"),
        (Limits(1.5), "1.5 CPUs"),
        (Limits(10, GIB), "10 CPUs, 1 GiB"),
        (Limits(2, 3 * GIB // 2), "2 CPUs, 1.5 GiB"),
    ],
)
def test_limits_are_shown_as_a_person_writes_them(limits: Limits, shown: str) -> None:
    assert str(limits) == shown
