"""A reload without nginx: which of two processes of one server gets a connection."""

import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from deadline import until
from ports import free_port

from entrypoint.supervision.checks.probes import connect
from entrypoint.supervision.reload.listeners import Listeners

MANY = 20
LOCK_FILTER = 44
"""SO_LOCK_FILTER, <asm-generic/socket.h>"""
HOSTS = {"127.0.0.1": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::1]": "::1", "[::]": "::1"}
"""Where the site listens, and where a client connects."""


class Site:
    """The sockets of the programs `old` and `new` on one address."""

    def __init__(self, host: str) -> None:
        self.listeners = Listeners()
        self._client = HOSTS[host]
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._address = f"{host}:{free_port()}"
        self._ours = (host.strip("[]"), int(self._address.rpartition(":")[2]))

    def start(self, program: str) -> socket.socket:
        return socket.socket(fileno=os.dup(self.listeners.open(program, self._address)))

    def clients(self, number: int = MANY) -> None:
        for _ in range(number):
            socket.create_connection((self._client, self._ours[1])).close()

    def probe(self, program: str) -> None:
        with closing(socket.socket(self._family)) as probe:
            assert self.listeners.connect_to(program)(probe, self._ours) == 0

    def refuses(self) -> bool:
        with closing(socket.socket(self._family)) as probe:
            return connect(probe, (self._client, self._ours[1])) != 0


@pytest.fixture(params=HOSTS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    made = Site(request.param)
    try:
        made.start("probe").close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    made.listeners.close_all()
    yield made
    made.listeners.close_all()


def accepted(listening: socket.socket) -> int:
    """Accept all waiting connections; return their number."""
    for number in range(1000):
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return number
    raise AssertionError


def test_all_clients_get_to_one_process_and_we_to_the_other(site: Site) -> None:
    with site.start("old") as old, site.start("new") as new:
        site.clients()
        assert (accepted(old), accepted(new)) == (MANY, 0)
        site.probe("new")
        site.clients()
        assert (accepted(old), accepted(new)) == (MANY, 1)
        site.clients()
        site.listeners.turn_to("new")
        site.clients()
        assert site.listeners.has_clients("old")
        assert site.listeners.waiting()
        site.probe("new")
        assert (accepted(old), accepted(new)) == (MANY, MANY + 1)
        assert not site.listeners.has_clients("none")
        assert not site.listeners.waiting()
        until(lambda: not site.listeners.has_clients("old"), "the old process to have no clients")
        # A process that the old server has left behind holds its socket. No client gets there.
        site.listeners.close("old")
        site.clients()
        assert accepted(new) == MANY
        with site.start("third") as third:
            site.clients()
            site.probe("third")
            assert (accepted(new), accepted(third)) == (MANY, 1)
            site.listeners.close("third")  # a reload that was refused
            site.clients()
            assert accepted(new) == MANY
        assert not site.refuses()
        site.listeners.close_all()
        assert site.refuses()


def test_a_restarted_program_finds_the_clients_that_wait(site: Site) -> None:
    site.start("old").close()
    site.clients()
    with site.start("old") as again:
        assert accepted(again) == MANY


@pytest.mark.parametrize("at_once", [False, True])
def test_a_program_that_shuts_its_socket_down_gets_a_new_one(site: Site, *, at_once: bool) -> None:
    with site.start("it") as it:
        it.shutdown(socket.SHUT_RDWR)
    if not at_once:
        site.listeners.close("it")
    with site.start("it") as it:
        site.clients()
        assert accepted(it) == MANY


def test_a_kernel_that_cannot_direct_connections_is_noticed_before_there_are_two(site: Site) -> None:
    with site.start("old") as old:
        site.listeners.check()
        old.setsockopt(socket.SOL_SOCKET, LOCK_FILTER, 1)
        with pytest.raises(PermissionError):
            site.listeners.check()
        with pytest.raises(PermissionError):
            site.start("new")
        site.clients()
        assert accepted(old) == MANY


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch the user")
def test_the_applications_user_can_listen_nowhere_else(site: Site) -> None:
    """The socket belongs to root. It gives the application no other port, and nobody can share this one."""
    with site.start("old") as inherited:
        child = os.fork()
        if child == 0:
            os.setuid(pwd.getpwnam("nobody").pw_uid)
            os._exit(sum(1 << number for number, fault in enumerate(_attempts(inherited)) if fault is None))
        assert os.waitpid(child, 0)[1] == 0
        site.clients()
        assert accepted(inherited) == MANY


def _attempts(inherited: socket.socket) -> Iterator[OSError | None]:
    """Try to listen elsewhere with the socket, and beside it; yield each error, None if there was none."""
    address = inherited.getsockname()
    with closing(socket.socket(inherited.family)) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        for each, port in ((inherited, address[1]), (inherited, 0), (own, address[1])):
            try:
                each.bind((address[0], port))
            except OSError as error:
                yield error
            else:
                yield None
