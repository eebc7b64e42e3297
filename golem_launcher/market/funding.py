"""Helps to fund a wallet and not to lose it: the amount needed, a QR code of the address, a backup of the identity.

The same words for page and commands. Blocking.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from golem_launcher import files, paths
from golem_launcher.units import coins

if TYPE_CHECKING:
    from pathlib import Path

    import segno

    from golem_launcher.networks import Network

FIRST_BACK_UP = "First back up the identity that owns the wallet: without it the money is lost with this computer."
KEEP_SAFE = (
    "Whoever has this file has your money: yagna protects it with an empty password. "
    "Keep it where only you can read it, and not on this computer alone."
)

_LOCK_SECONDS = 5.0


def needed_words(network: Network, amount: Decimal) -> str:
    """What the wallet must hold for something that may cost ``amount``."""
    return f"{coins(amount)} {network.token}, and a little {network.gas} for fees, on {network.title}"


def asking_words(network: Network) -> str:
    """What getting play money does and how long it takes."""
    if network.chain_is_here:
        return f"Making {network.token} on the chain on this machine"
    started = "Asking the faucet, then minting" if network.faucet else "Minting"
    return f"{started} {network.token}; this takes one to four minutes"


def missing(amount: Decimal, free: Decimal | None) -> Decimal:
    """How much of ``amount`` a wallet with ``free`` lacks; nothing where that is not known."""
    return Decimal(0) if free is None else max(amount - free, Decimal(0))


def address_code(address: str) -> segno.QRCode:
    """The QR code of a wallet's address."""
    import segno  # noqa: PLC0415 - few need it

    return segno.make(address, error="m", micro=False)


def note_back_up(identity: str) -> None:
    """Remember that the identity was backed up, so that nobody is told again. ``OSError`` when the disk is full."""
    with files.locked(_noted().with_suffix(".lock"), deadline=_LOCK_SECONDS):
        files.write_json(_noted(), sorted({*_backed_up(), identity.lower()}))


def backed_up(identity: str) -> bool:
    """Whether the identity was backed up by this launcher."""
    return identity.lower() in _backed_up()


def _backed_up() -> set[str]:
    found = files.read_json(_noted())
    return {str(one) for one in found} if isinstance(found, list) else set()


def _noted() -> Path:
    return paths.shared_home() / "backed-up.json"
