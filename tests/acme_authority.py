"""An ACME authority on this machine: Debian's pebble, and a name server that knows every name as 127.0.0.1."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from deadline import until
from ports import free_port

_LISTENS = "Listening on"
EAB = {"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}


class Authority:
    """pebble, as a context that leaves no process behind. `around` is a command that starts it, such as `unshare`."""

    def __init__(self, folder: Path, http_port: int, *, bound: bool = False, around: Sequence[str] = ()) -> None:
        """Check the sites on `http_port`. If `bound`, each account needs one of EAB's keys."""
        self._folder = folder
        self._around = around
        self._port, self._management, self._names = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self._port}/dir"
        self.ca = folder / "authority.pem"
        self._servers: list[subprocess.Popen[bytes]] = []
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        made += ["-subj", "/CN=authority", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
        made += ["-keyout", str(folder / "authority.key"), "-out", str(self.ca)]
        subprocess.run(made, check=True, capture_output=True)
        config = {
            "listenAddress": f"127.0.0.1:{self._port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self.ca),
            "privateKey": str(folder / "authority.key"),
            "httpPort": http_port,
            "tlsPort": 9,
            "externalAccountBindingRequired": bound,
            **({"externalAccountMACKeys": EAB} if bound else {}),
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": config}))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it; return when it answers. It has forgotten all accounts of an earlier start."""
        names, before = f"127.0.0.1:{self._names}", self.log.count(_LISTENS)
        self._run("pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", names)
        self._run("pebble", "-config", str(self._folder / "pebble.json"), "-dnsserver", names)
        until(lambda: self.log.count(_LISTENS) > before, "the authority", instead=lambda: self.log)
        return self

    def stop(self) -> None:
        """Stop it: nothing listens at its address."""
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.wait()
        self._servers.clear()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it answer nothing meanwhile; the kernel still accepts connections."""
        for server in self._servers:
            server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for server in self._servers:
                server.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        return self._servers[0].pid

    @property
    def log(self) -> str:
        file = self._folder / "pebble.log"
        return file.read_text() if file.exists() else ""

    @property
    def orders(self) -> int:
        """How many certificates clients have requested."""
        return self.log.count("Added order")

    def _run(self, name: str, *words: str) -> None:
        others = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{self._names + 1}"]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._servers.append(
                subprocess.Popen(
                    [*self._around, name, *words, *(others if name != "pebble" else [])],
                    env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )
