"""`python -m entrypoint.certificates FILE`; supervisord runs it beside nginx. FILE is certificates.json."""

import os
import sys
from pathlib import Path

from entrypoint.certificates import signals
from entrypoint.certificates.keeper import Keeper
from entrypoint.errors import EntrypointError
from entrypoint.protocol.certificates import EAB_KEY, CertificatesConfig
from entrypoint.protocol.codec import ConfigError, read_json


def main(file: str) -> int:
    """Keep the certificate valid until a stop signal; return the exit code."""
    try:
        secret = os.environ.pop(EAB_KEY, None)  # lego does not get it
        signals.prepare()
        Keeper(read_json(CertificatesConfig, Path(file)), secret).run()
    except (ConfigError, EntrypointError) as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code if isinstance(error, EntrypointError) else 78
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
