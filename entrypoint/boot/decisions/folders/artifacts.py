"""Folders and files that a boot writes, as values."""

import json
from pathlib import PurePosixPath
from typing import NamedTuple

from entrypoint.boot.trust.accounts import Account
from entrypoint.protocol import filenames


class Directory(NamedTuple):
    """A folder with its owner and mode."""

    path: PurePosixPath
    mode: int | None  # None: leave an existing folder as it is
    owner: Account | None = None  # None: the current user
    inner: bool = False  # whether its parent is ours too, so that nobody else can replace it

    def __str__(self) -> str:
        return f"{self.path}{f' for {self.owner}' if self.owner else ''}"


class File(NamedTuple):
    """A file and its text."""

    path: PurePosixPath
    text: str
    source: str  # the template or the decision that the text comes from

    def __repr__(self) -> str:
        return f"<File {self.path}>"


class Progress(NamedTuple):
    """What the starting page and `/-/ready` show while a step works."""

    folder: PurePosixPath
    name: str

    def files(self, done: int | None = None, of: int | None = None) -> tuple[File, ...]:
        """Return the files for programs (JSON) and for people (text), with the count of items if it is known."""
        counted = done is not None and of is not None
        value = {"phase": self.name, **({"done": done, "of": of} if counted else {})}
        words = f"{self.name} {done}/{of}" if counted else self.name
        texts = (json.dumps(value) + "\n", words + "\n")
        return tuple(File(path, text, "the boot") for path, text in zip(self.paths, texts, strict=True))

    @property
    def paths(self) -> tuple[PurePosixPath, PurePosixPath]:
        """Return the paths of the files. While the first one exists, nginx passes no request on."""
        return self.folder / filenames.PHASE.name, self.folder / filenames.PHASE_TEXT.name
