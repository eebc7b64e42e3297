"""Removes from an image what no session needs: it is sent to each provider.

Licences (``/usr/share/doc/*/copyright``) stay: an image is passed on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from golem_launcher.image.tree import ImageTree, Inode

_PACKAGES = r"usr/local/lib/python3[.0-9]*/dist-packages"
_UNWANTED: Final = tuple(
    map(
        re.compile,
        (
            # Manuals, translations, what other distributions' tools read.
            r"usr/share/(info|lintian|locale|man|bug|doc-base)/.+",
            # Servers of git's, and what sends mail and WebDAV: two megabytes each.
            r"usr/lib/git-core/(git-daemon|git-http-backend|git-shell|git-imap-send|git-http-push|scalar)",
            r"usr/bin/(scalar|git-shell)",
            # Headers and manuals of perl's, which git needs and nobody compiles against.
            r"usr/lib/x86_64-linux-gnu/perl/[^/]+/CORE/.+\.h",
            r"usr/(share|lib/x86_64-linux-gnu)/perl/.+\.pod",
            # Tests of packages, maps of their scripts, libraries to link with, JupyterLab's tools for its own tests.
            rf"({_PACKAGES}|usr/local/share)/.+\.(map|a)",
            rf"{_PACKAGES}/(.+/)?tests",
            rf"{_PACKAGES}/jupyterlab/galata",
        ),
    )
)
_DOCUMENTS: Final = re.compile(r"usr/share/doc/.+")


def trim(tree: ImageTree) -> None:
    """Remove documentation, caches and other files that no session needs. Called by :mod:`build`, last."""
    tree.drop(_unwanted)


def _unwanted(path: str, inode: Inode) -> bool:
    if _DOCUMENTS.fullmatch(path):
        return not inode.is_directory and not path.endswith("/copyright")
    return any(pattern.fullmatch(path) for pattern in _UNWANTED)
