"""What a stream of chunks may hold."""

from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.agent.workspace import wire
from golem_launcher.agent.workspace.chunker import chunk_id


@given(st.lists(st.binary(max_size=3000), max_size=8), st.integers(1, 700))
def test_frames_survive_any_splitting(chunks, step):
    stream = b"".join(part for data in chunks for part in wire.frame(chunk_id(data), data))
    frames = wire.Frames()
    found = [each for at in range(0, len(stream), step) for each in frames.feed(stream[at : at + step])]
    frames.end()
    assert [data for _, _, data in found] == chunks


@given(st.binary(max_size=300))
def test_frames_of_anything_end_in_an_error_or_not_at_all(data):
    frames = wire.Frames()
    try:
        for chunk, kind, content in frames.feed(data):
            assert len(chunk) == 32
            assert kind <= wire.AGAIN
            assert len(content) <= wire.LARGEST_CHUNK
    except wire.WireError:
        pass
