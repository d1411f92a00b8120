import signal

import pytest

from entrypoint.supervision.loss import Loss, of_status


@pytest.mark.parametrize(
    ("wait_status", "loss"),
    [
        (3 << 8, Loss(3, "exit status 3")),
        (0, Loss(1, "exit status 0")),
        (255 << 8, Loss(255, "exit status 255")),
        (signal.SIGKILL, Loss(137, "killed by SIGKILL")),
        (signal.SIGSEGV | 0x80, Loss(139, "killed by SIGSEGV")),  # 0x80: with a core dump
        (40, Loss(168, "killed by signal 40")),
    ],
)
def test_a_loss_is_told_as_a_shell_tells_it(wait_status: int, loss: Loss) -> None:
    assert of_status(wait_status) == loss
