"""What a boot writes, as values: folders, files, and what is shown of its progress."""

import json
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from entrypoint.boot.trust.accounts import Account

READY: Final = "ready.json"
"""The file that is there while the site is ready, in the folder of what nginx serves of our own."""


class Directory(NamedTuple):
    """A folder of this owner and mode."""

    path: PurePosixPath
    mode: int | None  # None: somebody else's folder, to be left as it is where it is there
    owner: Account | None = None  # None: whoever runs us
    inner: bool = False  # whether it lies in another of ours, so that nobody else can replace it

    def __str__(self) -> str:
        return f"{self.path}{f' for {self.owner}' if self.owner else ''}"


class File(NamedTuple):
    """A file with this text."""

    path: PurePosixPath
    text: str
    source: str  # the template, or what else decided the text

    def __repr__(self) -> str:
        return f"<File {self.path}>"


class Progress(NamedTuple):
    """What the starting page and `/-/ready` say meanwhile."""

    folder: PurePosixPath
    name: str

    def files(self, done: int | None = None, of: int | None = None) -> tuple[File, ...]:
        """Return it for a program and for a person, with how far it is where that is known."""
        counted = done is not None and of is not None
        value = {"phase": self.name, **({"done": done, "of": of} if counted else {})}
        words = f"{self.name} {done}/{of}" if counted else self.name
        texts = (json.dumps(value) + "\n", words + "\n")
        return tuple(File(path, text, "the boot") for path, text in zip(self.paths, texts, strict=True))

    @property
    def paths(self) -> tuple[PurePosixPath, PurePosixPath]:
        """Return where it is told. While the first of them is there, nginx passes no request on."""
        return self.folder / "phase.json", self.folder / "phase.txt"
