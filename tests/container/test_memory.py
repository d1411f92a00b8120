"""What the log says when the kernel kills a process because the container's memory is used up."""

import pytest
from deadline import until
from docker_engine import Engine

FULL = "kept = bytearray(400 << 20)"
ONCE = f"import os, time; os.path.exists('/tmp/once') or (open('/tmp/once', 'w'), exec('{FULL}')); time.sleep(1000)"


@pytest.mark.thorough
def test_a_process_that_the_kernel_killed_for_memory_is_named(engine: Engine, image: str) -> None:
    settings = {"SECRET_KEY": "of-the-tests-alone", "ENTRYPOINT_PROGRAM_HOG": f'python -c "{ONCE}"'}
    container = engine.run(image, settings, options=("--memory", "256m", "--memory-swap", "256m")).ready()
    killed = "out of memory, memory limit 256 MiB"
    until(lambda: f"CRIT hog was killed by the kernel: {killed}\n" in container.logs, "the program")
    assert container.exec("python", "-c", FULL).returncode == 137
    # supervisord did not start this one, as it did not start the workers of a server.
    until(lambda: f"CRIT the kernel killed a process of this container: {killed}\n" in container.logs, "the process")
    assert container.logs.count(killed) == 2
    assert container.stop()[0] == 0
