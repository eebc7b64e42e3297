"""Keeps a local network's chain running: starts or finds it, funds the first wallet, restarts it when it ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from golem_launcher import paths
from golem_launcher.localnet import daemons
from golem_launcher.localnet.chain import anvil, anvil_program, token
from golem_launcher.localnet.spec import ANVIL

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    from golem_launcher.localnet.chain.token import Chain

_log = logging.getLogger(__name__)
_DIRECTORY = "chain"


class RunningChain:
    """The chain of one network. ``what`` is ``anvil`` or the address of a node that is not ours. Amounts: test GLM."""

    def __init__(self, directory: Path, what: str, *, gift: Decimal) -> None:
        self._directory = directory / _DIRECTORY
        self._what = what
        self._gift = gift
        self._anvil: anvil.Anvil | None = None
        self._chain: Chain | None = None

    def start(self) -> Chain:
        """The chain, ready to pay on. Raises ``LocalNetError``. Blocking."""
        paths.private_directory(self._directory)
        if self._what == ANVIL:
            self._anvil = anvil.start(self._directory, anvil_program.find_anvil())
        url = self._anvil.url if self._anvil is not None else self._what
        self._chain = token.open_chain(url, self._directory)
        return self._chain

    def welcome(self, chain: Chain, address: str) -> None:
        """Fill the wallet when the ``chain``, which ``start`` gave, has not seen it before. Blocking."""
        if self._gift and not any(token.balances(chain, address)):
            token.give(chain, address, tokens=self._gift)

    def stop(self) -> None:
        """End the chain's node when it is ours. Blocking."""
        anvil.stop(self._directory)

    def state(self) -> dict[str, Any] | None:
        """What ``state.json`` says; ``None`` before the start."""
        return None if self._chain is None else {**self._chain.to_json(), "ours": self._anvil is not None}

    async def keep(self) -> None:
        """Start a node of ours again whenever it ends, at the same address and with the same chain."""
        if self._anvil is None:
            await asyncio.Event().wait()  # it is somebody else's to keep
        while self._anvil is not None:
            await daemons.gone(self._anvil.record)
            _log.info("the chain's node ended; it is started again")
            await asyncio.to_thread(self._restart, self._anvil.port)

    def _restart(self, port: int) -> None:
        self._anvil = anvil.start(self._directory, anvil_program.find_anvil(), port=port)


def stop(directory: Path) -> None:
    """End the chain's node of a network whose process is gone. Blocking."""
    anvil.stop(directory / _DIRECTORY)
