"""The entry points of the two functions.

On Lambda, Python's garbage collector is off until the first invocation has ended: it would search the modules again and
again while they are imported, for an eighth of a cold start. ``runtime.entry_point`` switches it on.
"""

import gc
import os

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    gc.disable()
