"""What holds for every room."""

from __future__ import annotations

import gc
import sys
import warnings
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Generator

# How long an example takes, or is made, says more of the machine than of the code; what hangs has pytest's time-out.
settings.register_profile("launcher", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("launcher"), max_examples=20)  # as the quick suite asks
settings.load_profile("launcher")

pytest_plugins = ["tests.leftovers"]

_STARTED = {
    "network", "troupe", "plain", "three", "crooks", "remote_session", "root", "agent", "lab", "machine", "machines",
}  # fmt: skip
"""Fixtures that start networks, nodes and Labs, or make an image: each takes seconds."""
_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses what takes seconds to start is slow, however little it does with it."""
    for item in items:
        if not _STARTED.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-timeout's
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """What hangs ends: after a time that is the longer the busier the machine is.

    A test that fails leaves open what it had open. That goes at once, and without fails of tests that come later.

    What a test leaves that passes still fails one.
    """
    if item.config.getoption("timeout") is None:
        own = item.get_closest_marker("timeout")
        seconds = float(own.args[0] if own is not None else item.config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(seconds * slower()), append=False)
    result = yield
    if item.stash.get(_FAILED, False):
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):  # pytest's, for debuggers
            if hasattr(sys, name):
                delattr(sys, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    return result
