"""What runs in the background: done in order, never waited for, and no fault of it reaches anybody."""

import threading

from golem_launcher.background_thread import run_in_background


def test_it_is_done_in_order_and_nobody_waits():
    gate, over, done = threading.Event(), threading.Event(), []

    def broken():
        raise OSError("the disk is full")

    run_in_background(gate.wait, 20)
    run_in_background(broken)
    run_in_background(done.append, 1)
    run_in_background(done.append, 2)
    run_in_background(over.set)
    assert done == []
    gate.set()
    assert over.wait(20)
    assert done == [1, 2]
