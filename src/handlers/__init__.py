"""The doors of the two functions: what Lambda calls.

Nearly all that a function makes while it starts stays, and Python's garbage collector would look through it again and
again, for an eighth of a cold start. On Lambda it is off until the first invocation has ended; the handlers enable it.
"""

import gc
import os

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    gc.disable()
