"""Switches a child of supervisord to another user."""

import os

from entrypoint.protocol.supervision import Identity


def switch_user(identity: Identity) -> None:
    """Drop root for good. Raises PermissionError.

    It is done here and not by a command such as setpriv: root would start that with the environment of the program,
    and with LD_PRELOAD of the application's user in it.
    """
    os.setgroups(identity.groups)
    os.setgid(identity.gid)
    os.setuid(identity.uid)
