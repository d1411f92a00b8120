"""What the commands print."""

import errno
import os

import click

from entrypoint.errors import StepFailed


def write(text: str) -> None:
    """Print to stdout. A reader that closed the pipe, such as `head`, is no error. Raises StepFailed for others."""
    try:
        click.echo(text, nl=False)
    except OSError as error:
        # At exit Python writes its buffer again: https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if error.errno != errno.EPIPE:
            raise StepFailed(f"cannot write to stdout: {error.strerror}", 1) from error
