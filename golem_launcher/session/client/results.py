"""The files of a session as saved last, in a zip file: for notebooks and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher.errors import SessionError
from golem_launcher.session import client

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from golem_launcher.session.on_disk.directory import SessionDirectory


def write(
    directory: SessionDirectory,
    path: str | PathLike[str] | None = None,
    generation: int | None = None,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """Write them to ``path``, else to ``<workspace>-<generation>.zip``; where they are. Blocking.

    ``force`` writes over a file that is there. ``progress`` is called with bytes done and in all. Raises
    ``SessionError`` when nothing was saved or ``path`` can't be written, ``WorkspaceError`` when there is a file, the
    store does not answer, or has lost some of the files: all others are in it.
    """
    from golem_launcher.workspace.export.file_content import see_none_damaged  # noqa: PLC0415 - few need it
    from golem_launcher.workspace.export.results import save_zip  # noqa: PLC0415 - few need it
    from golem_launcher.workspace.repository.store import open_store  # noqa: PLC0415

    saving, request = client.saving_of(directory), directory.request()
    store = open_store(request.store, encrypt=request.encrypt)
    manifest = store.manifest(saving.workspace, generation if generation is not None else saving.generation)
    target = Path(path if path is not None else f"{saving.workspace}-{manifest.generation}.zip").expanduser()
    try:
        written = save_zip(store, manifest, target, progress, replace=force)
    except OSError as error:
        raise SessionError(f"The results could not be written to {target}: {error.strerror or error}.") from error
    see_none_damaged(saving.workspace, written.damaged, target)
    return target.absolute()
