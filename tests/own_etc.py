"""Files below /etc that only one command sees, in a mount namespace of its own."""

import subprocess
from pathlib import Path

import pytest


class OwnEtc:
    """An /etc with further files, whose changes lie in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self._files, work = folder / "etc", folder / "etc-work"
        self._files.mkdir()
        work.mkdir()
        mount = f"mount -t overlay -o lowerdir=/etc,upperdir={self._files},workdir={work} overlay /etc"
        self.around = ("unshare", "--mount", "sh", "-c", f'{mount} && exec "$0" "$@"')
        """What comes before the words of the command, which it becomes."""
        if subprocess.run([*self.around, "true"], capture_output=True, check=False).returncode:
            pytest.skip("this user, or this machine, may not mount another /etc")

    def write(self, name: str, text: str) -> Path:
        """Add a file; return its path."""
        file = self._files / name
        for parent in reversed(file.relative_to(self._files).parents):
            (self._files / parent).mkdir(mode=0o755, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return Path("/etc", name)
