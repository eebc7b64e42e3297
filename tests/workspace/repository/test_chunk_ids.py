from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.workspace.repository.chunk_ids import ID_BYTES, ChunkIds


@given(st.lists(st.integers(0, 400), max_size=600), st.lists(st.integers(0, 400), max_size=20))
def test_it_is_a_set_that_keeps_the_order(numbers, asked):
    names = [number.to_bytes(ID_BYTES, "big") for number in numbers]
    found = ChunkIds(names)
    inside = list(dict.fromkeys(names))
    assert list(found) == inside
    assert len(found) == len(inside)
    assert [found.row(name) for name in inside] == list(range(len(inside)))
    for number in asked:
        assert (number.to_bytes(ID_BYTES, "big") in found) == (number in numbers)
