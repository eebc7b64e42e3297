"""fsspec's WebHDFS with the faults corrected that matter to a store.

fsspec's own keeps quiet about a move that the name node refused, asks four times to write one file, waits without end
and takes a data node's error for the content.
"""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import Any

from fsspec.implementations.webhdfs import WebHDFS

from golem_launcher.workspace.backends.certificates import system_bundle

_PATIENCE_SECONDS = (10, 60)
"""Until it takes a connection, and of its silence."""


class Hdfs(WebHDFS):  # type: ignore[misc]
    """The operations of a file system that a store needs."""

    def _connect(self) -> None:
        super()._connect()
        self.session.verify = system_bundle() or True
        self.session.request = functools.partial(self.session.request, timeout=_PATIENCE_SECONDS)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes of a file, or a part of them."""
        wanted = {"offset": start or 0} | ({} if end is None else {"length": end - (start or 0)})
        answer = self._call("OPEN", path=path, redirect=False, **wanted)
        if "Location" in answer.headers:  # the data node; a gateway answers by itself
            answer = _checked(self.session.get(self._apply_proxy(answer.headers["Location"])), path)
        return bytes(answer.content)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write a file."""
        overwrite = "true" if mode == "overwrite" else "false"
        answer = self._call("CREATE", "put", path, redirect=False, overwrite=overwrite)
        place = self._apply_proxy(answer.headers["Location"])
        headers = {"content-type": "application/octet-stream"}
        _checked(self.session.put(place, data=value, headers=headers), path)

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        """Move, in place of what is there."""
        answer = self._call("RENAME", "put", path1, destination=path2, renameoptions="OVERWRITE")
        if _refused(answer):  # by a gateway, which knows no such option
            self.rm_file(path2)
            if not self.claim(path1, path2):
                raise FileExistsError(path2)

    def claim(self, path1: str, path2: str) -> bool:
        """Move to a name that nobody has; whether that worked. The name node decides between two."""
        if not _refused(self._call("RENAME", "put", path1, destination=path2)):
            return True
        if self.exists(path2):
            return False
        raise OSError(f"{path1} could not be moved")


def _checked(answer: Any, path: str) -> Any:
    """The answer of a data node, when it is none that says no."""
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise FileNotFoundError(path)
    if answer.status_code == HTTPStatus.FORBIDDEN:
        raise PermissionError(path)
    answer.raise_for_status()
    return answer


def _refused(answer: Any) -> bool:
    return bool(answer.content) and answer.json().get("boolean") is False
