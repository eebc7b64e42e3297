"""The manifests in a store: which there are, and what is in each."""

from __future__ import annotations

import contextlib
import functools
import re
from typing import TYPE_CHECKING

from golem_launcher.agent.whole_number import whole
from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.repository import manifest_lists, manifest_object
from golem_launcher.workspace.repository.chunk_ids import ID_BYTES
from golem_launcher.workspace.repository.generation import Generation
from golem_launcher.workspace.repository.manifest import Manifest, parse
from golem_launcher.workspace.repository.sealing import DamagedObject, Sealing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from golem_launcher.workspace.backends.locations import Location
    from golem_launcher.workspace.repository.chunk_ids import ChunkIds

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_QUOTED_ID = re.compile(rb'"([0-9a-f]{64})"')
_LONGEST_ID = 2 * ID_BYTES + 1
"""Of an id that goes on in the next piece."""


class SavedManifests:
    """Reads and writes the manifests of one store, which makes it.

    Every method blocks. What can't be read raises ``DamagedObject``, what is gone ``FileNotFoundError``.
    """

    def __init__(
        self, location: Location, sealing: Sealing, read_lists: Callable[[Sequence[bytes]], Iterator[bytes]]
    ) -> None:
        """``read_lists``: the plain bytes of lists by their names, which lie among the store's chunks."""
        self._location = location
        self._sealing = sealing
        self._read_lists = read_lists

    def workspaces(self) -> set[str]:
        """The names of all workspaces."""
        found = {name.split("/")[1] for name in self.objects()}
        return {workspace for workspace in found if _NAME.fullmatch(workspace)}

    def objects(self) -> set[str]:
        """The names of all manifests, as objects of the store."""
        return set(self._location.names("workspaces/"))

    def numbers(self, workspace: str) -> list[int]:
        """The generations of a workspace, whether they can be read or not, the oldest first."""
        if not _NAME.fullmatch(workspace):
            raise WorkspaceError(f"'{workspace[:60]}' is no name of a workspace.", "See `golem-launcher workspaces`.")
        names = self._location.names(f"workspaces/{workspace}/")
        numbers = (whole(name.rpartition("/")[2]) for name in names)
        return sorted(number for number in numbers if number is not None)  # any other name in a store is not ours

    def generations(self, workspace: str) -> list[Generation]:
        """Those that can be read, the oldest first."""
        return [*self.from_the_newest(workspace)][::-1]

    def from_the_newest(self, workspace: str) -> Iterator[Generation]:
        """Those that can be read, each read when it is its turn."""
        for number in reversed(self.numbers(workspace)):
            with contextlib.suppress(WorkspaceError, FileNotFoundError):
                yield self._summary(workspace, number)

    def _summary(self, workspace: str, number: int) -> Generation:
        name = object_name(workspace, number)
        head = self._location.read(name, 0, manifest_object.HEAD_AT_MOST)
        try:
            return Generation.from_summary(workspace, number, manifest_object.summary_of(self._sealing, name, head))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise DamagedObject(f"The head of generation {number} makes no sense.") from None

    def read(self, workspace: str, number: int) -> Manifest:
        """One generation, whole."""
        return parse(self._lines(object_name(workspace, number)))

    def check(self, workspace: str, number: int) -> None:
        """Raise when a generation's manifest can't be read."""
        for _ in self._lines(object_name(workspace, number)):
            pass

    def chunks_in(self, name: str, read: ChunkIds | None = None) -> Iterator[bytes]:
        """The ids of what the manifest in the object ``name`` needs, but for those in lists that were ``read``."""
        return _chunks_in(self._lines(name, read))

    def create(self, manifest: Manifest, names: Sequence[bytes], rest: bytes) -> Generation | None:
        """Write a manifest of the lists of these ``names`` and the ``rest``; ``None`` where its number is taken."""
        generation = Generation.of(manifest)
        name = object_name(manifest.workspace, manifest.generation)
        lines = (manifest.first_line(names), rest)
        packed = manifest_object.packed(self._sealing, name, generation.summary(), lines)
        return generation if self._location.create(name, packed) else None

    def delete(self, workspace: str, number: int) -> None:
        """Forget a generation."""
        self._location.delete(object_name(workspace, number))

    def _lines(self, name: str, read: ChunkIds | None = None) -> Iterator[bytes]:
        """The lines of the manifest in the object ``name``, in pieces; but for those of lists that were ``read``.

        As with :func:`manifest_object.unpacked`, nothing may be trusted before the last piece came.
        """
        unpacked = manifest_object.unpacked(self._sealing, name, functools.partial(self._location.read, name))
        with contextlib.closing(unpacked) as own:
            first, rest = _first_line(own)
            yield first
            try:
                names = [each for each in manifest_lists.named(first) if read is None or each not in read]
                if names:  # for a small one no index of chunks is read
                    yield from self._read_lists(names)
            except (DamagedObject, ValueError):
                raise manifest_object.damaged(name) from None
            if read is not None:
                for each in names:
                    read.add(each)
            yield rest
            yield from own


def object_name(workspace: str, number: int) -> str:
    """The name of a generation's manifest as an object of a store."""
    return f"workspaces/{workspace}/{number:08d}"


def _first_line(pieces: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The first line of what comes in pieces, and what came behind it."""
    line = bytearray()
    for piece in pieces:
        end = piece.find(b"\n") + 1
        line += piece[:end] if end else piece
        if end:
            return bytes(line), piece[end:]
    return bytes(line), b""


def _chunks_in(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The ids of chunks in a manifest's lines: many times faster than reading these.

    A file that is named like a chunk keeps that chunk, no more.
    """
    rest = b""
    for piece in pieces:
        *found, rest = _QUOTED_ID.split(rest + piece)
        yield from (bytes.fromhex(each.decode()) for each in found[1::2])
        rest = rest[-_LONGEST_ID:]
