"""Files that the execution environments of all accounts of this process share, in a folder that ends with the process.

To create and delete a file takes long compared with a test, and most tests run no function.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import io
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path

from sandbox.services.lambda_.execution_environment import link_runtime

_lock = threading.RLock()


def folder() -> Path:
    """Return the folder."""
    with _lock:
        return _created()


@functools.cache
def _created() -> Path:
    """Create the folder, which is deleted when the process ends."""
    created = Path(tempfile.mkdtemp(prefix="sandbox-lambda-"))
    atexit.register(shutil.rmtree, created, ignore_errors=True)
    return created


def runtime() -> Path:
    """Return the folder with the modules of the Lambda runtime."""
    with _lock:
        target = folder() / "runtime"
        return target if target.exists() else link_runtime(target)


def unpacked(package: bytes) -> Path:
    """Return the folder with the content of a package, which is read-only on Lambda. It is unpacked once."""
    digest = hashlib.sha256(package).hexdigest()
    with _lock:
        target = folder() / digest
        if not target.exists():
            with zipfile.ZipFile(io.BytesIO(package)) as archive:
                part = target.with_suffix(".part")
                archive.extractall(part)
                part.rename(target)
    return target
