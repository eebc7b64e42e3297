from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.workspace.repository.chunk_ids import ID_BYTES, ChunkIds, Subset


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


@given(*[st.sets(st.integers(0, 60)) for _ in range(4)])
def test_a_subset_has_what_was_put_in_whether_its_ids_had_it_then_later_or_never(then, later, before, after):
    def names(numbers):
        return [number.to_bytes(ID_BYTES, "big") for number in numbers]

    ids = ChunkIds(names(then))
    found = Subset(ids)
    for name in names(before):
        found.add(name)
    for name in names(later):
        ids.add(name)
    for name in names(after):
        found.add(name)
    assert [number for number, name in enumerate(names(range(61))) if name in found] == sorted(before | after)
