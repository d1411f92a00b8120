"""The command `entrypoint`. It blocks the signals first: see entrypoint/boot/effects/signals.py."""

import gc
import signal

from entrypoint import started  # noqa: F401 -- it records the time


def main() -> None:
    """Run the command line."""
    # Repeated here, before any other import: process 1 loses a stop signal until it has a handler for it.
    held = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    gc.disable()  # imports leave no garbage, and looking for it takes 15 ms of each start
    from entrypoint.cli import run  # noqa: PLC0415 -- a stop may arrive while it is imported

    run()


if __name__ == "__main__":
    main()
