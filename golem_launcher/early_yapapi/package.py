"""What was ``yapapi.package``: the images that providers boot."""

from __future__ import annotations

from yapapi.payload import vm
from yapapi.payload.package import Package, PackageException

__all__ = ["Package", "PackageException", "vm"]
