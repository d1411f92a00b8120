"""When to ask the authority: pure functions of the certificate, the earlier tries and the time.

All containers that share the data directory share the tries, and a restarted container remembers them: otherwise a
container that crashes again and again would use up what the authority allows (Let's Encrypt: five failures an hour).
"""

import json
from typing import Final, NamedTuple

from entrypoint.certificate import Certificate

HOUR: Final = 3600.0
MOST: Final = 5  # the failed tries within an hour
_LONGEST: Final = 6 * HOUR
_LONGEST_LIMITED: Final = 24 * HOUR
_JITTER: Final = 0.05  # of the lifetime: sites that started together do not all ask at once


class Tries(NamedTuple):
    """The tries since the last success."""

    request: str = ""  # the request that was tried. A different request is tried at once.
    failures: int = 0
    next: float = 0.0  # when the next try may begin, in seconds since the epoch
    recent: tuple[float, ...] = ()  # when the failed tries of the last hour began, whatever they asked for

    @classmethod
    def parse(cls, text: bytes | None) -> "Tries":
        """Return the tries that `text` contains; none if it cannot be read."""
        try:
            found = json.loads(text or b"{}")
            return cls(str(found["request"]), int(found["failures"]), float(found["next"]), tuple(found["recent"]))
        except (ValueError, KeyError, TypeError):
            return cls()

    def text(self) -> bytes:
        """Return the JSON text that `parse` reads."""
        return json.dumps(self._asdict()).encode()


def renewal(certificate: Certificate, jitter: float) -> float:
    """Return when to renew: when a third of the lifetime is left, or up to a twentieth earlier (`jitter` 0 to 1)."""
    lifetime = certificate.ends - certificate.begins
    return certificate.ends - lifetime / 3 - jitter * _JITTER * lifetime


def due(certificate: Certificate | None, tries: Tries, request: str, now: float, jitter: float) -> float:
    """Return the seconds until the next try, 0 or less if it may begin. `certificate` covers all names, or is None."""
    wanted = renewal(certificate, jitter) if certificate else now
    # A time too far ahead comes from a clock that was wrong.
    allowed = min(tries.next, now + _LONGEST_LIMITED) if tries.request == request else now
    recent = [each for each in tries.recent if now - HOUR < each <= now]
    if len(recent) >= MOST:
        allowed = max(allowed, min(recent) + HOUR)
    return max(wanted, allowed) - now


def failed(tries: Tries, request: str, now: float, pause: float, limited_until: float | None) -> Tries:
    """Return the tries after one more that has failed.

    The pause doubles with each failure. `limited_until` is the end of the authority's rate limit, if it was reached.
    """
    failures = tries.failures + 1 if tries.request == request else 1
    wait = min(pause * 2 ** min(failures - 1, 20), _LONGEST)
    if limited_until is not None:
        wait = min(max(wait, HOUR, limited_until - now), _LONGEST_LIMITED)
    recent = (*(each for each in tries.recent if now - HOUR < each <= now), now)
    return Tries(request, failures, now + wait, recent)
