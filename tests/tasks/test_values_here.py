"""What a provider returns becomes a value here within bounds, whatever it says that it is."""

import json

import pytest

from golem_launcher.errors import ProviderError
from golem_launcher.tasks import function_results
from golem_launcher.tasks.payload import Answer, TaskOutput

BLOBS = [{"$golem": "bytes", "blob": number} for number in range(3)]


@pytest.fixture
def value_of(tmp_path):
    def value_of(value, *blobs):
        told = json.dumps(value).encode()
        outputs = [TaskOutput("value.json", len(told), "", told)]
        outputs += [TaskOutput(f"{n}/a.txt", len(blob), "", blob) for n, blob in enumerate(blobs)]
        answer = Answer(0, timed_out=False, seconds=1.0, log=b"", outputs=tuple(outputs))
        return function_results.value_in(answer, tmp_path / "results", copy=False)

    return value_of


def test_bytes_of_a_result_are_counted_together(value_of, monkeypatch):
    monkeypatch.setattr(function_results, "_LARGEST_BYTES", 1000)
    assert value_of(BLOBS[:2], *[b"x" * 500] * 2) == [b"x" * 500] * 2
    with pytest.raises(ProviderError, match="at most 0 are taken"):
        value_of(BLOBS, *[b"x" * 500] * 3)


def test_what_did_not_come_is_in_no_result(value_of, tmp_path):
    for number in (-1, 1, 10**30):
        for kind in ("bytes", "file"):
            with pytest.raises(ProviderError, match="no value"):
                value_of({"$golem": kind, "blob": number}, b"x")
            with pytest.raises(ProviderError, match="no value"):
                value_of([{"$golem": kind, "blob": 0}] * 2, b"x")
    assert value_of({"$golem": "file", "blob": 0}, b"x") == tmp_path / "results" / "a.txt"
