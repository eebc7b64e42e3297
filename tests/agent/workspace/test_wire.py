"""What a stream of chunks may hold."""

import random

from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.agent.workspace import wire
from golem_launcher.agent.workspace.chunker import chunk_id


@given(st.lists(st.binary(max_size=3000), max_size=8), st.integers(1, 700))
def test_frames_survive_any_splitting(chunks, step):
    stream = b"".join(part for data in chunks for part in wire.Framing().frame(chunk_id(data), data))
    frames = wire.Frames()
    found = [each for at in range(0, len(stream), step) for each in frames.feed(stream[at : at + step])]
    frames.end()
    assert [data for _, _, data in found] == chunks


def test_behind_noise_text_is_soon_made_smaller_again():
    noise = [random.Random(number).randbytes(100_000) for number in range(30)]
    text = [b"the same words again %d " % number * 4000 for number in range(30)]
    framing = wire.Framing()
    sizes = [len(framing.frame(chunk_id(data), data)[1]) for data in [*noise, *text, *text]]
    assert sizes[:30] == [100_000] * 30
    whole = [size for size in sizes[30:60] if size > 50_000]
    assert len(whole) <= 8
    assert max(sizes[60:]) < 10_000


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
