"""Changes supervisord's process groups while it runs: reads the configuration again, adds and removes groups."""
# ruff: noqa: ANN401 - supervisor ships no types

import copy
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from entrypoint.supervision.internals.program import Program


class Changes(NamedTuple):
    """The names of the groups that differ between supervisord's configuration and what it runs."""

    added: frozenset[str]
    changed: frozenset[str]
    removed: frozenset[str]


class Groups:
    """The groups by name. The group of a single program has the program's name."""

    def __init__(self, supervisord: Any, programs: Callable[[], Iterable[Program]]) -> None:
        self._supervisord = supervisord
        self._programs = programs

    def read(self) -> None:
        """Read supervisord's configuration again, and apply only the new stop times. Raises ValueError.

        All programs share the time of a stop, so one change alters many stop times. `changes` would count each of these
        programs as changed if they were not applied here.
        """
        options = self._supervisord.options
        options.process_config(do_usage=False)
        times = {
            (group.name, each.name): each.stopwaitsecs
            for group in options.process_group_configs
            for each in group.process_configs
        }
        for name, group in self._supervisord.process_groups.items():
            for each in group.config.process_configs:
                each.stopwaitsecs = times.get((name, each.name), each.stopwaitsecs)

    def changes(self) -> Changes:
        """Return how the configuration that `read` has read differs from the groups that run."""
        added, changed, removed = self._supervisord.diff_to_active()
        return Changes(*(frozenset(str(each.name) for each in part) for part in (added, changed, removed)))

    def programs(self, name: str) -> list[Program]:
        """Return the programs of a group."""
        return [program for program in self._programs() if program.group == name]

    def add(self, name: str, called: str = "") -> None:
        """Add the group `name` of the configuration that `read` has read, and start it.

        Its name is `called`, if that is given.
        """
        config = next(each for each in self._supervisord.options.process_group_configs if each.name == name)
        config = copy.copy(config)
        config.name = called or name
        self._supervisord.add_process_group(config)

    def remove(self, name: str) -> bool:
        """Remove a group; return whether it is gone. A group whose programs have not all ended cannot be removed."""
        return name not in self._supervisord.process_groups or bool(self._supervisord.remove_process_group(name))
