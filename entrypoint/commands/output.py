"""The output of the commands."""

import errno
import os
import shutil
import sys

import click

from entrypoint.errors import StepFailed


def width() -> int | None:
    """Return the columns of the terminal; None if stdout is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cut(text: str, columns: int | None) -> str:
    """Return the text with each line cut to so many columns; None: as it is."""
    if columns is None:
        return text
    return "".join(f"{line if len(line) <= columns else line[: columns - 1] + '…'}\n" for line in text.splitlines())


def write(text: str) -> None:
    """Print to stdout. A reader that closed the pipe, such as `head`, is no error. Raises StepFailed for others."""
    try:
        click.echo(text, nl=False)
    except OSError as error:
        # At exit Python writes its buffer again: https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.errno != errno.EPIPE:
            raise StepFailed(f"cannot write to stdout: {error.strerror}", 1) from error
