"""Start the agent in the application's interpreter: `python -P …/entrypoint/app/__main__.py DESCRIPTOR`.

The toolkit may be installed in another environment than the application. So the package `entrypoint` is made known here
by its folder, and nothing that lies beside it in that environment becomes importable.
"""

import gc
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

if __name__ == "__main__":
    gc.disable()  # until the application is loaded: while it is, there is no garbage
    spec = ModuleSpec("entrypoint", loader=None, is_package=True)
    spec.submodule_search_locations = [str(Path(__file__).resolve().parent.parent)]
    sys.modules["entrypoint"] = module_from_spec(spec)

    from entrypoint.app.agent import main

    main(int(sys.argv[1]))
