"""Where cuts between chunks fall."""

import random

import pytest

from golem_launcher.agent.workspace.chunker import LEAST, MOST, cut_file


def reader(data):
    rest = memoryview(data)

    def read(most):
        nonlocal rest
        piece, rest = bytes(rest[:most]), rest[most:]
        return piece

    return read


def ids(data, before=None):
    cuts = cut_file(reader(data), len(data), before)
    assert sum(cuts.sizes) == len(data)
    assert all(LEAST <= size <= MOST for size in cuts.sizes[:-1])
    assert b"".join(chunk for chunk, _ in cuts) == cuts.ids
    return cuts


@pytest.mark.parametrize("kind", ["noise", "text"])
def test_an_insertion_moves_few_cuts(kind):
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinsh ", k=6)) for _ in range(500)]
    text = " ".join(chance.choices(words, k=1_200_000)).encode()
    data = text if kind == "text" else chance.randbytes(8_000_000)
    before = ids(data)
    for changed in (
        b"x" * 100 + data,
        data + b"x" * 1000,
        data[:4_000_000] + bytes(50_000) + data[4_050_000:],
        data[:3_000_000] + data[3_001_000:],
    ):
        fresh, helped = ids(changed), ids(changed, before)
        for after in (fresh, helped):
            new = sum(size for chunk, size in after if chunk not in {known for known, _ in before})
            assert new < 4 * MOST
