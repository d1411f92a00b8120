"""The maintenance of the site, which ENTRYPOINT_DATA_DIR keeps for the next start."""

import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.sources import textfile
from entrypoint.boot.settings.types import addresses
from entrypoint.boot.settings.types.addresses import Network
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import Unusable

Allowed = tuple[Network, ...]
"""The clients that may use the site during the maintenance."""

_FILE: Final = "maintenance.json"


def state_file(settings: Settings) -> PurePosixPath | None:
    """Return the file that keeps the maintenance; None if nothing outlives the container."""
    return settings.data_dir / _FILE if settings.data_dir else None


def state(allow: Allowed) -> str:
    """Return the text of the file."""
    return json.dumps({"allow": list(map(str, allow))}) + "\n"


def read(settings: Settings, trust: Trust) -> Allowed | None:
    """Return the clients that may use the site during its maintenance; None without one. Raises Unusable."""
    file = state_file(settings)
    if file is None or not os.path.lexists(file):
        return None
    try:
        return parse(json.loads(textfile.read(Path(file), trust))["allow"])
    except (ValueError, KeyError, TypeError) as error:
        why = str(error) if type(error) is ValueError else "it is not what `entrypoint maintenance on` writes"
        raise Unusable(f"cannot read {file}: {why}; remove it to end the maintenance") from error


def parse(words: Iterable[str]) -> Allowed:
    """Return the networks. Raises ValueError."""
    return addresses.networks(",".join(words))
