"""``python -m log_keeper`` in a checkout: the preview. It stands beside ``src/``, since it is not deployed."""

import runpy
import sys
from importlib.util import find_spec

if find_spec("preview") is None:
    sys.exit("log_keeper: there is no preview here: run this at the root of a checkout, or make preview.")
runpy.run_module("preview", run_name="__main__", alter_sys=True)
