"""The bounded log, alone: offsets, secrets, what is gone."""

import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from golem_launcher.agent.log import LogWriter, read_log
from tests.examples import examples

_SECRET = "abcabcabd"  # overlaps with itself
_pieces = st.lists(st.one_of(st.text("abcd\n", max_size=40), st.just(_SECRET), st.just(_SECRET[:5])), max_size=30)


def _follow(directory, offset, most):
    found = b""
    first = None
    while True:
        at, data = read_log(directory, offset, most)
        first = at if first is None else first
        assert at in {first, offset}
        if not data:
            return first, found
        found += data
        offset = at + len(data)


@given(_pieces, st.integers(0, 400), st.integers(1, 50))
@settings(max_examples=examples(60), deadline=None)
def test_what_is_written_is_read(pieces, offset, most):
    with tempfile.TemporaryDirectory() as directory:
        log = LogWriter(directory, _SECRET, segment_bytes=64, segments=3)
        for piece in pieces:
            log.write(piece.encode())
        log.line("end")
        whole = "".join(pieces).replace(_SECRET, "[token]").encode() + b"[agent] end\n"
        first, found = _follow(directory, offset, most)
        assert found == whole[first:]
        assert first >= min(offset, len(whole))
        assert len(whole) - _follow(directory, 0, most)[0] <= 3 * 64
        assert _SECRET.encode() not in found


def test_a_new_agent_begins_anew(tmp_path):
    LogWriter(str(tmp_path), _SECRET).line("one")
    LogWriter(str(tmp_path), _SECRET).line("two")
    assert read_log(str(tmp_path), 0, 100) == (0, b"[agent] two\n")


def test_no_log_is_an_empty_one(tmp_path):
    assert read_log(str(tmp_path / "none"), 5, 100) == (0, b"")
