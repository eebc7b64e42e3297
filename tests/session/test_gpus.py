"""GPUs on this computer's network, published in all the ways there are; none is there, but an ``nvidia-smi`` is."""

import asyncio

import pytest

from golem_launcher.market import history
from golem_launcher.market.demand_constraints import constraints
from golem_launcher.node.requestor_api import YagnaRest
from golem_launcher.request import LaunchRequest, parse_request
from golem_launcher.session import client
from golem_launcher.session.on_disk.directory import session_directory
from tests.networks import own_network
from tests.patience import slower
from tests.session.conftest import command, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("network")]

_NETWORK = """
terminate_seconds = 0

[[provider]]
name = "one"
gpu = { model = "NVIDIA GeForce RTX 3090", memory_gib = 23.99, compute_capability = "8.6" }

[[provider]]
name = "several"
runtime_name = "vm-nvidia"
price_hour = 0.1
gpu = { model = "NVIDIA L4", memory_gib = 22.49, count = 2, published = "numbered", compute_capability = "8.9" }

[[provider]]
name = "newer"
price_hour = 0.2
gpu = { model = "NVIDIA A100-SXM4-80GB", memory_gib = 80, published = "runtime" }

[[provider]]
name = "liar"
price_hour = 0.3
gpu = { model = "NVIDIA H100", memory_gib = 80 }
misbehaviour = { other_gpu = "NVIDIA GeForce GT 710<script>" }

[[provider]]
name = "unreached"
price_hour = 0.01
properties = { "golem.inf.gpu.d0.model" = "NVIDIA L4", "golem.inf.gpu.d0.memory.total.gib" = 24 }

[[provider]]
name = "none"
price_hour = 0.01
"""
_FIELDS = {"budget": 10, "memory_gib": 0.5, "disk_gib": 0.5}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    with own_network(tmp_path_factory.mktemp("gpus"), _NETWORK) as up:
        yield up


def test_a_demand_matches_the_offers_that_have_what_is_asked_for_and_no_other(network):
    async def matched(asked):
        async with YagnaRest.open(network.node) as rest:
            await rest.listen_to_offers()
            found = await rest.offers(constraints(parse_request({**_FIELDS, **asked})), seconds=2)
            return {one["properties"]["golem.node.id.name"] for one in found}

    assert asyncio.run(matched({})) == {"one", "newer", "liar", "unreached", "none"}
    assert asyncio.run(matched({"gpus": 1})) == {"one", "several", "newer", "liar"}
    assert asyncio.run(matched({"gpus": 1, "gpu_memory_gib": 24})) == {"one", "several", "newer", "liar"}
    assert asyncio.run(matched({"gpus": 1, "gpu_memory_gib": 32})) == {"newer", "liar"}


def test_what_is_on_offer_is_what_can_be_used():
    _, models, _ = command("gpus", "--json")
    assert [(one["model"], one["memory_gib"], one["machines"], one["most"]) for one in models] == [
        ("NVIDIA GeForce RTX 3090", 24.0, 1, 1),
        ("NVIDIA L4", 22.5, 1, 2),
        ("NVIDIA A100-SXM4-80GB", 80.0, 1, 1),
        ("NVIDIA H100", 80.0, 1, 1),
    ]
    _, offers, _ = command("offers", "--gpus", "1", "--gpu-memory", "24", "--mem", "0.5", "--disk", "0.5", "--json")
    assert [one["name"] for one in offers["fitting"]] == ["one", "several", "newer", "liar"]
    assert "its runtime lets no program use its GPU" in {why for one in offers["others"] for why in one["why"]}


def _started(**fields):
    directory = client.start(LaunchRequest(**_FIELDS, **fields))
    return wait_for(directory, lambda state: state.stage.final or state.head.gpus is not None, 60)


def test_gpus_are_as_offered():
    state = _started(name="two", gpus=2, gpu_model="L4", gpu_memory_gib=24)
    assert state.head.provider_name == "several"
    assert [gpu.name for gpu in state.head.gpus] == ["NVIDIA L4", "NVIDIA L4"]
    assert (state.head.gpus[0].driver, state.head.gpus[0].celsius) == ("550.54.14", 33.0)
    assert (state.head.usage.gpu_percent, state.notices) == (0.0, ())
    _, shown, _ = command("show", "two")
    lines = [line.removeprefix("gpu:").strip() for line in shown.splitlines() if line.startswith("gpu:")]
    assert lines == [gpu.words for gpu in state.head.gpus] + ["as offered"]
    assert lines[0].startswith("NVIDIA L4: 0 % busy, 0.0 of ")
    assert lines[0].endswith("33 °C, 17 of 72 W, driver 550.54.14")
    _, told, _ = command("show", "two", "--json")
    assert (told["gpu_differences"], told["machines"][0]["gpus"][0]["compute_capability"]) == ([], "8.9")
    _, figures, _ = command("benchmark", "two", "--json")
    assert figures["core_rate"] > 0 < figures["cores_rate"]  # who else works here meanwhile decides which is more
    assert figures["network_rate"] > 0 < figures["round_trip_seconds"] < slower()
    assert figures["gpu_tflops"] is None, "there is no PyTorch, and no GPU either"
    assert history.read()[state.head.provider_id].benchmark.fresh
    client.stop("two", force=True)


def test_a_gpu_that_is_another_one_is_told_and_remembered():
    state = _started(name="lied", gpus=1, gpu_model="H100")
    (difference,) = state.head.gpu_differences
    assert difference == "Offered was NVIDIA H100, and there is NVIDIA GeForce GT 710<script>."
    assert f"liar: {difference}" in wait_for(session_directory("lied"), lambda now: now.notices, 5).notices
    client.stop("lied", force=True)
    record = history.read()[state.head.provider_id]
    assert record.failed_lately() == "its GPU is not the one that it offered"
