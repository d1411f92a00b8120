"""How supervisord starts the processes of one program: their environment, user, descriptors and output."""
# ruff: noqa: SLF001, ANN401 - supervisor ships no types, and some replaced methods are not public

import os
import pwd
from collections.abc import Callable, Mapping
from typing import Any

from supervisor.dispatchers import POutputDispatcher

from entrypoint.protocol.supervision import Identity
from entrypoint.supervision.internals.guard import Guard
from entrypoint.supervision.internals.output import Output, Sink

_CANNOT_RUN = 126


class Child:
    """The process of one program, each time that it is started."""

    def __init__(self, process: Any, guard: Guard) -> None:
        self._process = process
        self._guard = guard

    @property
    def as_root(self) -> bool:
        """Whether it runs as root: supervisord does, and its configuration names no other user."""
        return os.geteuid() == 0 and not self._process.config.uid

    def start_with(
        self, environment: Mapping[str, str], variables: Mapping[str, str], *, identity: Identity | None, raw: bool
    ) -> None:
        """Start it with `environment` and the program's own `variables`, which its `environment=` may override.

        It runs as the user `identity`, which supervisord's own `user=` cannot name. With `raw` it writes to
        supervisord's own stdout and stderr instead of pipes. All this is set in the child: in supervisord's
        configuration it would differ from the file, and `supervisorctl update` would restart the program.
        """
        process, config, spawn_as_child = self._process, self._process.config, self._process._spawn_as_child
        path = environment.get("PATH")
        if path and "PATH" not in (config.environment or {}):
            config.get_path = lambda: path.split(os.pathsep)
        complete = {**environment, **variables, **self._of_its_user()}

        def spawn(filename: str, argv: list[str]) -> Any:
            os.environ.clear()
            os.environ.update(complete)
            if identity:
                try:
                    switch_user(identity)
                except OSError as error:
                    why = f"cannot switch to uid {identity.uid}: {error}\n"
                    os.write(process.pipes["child_stdout"], why.encode())
                    os._exit(_CANNOT_RUN)
            if raw:
                config.redirect_stderr = False
                process.pipes.update(child_stdout=1, child_stderr=2)
            return spawn_as_child(filename, argv)

        process._spawn_as_child = spawn

    def _of_its_user(self) -> Mapping[str, str]:
        """Return HOME, USER and LOGNAME of its `user=`, which supervisord does not set."""
        uid = self._process.config.uid
        if uid is None:
            return {}
        user = pwd.getpwuid(uid)  # supervisord's parser has found the user
        return {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}

    def inherit(self, descriptor: int, opened: Callable[[], int]) -> None:
        """Let it inherit what `opened` returns as `descriptor`. `opened` is called before each start.

        If `opened` raises OSError, the start fails.
        """
        process, config, options = self._process, self._process.config, self._process.config.options
        make_dispatchers, prepare_fds = config.make_dispatchers, process._prepare_child_fds
        own = -1

        def make(each: Any) -> Any:
            nonlocal own
            own = opened()
            return make_dispatchers(each)

        def prepare() -> None:
            most, options.minfds = options.minfds, 0  # supervisord closes all descriptors up to this one
            prepare_fds()
            os.dup2(own, descriptor)
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - its signature
            os.closerange(descriptor + 1, most)

        config.make_dispatchers, process._prepare_child_fds = make, prepare

    @property
    def logfile(self) -> str | None:
        """Return the log file that supervisord writes, if there is one."""
        return self._process.config.stdout_logfile or None

    def log_to(self, sink: Callable[[str], Sink], *, beside_file: bool) -> None:
        """Pass its output to a new `sink` if its logfile is NONE, where supervisord would discard the output.

        `sink` takes the name of the channel: stdout, or stderr if that is separate. With `beside_file` the sink also
        gets the output that goes to a logfile.
        """
        config = self._process.config
        make_dispatchers = config.make_dispatchers

        def make(process: Any) -> Any:
            if beside_file and self.logfile:
                # If supervisord cannot open it, it leaks the pipes that it has created before.
                with open(self.logfile, "ab"):  # noqa: PTH123 - as supervisord does
                    pass
            dispatchers, pipes = make_dispatchers(process)
            for fd in (pipes["child_stdout"], pipes["child_stderr"]):
                if fd is not None:
                    # Programs that run as another user open /dev/stdout, nginx for example.
                    os.fchmod(fd, 0o666)
            for fd, each in dispatchers.items():
                if type(each) is POutputDispatcher and (beside_file or not getattr(config, f"{each.channel}_logfile")):
                    dispatchers[fd] = Output(process, each.event_type, fd, sink(each.channel), self._guard)
            return dispatchers, pipes

        config.make_dispatchers = make

    def adopt(self, pid: int, output: int, unwritten: bytes) -> None:
        """Use the running child `pid` as its process; `output` is the descriptor to read its output from.

        `unwritten` is output that was read before. supervisord starts it as usual, but the fork returns that PID.
        """
        options, config = self._process.config.options, self._process.config
        fork, make_dispatchers = options.fork, config.make_dispatchers

        def make(process: Any) -> Any:
            dispatchers, pipes = make_dispatchers(process)
            os.dup2(output, pipes["stdout"], inheritable=False)
            os.close(output)
            return dispatchers, pipes

        options.fork, config.make_dispatchers = lambda: pid, make
        try:
            self._process.spawn()
        finally:
            options.fork, config.make_dispatchers = fork, make_dispatchers
        for each in self.outputs():
            each.feed(unwritten)

    def outputs(self) -> list[Output]:
        """Return the channels of its output that sinks get."""
        return [each for each in self._process.dispatchers.values() if isinstance(each, Output)]


def switch_user(identity: Identity) -> None:
    """Drop root permanently. Raises PermissionError.

    It is done here and not by a command such as setpriv: root would start that with the environment of the program,
    and with LD_PRELOAD of the application's user in it.
    """
    os.setgroups(identity.groups)
    os.setgid(identity.gid)
    os.setuid(identity.uid)
