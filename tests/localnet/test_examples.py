"""What yapapi's examples call, in seconds: the examples themselves, run by hand, are in docs/localnet.md."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher.localnet.runtime.sandbox_runtime import why_no_sandbox
from golem_launcher.node.yagna_start import free_port
from tests.localnet.test_run import PROGRAMS, run

if TYPE_CHECKING:
    from golem_launcher.localnet import network

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_no_sandbox()), reason="no sandbox here")]


def seen(program: str, *words: str) -> dict[str, Any]:
    """What a program says that it saw."""
    ended = run(sys.executable, "-W", "ignore", str(PROGRAMS / program), *words)
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


def test_the_offers_by_yapapis_inner_parts(three: network.LocalNetwork) -> None:
    """As low-level-api and scan have it."""
    assert three.providers
    assert seen("offers.py", "3") == {"alice": "vm", "bob": "vm", "carol": "vm"}


def test_two_services_of_which_one_asks_the_other_are_gone_on_with_by_another_engine(
    three: network.LocalNetwork,
) -> None:
    """As webapp, http-proxy and webapp_suspend_resume have it."""
    assert three.providers
    assert seen("sites.py", str(free_port())) == {"first": "it says a note\n", "second": "it says a note\n"}
