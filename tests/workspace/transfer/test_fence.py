"""Nothing passes a fence that is closed, and what is passing when it closes has passed."""

from __future__ import annotations

import threading

import pytest

from golem_launcher.errors import WorkspaceError
from golem_launcher.workspace.transfer.fence import Fence
from tests.patience import slower

SECONDS = 20


def test_who_closes_it_waits_for_what_is_passing_and_nothing_comes_after() -> None:
    fence, passing, may_pass, order = Fence(), threading.Event(), threading.Event(), []

    def commit() -> None:
        with fence.passing():
            passing.set()
            may_pass.wait(SECONDS * slower())
            order.append("passed")

    def close() -> None:
        fence.close()
        order.append("closed")

    threads = [threading.Thread(target=commit), threading.Thread(target=close)]
    threads[0].start()
    assert passing.wait(SECONDS * slower())
    threads[1].start()
    threads[1].join(0.05)
    assert threads[1].is_alive(), "a generation is being written"
    may_pass.set()
    for thread in threads:
        thread.join(SECONDS * slower())
    assert order == ["passed", "closed"]
    with pytest.raises(WorkspaceError, match="no longer the session's"), fence.passing():
        order.append("too late")
    fence.close()  # for ever
    assert order == ["passed", "closed"]
