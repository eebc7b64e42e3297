"""Who says that the image is at fault. One provider's word ends no session: it may lie, or have broken it itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golem_launcher.errors import RequestError

if TYPE_CHECKING:
    from golem_launcher.errors import ImageBlamed, LauncherError

_BELIEVED = 2
"""So many providers are."""


@dataclass
class ImageFaults:
    """What the providers of one session say of its image, by their ids."""

    runs: bool = False
    """Whether a machine became ready in the image: it has what is needed."""
    _said: dict[str, tuple[str, ImageBlamed]] = field(default_factory=dict)

    def hear(self, provider_id: str, name: str, error: ImageBlamed) -> None:
        """A provider blames the image. Raises ``RequestError`` when enough of them do. ``name`` is cleaned."""
        self._said[provider_id] = (name, error)
        if len(self._said) >= _BELIEVED:
            raise self._verdict("so say")

    def refuted(self) -> list[tuple[str, str, str]]:
        """A machine is ready in the image: id and name of each provider that blamed it, and its words; once."""
        self.runs = True
        found = [(provider_id, name, error.what) for provider_id, (name, error) in self._said.items()]
        self._said.clear()
        return found

    def instead_of(self, error: LauncherError) -> LauncherError:
        """Why the session ends, when ``error`` is why nobody else was found: the image, where somebody blamed it."""
        return self._verdict("nobody else was found to try it, and so says") if self._said else error

    def _verdict(self, how: str) -> RequestError:
        names = " and ".join(name for name, _ in self._said.values())
        _, last = list(self._said.values())[-1]
        return RequestError(f"{last.what.rstrip('.')} ({how} {names}).", last.remedy, field="image")
