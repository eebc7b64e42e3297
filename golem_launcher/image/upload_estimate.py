"""Estimates how long an image takes from this computer to a provider, from the rates of earlier uploads.

The page, the commands and their JSON, and a session's own log say it in the words that are here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from golem_launcher import clock, files, paths
from golem_launcher.networks import NETWORKS, Network
from golem_launcher.units import data_size, duration

if TYPE_CHECKING:
    from pathlib import Path

_FILE: Final = "uplink.json"
_MEGABIT: Final = 1e6 / 8
_SLOW, _ORDINARY = 10 * _MEGABIT, 50 * _MEGABIT
"""Bytes per second that lines are taken to send of which nothing is known."""
_LEAST_SENT: Final = 5_000_000
"""Bytes: of less than that, no rate is told."""
_LONG_SECONDS: Final = 600.0
_MOST: Final = 1e12


@dataclass(frozen=True)
class Upload:
    """The sending of an image to a provider that does not have it yet."""

    size: int
    """Bytes."""
    measured: float
    """Bytes per second of the last time that one was sent from here; 0 when none was."""

    @property
    def seconds(self) -> float:
        """How long it takes: as measured, else over a slow line."""
        return self.size / (self.measured or _SLOW)

    @property
    def words(self) -> str:
        """What it means for whoever starts a session, in two or three sentences."""
        time = self._time if self.measured else f"{self._time}, {duration(self.size / _ORDINARY)} at {_rate(_ORDINARY)}"
        said = (
            f"{data_size(self.size)} go from your computer to the provider, which is paid meanwhile: {time}. "
            "A provider that has it already needs none of that."
        )
        if self.seconds > _LONG_SECONDS:
            said += " From Golem's registry providers fetch it faster: golem-launcher image push."
        return said

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` prints it; ``mbit_per_second`` is what ``seconds`` goes by."""
        rate = self.measured or _SLOW
        return {
            "bytes": self.size, "seconds": round(self.seconds, 1), "mbit_per_second": round(rate / _MEGABIT, 2),
            "measured": bool(self.measured),
        }  # fmt: skip

    @property
    def _time(self) -> str:
        if self.measured:
            return f"about {duration(self.seconds)} at {_rate(self.measured)}, as measured the last time"
        return f"about {duration(self.seconds)} at {_rate(_SLOW)}"


def upload(size: int, network: str = "") -> Upload:
    """The sending of so many bytes to a provider of the network, which is one of Golem's own when none is named.

    Reads what was measured; never raises. Blocking, a millisecond.
    """
    return Upload(size, _read().get(_line(network), 0.0))


def note(network: str, sent: int, seconds: float) -> None:
    """Remember that an upload to a provider of the network moved ``sent`` bytes in ``seconds``.

    Called by a session that watched one. Too little to tell, and a full disk, are passed over. Blocking.
    """
    if sent < _LEAST_SENT or seconds <= 0:
        return
    with contextlib.suppress(OSError):
        files.write_json(_path(), {**_all(), _line(network): {"rate": sent / seconds, "at": clock.now().isoformat()}})


def _line(network: str) -> str:
    return NETWORKS[network].line if network in NETWORKS else Network.line


def _read() -> dict[str, float]:
    found = {}
    for line, value in _all().items():
        rate = value.get("rate") if isinstance(value, dict) else None
        if isinstance(rate, int | float) and 0 < rate < _MOST:
            found[line] = float(rate)
    return found


def _all() -> dict[str, Any]:
    value = None
    with contextlib.suppress(OSError):
        value = files.read_json(_path())
    return value if isinstance(value, dict) else {}


def _path() -> Path:
    return paths.shared_home() / _FILE


def _rate(rate: float) -> str:
    megabits = rate / _MEGABIT
    return f"{megabits:.0f} Mbit/s" if megabits >= 10 else f"{megabits:.1f} Mbit/s"  # noqa: PLR2004
