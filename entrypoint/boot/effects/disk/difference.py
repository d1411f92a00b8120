"""How the files of a reload differ from those of the running site."""

from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.effects.disk import run_files
from entrypoint.boot.files.supervisor_files import sections
from entrypoint.boot.plan.plan import Plan
from entrypoint.errors import Unusable
from entrypoint.protocol import filenames
from entrypoint.protocol.codec import from_json, read_json
from entrypoint.protocol.supervision import Environments, SupervisionConfig

_STOP_TIME: Final = "stopwaitsecs"


class Difference:
    """The differences between the new files and the old ones that decide what is reloaded."""

    def __init__(self, plan: Plan, folder: Path, was: Environments) -> None:
        """`folder` is the run directory; `was` are the environments of the running programs."""
        self.folder = PurePosixPath(folder)
        self.was = was
        self.files = tuple(file for file in plan.files if run_files.read(file.path) != file.text)
        self.names = {file.path.name for file in self.files}
        self.old = current(folder)
        self.new = from_json(SupervisionConfig, text_of(plan, filenames.SUPERVISION), "the plan")
        self._before = sections(run_files.read(self.folder / filenames.SUPERVISORD_CONF) or "")
        self._after = sections(text_of(plan, filenames.SUPERVISORD_CONF))

    def section(self, name: str, key: str = "") -> bool:
        """Return whether a section of supervisord.conf, or one key of it, has changed.

        False if the section is new or was removed. Stop times do not count: all programs share them.
        """
        if not self._before.has_section(name) or not self._after.has_section(name):
            return False
        before, after = dict(self._before[name]), dict(self._after[name])
        if key:
            return before.get(key) != after.get(key)
        return {**before, _STOP_TIME: ""} != {**after, _STOP_TIME: ""}

    def of(self, program: str) -> bool:
        """Return whether the configuration of a program has changed, except its stop time."""
        supervision = self.old.program(program).unlike(self.new.program(program))
        return program in self.new.programs and (supervision or self.section(f"program:{program}"))


def current(folder: Path) -> SupervisionConfig:
    """Return how the programs are supervised now. Raises Unusable."""
    try:
        return read_json(SupervisionConfig, folder / filenames.SUPERVISION)
    except ValueError as error:
        raise Unusable(f"cannot reload: {error}") from error


def text_of(plan: Plan, name: PurePosixPath) -> str:
    """Return the text of a file of the plan."""
    return next(file.text for file in plan.files if file.path.name == name.name)
