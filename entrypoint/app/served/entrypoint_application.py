"""The application, for the servers that have no hook after they have loaded it: uvicorn and granian.

They import this module by its folder; the rest of the toolkit may be in another environment. `application` is the
callable that ENTRYPOINT_APP names, unchanged.
"""

import os
import sys
from functools import reduce
from importlib import import_module
from typing import Any

# uvicorn has put our folder in place of this one.
sys.path.insert(0, os.environ.get("UVICORN_APP_DIR", ""))
_module, _, _callable = os.environ["ENTRYPOINT_APP"].partition(":")
application = reduce(getattr, _callable.removesuffix("()").split("."), import_module(_module))
if _callable.endswith("()"):  # a factory
    application = application()  # type: ignore[operator] # the application's code has no types
import_module("entrypoint_logging").log_failed_requests()


def __getattr__(name: str) -> Any:
    """Return the application for granian behind nginx: `wsgi_behind_nginx` or `asgi_behind_nginx`.

    All other servers take the client's address and scheme from nginx by themselves.
    """
    interface, _, behind_nginx = name.partition("_")
    if interface not in ("wsgi", "asgi") or behind_nginx != "behind_nginx":
        raise AttributeError(name)
    proxies = import_module("granian.utils.proxies")
    return getattr(proxies, f"wrap_{interface}_with_proxy_headers")(application, "*")  # only nginx reaches the socket
