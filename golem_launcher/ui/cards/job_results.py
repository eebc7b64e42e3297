"""What came back of a job, as one zip file: the results of its tasks, and nothing else that lies beside them."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher.errors import SessionDamaged, SessionError
from golem_launcher.tasks.labels import SUMMARIES
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from golem_launcher.tasks.record import Overview

_PART = 4 * 1024 * 1024
_NAMED = 3


def write_made(name: str, path: Path, progress: Callable[[float, float], None]) -> str:
    """Zip what the tasks of the job ``name`` made, into ``path``; a note for who opens it. Follows no link. Blocking.

    The summary of a sweep is made anew: it may not be done, or have been done just now. Raises ``SessionError`` and
    ``OSError``.
    """
    from golem_launcher.tasks import record  # noqa: PLC0415
    from golem_launcher.tasks.sweep import sweep_in  # noqa: PLC0415
    from golem_launcher.tasks.sweep_summary import write_summary  # noqa: PLC0415
    from golem_launcher.workspace.repository.autorun_files import could_run, folded  # noqa: PLC0415 - not needed to show the page

    directory = record.find(name)
    overview = directory.overview()
    if overview is None:
        raise SessionDamaged(f"The job '{name}' can't be read.")
    if overview.sets:
        write_summary(sweep_in(directory), directory.lines())
    output = Path(overview.output)
    found = [(file, file.relative_to(output).as_posix()) for top in _tops(output, overview) for file in _files(top)]
    if not found:
        raise SessionError("Nothing came back yet.")
    total, done = sum(file.stat().st_size for file, _ in found), 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive:
        for file, inside in found:
            with file.open("rb") as source, archive.open(inside, "w", force_zip64=True) as target:
                while data := source.read(_PART):
                    target.write(data)
                    done += len(data)
                    progress(done, total)
    risky = folded([inside for _, inside in found if could_run(inside)])
    some = ", ".join(risky[:_NAMED]) + (" …" if len(risky) > _NAMED else "")
    return (
        clean_line(f"Some programs run files like these by themselves, so look at them first: {some}.") if risky else ""
    )


def _tops(output: Path, overview: Overview) -> Iterator[Path]:
    """The files and directories that are the job's: its directory may be one that was there before."""
    for label in overview.labels:
        yield from (output / f"{label}.ipynb",) if overview.sets else (output / label, output / f"{label} (failed).txt")
    if overview.sets:
        yield from (output / name for name in SUMMARIES)


def _files(top: Path) -> Iterator[Path]:
    try:
        mode = top.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISREG(mode):
        yield top
    elif stat.S_ISDIR(mode):
        for one in sorted(top.iterdir()):
            yield from _files(one)
