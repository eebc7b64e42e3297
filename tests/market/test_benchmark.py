"""Measured machines: what an agent may say of its own, and which machine is the fastest."""

import json
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.market import benchmark, history
from golem_launcher.market.benchmark import Benchmark
from golem_launcher.market.history import ProviderRecord
from golem_launcher.market.offer_order import USUAL_CORE
from golem_launcher.market.scan import judged
from golem_launcher.request import parse_request
from tests.market.offer import machine

TOLD = {
    "cores": 4, "core_rate": 2e7, "cores_rate": 7e7, "memory_rate": 8e9, "disk_write_rate": 3e8, "disk_read_rate": 9e8,
    "gpu_tflops": 61.5,
}  # fmt: skip


def read(told, **here):
    return benchmark.read(json.dumps(told).encode(), **here)


def test_what_was_measured_in_words():
    found = read(TOLD, network_rate=3.5e6, round_trip_seconds=0.0123)
    words = dict(found.lines)
    assert words["cores"] == "4 cores, together as fast as 3.5 of them alone"
    assert words["gpu"] == "61.5 TFLOP/s in products of half precision"
    assert words["round trip"] == "12 ms"
    assert list(dict(read({"core_rate": 1.5, "cores_rate": 1.5}).lines)) == ["cores", "core"]


@pytest.mark.parametrize("value", [0, -1, "fast", None, [], {}, True, 1e300, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(value):
    assert read({**TOLD, "core_rate": value}) is None


def test_an_agent_says_nothing_of_what_is_measured_here():
    found = read({**TOLD, "network_rate": 1e12, "round_trip_seconds": 1e-9, "at": "1999-01-01T00:00:00Z"})
    assert (found.network_rate, found.round_trip_seconds, found.fresh) == (None, None, True)


_ANY = st.floats() | st.integers() | st.text(max_size=3) | st.none()


@given(st.dictionaries(st.sampled_from([*TOLD, "other"]), _ANY))
def test_whatever_an_agent_says(told):
    found = read({**TOLD, **told})
    if found is not None:
        figures = found.model_dump(exclude={"at"}).values()
        assert all(one is None or 0 < one < math.inf for one in figures)
        assert all(words.isprintable() for _, words in found.lines)


def test_it_is_remembered_and_grows_old():
    found = read(TOLD)
    history.note_benchmark("0x1", "a", found)
    kept = history.read()["0x1"].benchmark
    assert kept == found
    assert kept.fresh
    assert not found.model_copy(update={"at": found.at - timedelta(days=31)}).fresh
    assert not found.model_copy(update={"at": found.at + timedelta(days=1)}).fresh, "a clock that was set back"


def _order(request, found, known):
    return [offer.machine.name for offer in judged(parse_request({"budget": 100, **request}), found, known, {}).fitting]


def test_the_fastest_that_is_known_is_taken_first():
    found = [machine(name, price) for name, price in (("slow", 0.1), ("unknown", 0.2), ("fast", 9))]
    known = {
        "0xslow": ProviderRecord(benchmark=Benchmark(core_rate=1e6, cores_rate=3e6)),
        "0xfast": ProviderRecord(benchmark=Benchmark(core_rate=USUAL_CORE * 2, cores_rate=USUAL_CORE * 8)),
    }
    assert _order({"choose": "speed"}, found, known) == ["fast", "unknown", "slow"]
    assert _order({"choose": "price"}, found, known) == ["slow", "unknown", "fast"]
    assert _order({"choose": "speed", "price_per_hour": 1}, found, known) == ["unknown", "slow"]
    failed = known["0xfast"].model_copy(update={"failed_at": known["0xfast"].benchmark.at})
    assert _order({"choose": "speed"}, found, {**known, "0xfast": failed})[0] == "unknown"


def test_of_machines_with_a_gpu_the_one_whose_gpu_is_known_to_be_fast_is_first():
    found = [machine(name, 1, gpus=1, model="L4") for name in ("weak", "unknown", "strong")]
    known = {
        f"0x{name}": ProviderRecord(benchmark=Benchmark(core_rate=USUAL_CORE, cores_rate=USUAL_CORE, gpu_tflops=tflops))
        for name, tflops in (("weak", 20), ("strong", 80))
    }
    assert _order({"choose": "speed", "gpus": 1}, found, known) == ["strong", "weak", "unknown"]
