"""Start the agent in the application's interpreter: `python -P …/entrypoint/app/__main__.py DESCRIPTOR`.

The toolkit may be installed in another environment than the application. So this makes the package `entrypoint`
importable by its folder, without the other packages of that environment.
"""

import gc
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

if __name__ == "__main__":
    gc.disable()  # until the application is loaded: loading it makes no garbage
    spec = ModuleSpec("entrypoint", loader=None, is_package=True)
    spec.submodule_search_locations = [str(Path(__file__).resolve().parent.parent)]
    sys.modules["entrypoint"] = module_from_spec(spec)

    from entrypoint.app.agent import main

    main(int(sys.argv[1]))
