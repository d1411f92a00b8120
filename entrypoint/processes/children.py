"""The processes that a process has started: proc(5)."""


def children(pid: int) -> frozenset[int]:
    """Return the PIDs that the first thread of `pid` has started; none if it has ended, or if the kernel hides them."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:  # noqa: PTH123 -- the boot needs no Path here
            return frozenset(map(int, file.read().split()))
    except OSError:
        return frozenset()
