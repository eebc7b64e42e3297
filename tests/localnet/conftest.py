from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import psutil
import pytest

from golem_launcher.localnet import network
from golem_launcher.paths import HOME_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Every kind of provider that market and payment tests need, in one network: one daemon serves them all. Only the
# honest one is a plain "vm", which is what yapapi's programs ask for.
TROUPE = """
debit_note_interval = 2
debit_note_accept_timeout = 3
idle_agreement_timeout = 20

[[provider]]
name = "honest"
price_start = 0.001
price_hour = 3.6
price_cpu_hour = 0

[[provider]]
name = "counting"
runtime_name = "test-counters"
counters = [{ name = "golem.usage.custom.counter", price = 0.01, per_second = 2.0 }]

[[provider]]
name = "refuser"
runtime_name = "refuser"
misbehaviour = { refuse_agreements = true }

[[provider]]
name = "quitter"
runtime_name = "quitter"
misbehaviour = { terminate_agreement_after = 1.0 }

[[provider]]
name = "greedy"
runtime_name = "greedy"
price_hour = 3.6
price_cpu_hour = 0
misbehaviour = { overbill = 3.0 }

[[provider]]
name = "mortal"
runtime_name = "mortal"
misbehaviour = { die_after = 0.5 }

[[provider]]
name = "hostile"
runtime_name = "hostile"
misbehaviour = { hostile_name = true }
"""


@pytest.fixture(scope="session")
def troupe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[network.LocalNetwork]:
    """A network of honest and misbehaving providers, up for the whole session."""
    home = tmp_path_factory.mktemp("troupe")
    description = home / "troupe.toml"
    description.write_text(TROUPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home))
        try:
            yield network.up(description)
        finally:
            patch.setenv(HOME_VARIABLE, str(home))
            network.down()
    assert not processes_below(home)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home for a network of the test's own, which is ended whatever happens."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    try:
        yield tmp_path
    finally:
        network.down()
        assert not processes_below(tmp_path)


def processes_below(directory: Path) -> list[str]:
    """The processes that name the directory in their command or environment, or work in it."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid not in ours:
            with contextlib.suppress(psutil.Error, OSError):
                words = [process.cwd(), *process.cmdline(), *process.environ().values()]
                if any(str(directory) in word for word in words):
                    found.append(f"{process.pid} {process.name()}")
    return found
