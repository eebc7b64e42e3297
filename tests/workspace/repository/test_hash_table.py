from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.workspace.repository.hash_table import HashTable

_HASHES = st.one_of(st.integers(0, (1 << 64) - 1), st.sampled_from([0, 1, (1 << 32) - 1, (1 << 63) + 5]))


@given(st.lists(_HASHES, max_size=300), st.lists(_HASHES, max_size=20))
def test_each_hash_leads_to_its_numbers_however_often_the_table_grew(hashes, others):
    table = HashTable()
    for number, hashed in enumerate(hashes):
        table.add(hashed, number)
        if table.full:
            table = table.larger()
    lower = (1 << 32) - 1
    for hashed in (*hashes, *others):
        alike = [number for number, each in enumerate(hashes) if each & lower == hashed & lower]
        assert sorted(table.numbers(hashed)) == alike
