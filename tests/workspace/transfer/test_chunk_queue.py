import tracemalloc

import pytest

from golem_launcher.workspace.repository.chunk_ids import ID_BYTES
from golem_launcher.workspace.transfer.chunk_queue import ChunkQueue


def name(number):
    return number.to_bytes(ID_BYTES, "big")


def test_each_chunk_comes_once_and_in_its_order():
    queue = ChunkQueue()
    for number in (5, 3, 5, 9):
        queue.add(name(number), 100)
    assert len(queue) == 3
    first = queue.first(1, 10)
    assert first == [name(5).hex()]
    left = queue.bytes - queue.take(1)
    assert queue.bytes == left
    assert queue.first(10_000, 10) == [name(3).hex(), name(9).hex()]


@pytest.mark.slow
def test_a_chunk_takes_few_bytes_of_memory():
    count, at_once = 40_000, 2_000
    tracemalloc.start()
    try:
        queue = ChunkQueue()
        for number in range(count):
            queue.add(name(number), 100)
        held = tracemalloc.get_traced_memory()[0]
        for start in range(0, count, at_once):
            assert queue.first(1 << 30, at_once) == [name(start + number).hex() for number in range(at_once)]
            queue.take(at_once)
        assert not queue
        assert held < 16 * count
    finally:
        tracemalloc.stop()
