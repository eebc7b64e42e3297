"""What is left for later: done in order, never waited for, and no fault of it reaches anybody."""

import threading

from golem_launcher.later import later


def test_it_is_done_in_order_and_nobody_waits():
    gate, over, done = threading.Event(), threading.Event(), []

    def broken():
        raise OSError("the disk is full")

    later(gate.wait, 20)
    later(broken)
    later(done.append, 1)
    later(done.append, 2)
    later(over.set)
    assert done == []
    gate.set()
    assert over.wait(20)
    assert done == [1, 2]
