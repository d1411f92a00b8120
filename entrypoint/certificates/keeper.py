"""Keep the certificate valid: use the one that another container has obtained, or obtain one when it is due."""

import fcntl
import os
import random
import sys
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from entrypoint import certificate, certificate_store
from entrypoint.certificate import Certificate
from entrypoint.certificates import lego, nginx, schedule, signals
from entrypoint.certificates.failure import ObtainError
from entrypoint.certificates.schedule import Tries
from entrypoint.errors import NotAllowed
from entrypoint.output.log import printable
from entrypoint.protocol.certificates import CertificatesConfig

_EVERY: Final = 60.0  # seconds between two looks at what another container may have obtained
_EVERY_FIRST: Final = 5.0  # until the first certificate
_PAUSE: Final = 1.0
_STATE: Final = "tries.json"
_LOCK: Final = "lock"


class Keeper:
    """One certificate, in the folder that containers share, and in that of this container's nginx."""

    def __init__(self, config: CertificatesConfig, secret: str | None) -> None:
        """Enter the store. `secret` binds the account at the authority to another one. Raises NotAllowed."""
        self._config = config
        self._secret = secret
        self._store = certificate_store.opened(config.store, create=True)
        os.fchdir(self._store)  # from here on, paths lead to the folder that was checked
        self._jitter = random.random()  # noqa: S311 -- only spreads the load
        asked = "\n".join((*config.domains, config.email, config.directory, config.eab_kid))
        self._request = sha256(asked.encode()).hexdigest()
        self._names = ", ".join(config.domains)
        self._refused = b""

    def run(self) -> None:
        """Run until a signal raises SystemExit. Raises NotAllowed if the store cannot be written."""
        try:
            Path(certificate_store.CHALLENGES).mkdir(exist_ok=True)
            Path(certificate_store.CHALLENGES).chmod(0o755)  # nginx's workers read it
            lock = os.open(_LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise NotAllowed(f"cannot write in {self._config.store}: {error.strerror}") from error
        with suppress(OSError):
            self._take("using the kept certificate")
        if self._kept() is None:
            plain = Path(self._config.secured_conf).exists()
            place = f"on port {self._config.plain} " if self._config.plain else ""
            until = f"the site is served over plain HTTP {place}until there is one" if plain else "an older one is used"
            _say(f"no certificate for {self._names} yet: {until}")
        forced = False
        while True:
            try:
                forced = self._look(lock, forced=forced)
            except OSError as error:  # a full disk, a volume that has gone
                _say(f"cannot keep the certificate: {error.strerror}: {error.filename}; next try in {_EVERY:g} s")
            every = _EVERY if self._kept() else _EVERY_FIRST
            forced = signals.sleep(max(_PAUSE, min(every, self._due(forced=forced)))) or forced

    def _look(self, lock: int, *, forced: bool) -> bool:
        """Take or obtain a certificate, if it is due; return whether a forced one is still to be obtained."""
        self._take("took over the certificate that another container has obtained")
        if self._due(forced=forced) > 0:
            return forced
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return forced  # another container is requesting one right now
        try:
            if self._due(forced=forced) <= 0:  # the other container may have finished just now
                self._obtain()
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
        return False

    def _due(self, *, forced: bool = False) -> float:
        """Return the seconds until the next try; a forced one waits only for the limit of an hour."""
        kept, request = (None, "") if forced else (self._kept(), self._request)
        return schedule.due(kept, self._tries(), request, time.time(), self._jitter)

    def _tries(self) -> Tries:
        return Tries.parse(certificate_store.read(self._store, _STATE))

    def _kept(self) -> Certificate | None:
        """Return the certificate in the store, if it covers all domains."""
        pem = certificate_store.read(self._store, certificate_store.SITE)
        found = certificate.parsed(pem) if pem else None
        return found if found and found.covers(self._config.domains) else None

    def _obtain(self) -> None:
        renews = self._kept() is not None
        began = time.time()
        try:
            pem, found = lego.obtain(self._config, self._secret)
        except ObtainError as error:
            pause = self._config.pause * random.uniform(0.9, 1.1)  # noqa: S311 -- as above
            tries = schedule.failed(self._tries(), self._request, began, pause, error.limited_until)
            certificate_store.write(self._store, _STATE, tries.text())
            verb, then = ("renew", f", valid until {_day(self._kept())}") if renews else ("obtain", "")
            what = f"cannot {verb} the certificate for {self._names}{then}: {error}"
            moment = time.gmtime(time.time() + max(self._due(), 0))
            _say(f"{what}; next try {time.strftime('at %Y-%m-%d %H:%M:%S UTC', moment)}")
            return
        # Never again at once, even if the authority's clock makes the new certificate look old.
        tries = Tries(self._request, 0, began + (found.ends - found.begins) / 3)
        certificate_store.write(self._store, _STATE, tries.text())
        certificate_store.write(self._store, certificate_store.SITE, pem)
        self._take("renewed the certificate" if renews else "obtained a certificate")

    def _take(self, what: str) -> None:
        """Give nginx the kept certificate, unless nginx has it, and log that."""
        pem = certificate_store.read(self._store, certificate_store.SITE)
        found = self._kept()
        if pem is None or found is None or pem == self._refused:
            return
        try:
            if nginx.install(self._config, pem):
                _say(f"{what} for {self._names}: valid until {_day(found)}")
        except nginx.RefusedError as error:
            self._refused = pem
            _say(f"cannot use the certificate for {self._names}: nginx refuses it: {error}")


def _say(line: str) -> None:
    sys.stderr.write(f"{printable(line)}\n")
    sys.stderr.flush()


def _day(found: Certificate | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(found.ends if found else 0))
