"""The application, for the servers that have no hook after they have loaded it: uvicorn and granian.

They import this module by its folder; the rest of the toolkit may be in another environment. It holds the callable that
ENTRYPOINT_APP names, unchanged.
"""

import os
import sys
from functools import reduce
from importlib import import_module

# uvicorn has put our folder in place of this one.
sys.path.insert(0, os.environ.get("UVICORN_APP_DIR", ""))
_module, _, _callable = os.environ["ENTRYPOINT_APP"].partition(":")
application = reduce(getattr, _callable.removesuffix("()").split("."), import_module(_module))
if _callable.endswith("()"):  # a factory
    application = application()  # type: ignore[operator] # the application's code has no types
import_module("entrypoint_logging").log_failed_requests()
