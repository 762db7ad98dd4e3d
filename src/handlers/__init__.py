"""The doors of the two functions: what Lambda calls.

Nearly all that a function makes while it starts stays, and Python's garbage collector would look through it again and
again, for an eighth of a cold start. On Lambda it is off until the first invocation has ended.
"""

import gc
import os

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    gc.disable()


def has_started() -> None:
    """An invocation has ended: garbage is collected from now on, of what is made from now on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
