"""Checks which containers of a manifest apply the migrations.

Two containers with `auto` are correct: one gets the lock, and the other finds nothing pending. These are mistakes:

- all containers have `check` or `wait`, and no Job or one-shot service migrates;
- `check` beside a container that migrates at the same time: it ends while migrations are pending, instead of waiting;
- `auto` beside a Job or a one-shot service: both start at the same time, and either may migrate.

The last two are correct for a container that starts only after the other one has migrated.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from entrypoint.boot.manifest.containers import Container
from entrypoint.boot.manifest.evaluated import Evaluated
from entrypoint.boot.settings import server_names

_MODE: Final = "ENTRYPOINT_MIGRATE"


def mistakes(every: Iterable[Evaluated]) -> Iterator[tuple[Container, str]]:
    """Yield each container with a mistake, the reason and the remedy."""
    found = list(every)
    jobs = [each.container for each in found if each.container.migrates]
    booting = list(_booting(found))
    modes = {mode for _, mode in booting}
    autos = [container for container, mode in booting if mode == "auto"]
    for container, mode in booting:
        if mode == "auto" and (other := _beside(container, jobs)):
            why = f"it migrates ({_MODE}=auto), and so does {other.where}, which starts at the same time"
            yield container, f"{why}; set {_MODE}=wait"
        if mode == "check" and (other := _beside(container, [*jobs, *autos])):
            why = f"it ends while migrations are pending ({_MODE}=check), and {other.where}, which applies them,"
            yield container, f"{why} starts at the same time; set {_MODE}=wait"
    if len(booting) > 1 and not jobs and modes <= {"check", "wait"}:
        first, *others = (container for container, _ in booting)
        names = ", ".join(each.where for each in others)
        why = f"nothing applies the migrations: it and {names} have {_MODE}={' or '.join(sorted(modes))}"
        job = "add a Job or a one-shot service that runs entrypoint prepare --only wait --only migrate"
        yield first, f"{why}; set {_MODE}=auto in one of them, or {job}"


def _beside(container: Container, migrating: Sequence[Container]) -> Container | None:
    """Return a container that migrates at the same time; None if this one starts after a migration."""
    if any(each.where in container.after for each in migrating):
        return None
    return next(iter(migrating), None)


def _booting(every: Iterable[Evaluated]) -> Iterator[tuple[Container, str]]:
    """Yield the containers whose boot looks for migrations, with ENTRYPOINT_MIGRATE; empty if that is not known."""
    for found in every:
        settings = found.settings
        if settings and found.container.boots and not settings.development and settings.server != server_names.NONE:
            yield found.container, settings.migrate if found.knows(_MODE) else ""
