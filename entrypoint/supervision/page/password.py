"""Checks the password of the status page: HTTP's basic authentication, RFC 7617."""

import base64
import hmac
import time
from collections import deque

WRONG = 10
"""After so many wrong passwords within WITHIN seconds, no password is accepted until they are older."""

WITHIN = 60.0


class Password:
    """The password, and when a wrong one was given."""

    def __init__(self, text: str, wrong: int = WRONG, within: float = WITHIN) -> None:
        self._text = text.encode()
        self._within = within
        self._failures: deque[float] = deque(maxlen=wrong)

    @property
    def blocked(self) -> bool:
        """Whether no password is accepted now, because too many wrong ones were given."""
        full = len(self._failures) == self._failures.maxlen
        return full and time.monotonic() - self._failures[0] < self._within

    def accepts(self, authorization: str) -> bool:
        """Return whether the header Authorization names this password; the user's name may be any."""
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(text.strip(), validate=True).partition(b":")[2]
        except ValueError:  # as binascii.Error is
            given = b""
        if hmac.compare_digest(given, self._text):
            return True
        self._failures.append(time.monotonic())
        return False
