"""The folders that the application writes: for static files, uploads, SQLite databases and ENTRYPOINT_DATA_DIR."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from entrypoint.boot.settings.settings import Settings
from entrypoint.protocol.agent import Application


def of(settings: Settings, app_dir: PurePosixPath, application: Application | None) -> tuple[PurePosixPath, ...]:
    """Return the folders, except those that hold the code: an application must not own that."""
    found = dict.fromkeys(app_dir / path for path in _all(settings, application))
    return tuple(path for path in found if ".." not in path.parts and not app_dir.is_relative_to(path))


def _all(settings: Settings, application: Application | None) -> Iterator[PurePosixPath | str]:
    if settings.data_dir:
        yield settings.data_dir
    if application is None:
        return
    for name in application.sqlite.values():
        if name and name != ":memory:" and not name.startswith("file:"):
            yield PurePosixPath(name).parent
    yield from (folder for folder in (application.media_root, application.static_root) if folder)
