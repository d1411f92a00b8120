"""The command `entrypoint`. Its first act is to hold the signals: see entrypoint/boot/effects/signals.py."""

import gc
import signal


def main() -> None:
    """Run the command line."""
    # Written out here, before any other import: until a handler stands, a stop would be lost on process 1.
    held = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    gc.disable()  # of what is imported nothing is garbage, and to look for it takes 15 ms of each start
    from entrypoint.cli import run  # noqa: PLC0415 -- an import takes time in which a stop may come

    run()


if __name__ == "__main__":
    main()
