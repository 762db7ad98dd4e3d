"""The unpacked packages of functions, which are read-only on Lambda. Each content is unpacked once in this process."""

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

_lock = threading.Lock()


@functools.cache
def _folder() -> Path:
    """Create the folder of all unpacked packages, which is deleted when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-packages-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def unpacked(package: bytes) -> Path:
    """Return the folder with the content of a package."""
    digest = hashlib.sha256(package).hexdigest()
    with _lock:
        target = _folder() / digest
        if not target.exists():
            with zipfile.ZipFile(io.BytesIO(package)) as archive:
                part = target.with_suffix(".part")
                archive.extractall(part)
                part.rename(target)
    return target
