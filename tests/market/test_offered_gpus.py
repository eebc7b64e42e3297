"""GPUs as providers publish them, and which of them a request takes: before anything is paid."""

import pytest

from golem_launcher.market.cuda_needs import cuda_need
from golem_launcher.market.demand_constraints import constraints
from golem_launcher.market.gpu_models import gpu_models
from golem_launcher.market.limit_advice import misses, why_not
from golem_launcher.market.offered_gpus import GPU_CAPABILITIES, GPU_PROPERTIES
from golem_launcher.market.offered_machine import machine_of
from golem_launcher.request import parse_request
from tests.market.offer import GPU_PROPERTY, machine, offer

REACHED = {"golem.runtime.capabilities": ["vpn", "inet", "manifest-support", "!exp:gpu"]}


def fields(request, found):
    return {limit.field for limit in misses(parse_request(request), found)}


def reasons(request, found):
    return " ".join(why_not(parse_request(request), found))


def test_gpus_by_what_providers_publish():
    cards = machine(gpus=2, model="GeForce RTX 3090")
    assert (cards.gpus, cards.gpu_model, cards.gpu_memory_gib) == (2, "GeForce RTX 3090", 24.0)
    assert fields({"gpus": 2, "gpu_model": "rtx 3090", "gpu_memory_gib": 24}, cards) == set()
    assert fields({"gpus": 3, "gpu_model": "A100", "gpu_memory_gib": 26}, cards) == {
        "gpus",
        "gpu_model",
        "gpu_memory_gib",
    }
    single = {f"{GPU_PROPERTY}.model": "A100", f"{GPU_PROPERTY}.memory.total.gib": 80.0}
    lone = machine(**single, **{"golem.runtime.name": "vm-nvidia"})
    assert (lone.gpus, lone.gpu_model, lone.gpu_memory_gib) == (1, "A100", 80.0)
    assert reasons({"gpus": 1, "gpu_model": "a100"}, lone) == ""
    assert "vm-nvidia" in reasons({}, lone)
    both = machine_of("0x1", {**offer(gpus=1, model="A")["properties"], **single})
    assert both.gpus == 1


@pytest.mark.parametrize("capability", GPU_CAPABILITIES)
@pytest.mark.parametrize("prefix", GPU_PROPERTIES)
@pytest.mark.parametrize("card", ["", ".d0"])
def test_gpus_are_read_wherever_runtimes_publish_them(prefix, card, capability):
    published = {f"{prefix}{card}.model": "NVIDIA L4", f"{prefix}{card}.memory.total.gib": 22.49}
    found = machine(**published, **{"golem.runtime.capabilities": ["vpn", "inet", "manifest-support", capability]})
    asked = {"gpus": 1, "gpu_model": "L4", "gpu_memory_gib": 24}
    assert (found.gpus, found.gpu_model, found.reaches_gpus) == (1, "NVIDIA L4", True)
    assert reasons(asked, found) == ""
    assert fields({**asked, "gpu_memory_gib": 32}, found) == {"gpu_memory_gib"}
    demanded = constraints(parse_request(asked))
    assert f"({prefix}{card}.model=*)" in demanded
    assert f"({prefix}{card}.memory.total.gib>=22.44)" in demanded
    assert f"(golem.runtime.capabilities={capability})" in demanded


def test_a_gpu_that_no_program_reaches_is_not_taken_for_one():
    """A demand would not match it either: it is said beforehand, not waited for."""
    published = {f"{GPU_PROPERTY}.model": "A100", f"{GPU_PROPERTY}.memory.total.gib": 80.0}
    assert reasons({"gpus": 1}, machine(**published)) == "its runtime lets no program use its GPU"
    assert reasons({}, machine(**published)) == ""


def test_different_gpus_in_one_machine_are_counted_by_what_is_asked_of_each():
    several = {}
    for number, (model, quantity, memory) in enumerate([("GT 710", 1, 2), ("RTX 3090", 2, 24), ("RTX A6000", 1, 48)]):
        place = f"{GPU_PROPERTY}.d{number}"
        several |= {f"{place}.model": model, f"{place}.quantity": quantity, f"{place}.memory.total.gib": memory}
    found = machine(**several, **REACHED)
    assert found.gpus == 4
    assert fields({"gpus": 2, "gpu_model": "RTX 3090", "gpu_memory_gib": 24}, found) == set()
    assert fields({"gpus": 3, "gpu_memory_gib": 24}, found) == set()
    assert fields({"gpus": 4, "gpu_memory_gib": 24}, found) == {"gpu_memory_gib"}
    assert fields({"gpus": 3, "gpu_model": "3090"}, found) == {"gpus"}
    assert fields({"gpus": 1, "gpu_model": "3090", "gpu_memory_gib": 48}, found) == {"gpu_memory_gib"}


@pytest.mark.parametrize(
    ("says", "missed"),
    [(23.99, False), (24, False), (22.5, False), (22.0, True), ("24", True), (float("nan"), True), (-24, True)],
)
def test_memory_is_what_its_name_says_about(says, missed):
    found = machine(gpus=1, model="L4", gpu_memory=says)
    assert ("gpu_memory_gib" in fields({"gpus": 1, "gpu_memory_gib": 24}, found)) is missed


@pytest.mark.parametrize(
    ("packages", "needed"),
    [
        (["torch"], "7.5"),
        (["torch==2.7.1"], "5.0"),
        (["torch<2.8"], "5.0"),
        (["torch<=2.8"], "7.0"),
        (["torch==2.9.*"], "7.0"),
        (["torch~=2.10.0"], "7.0"),
        (["torch~=2.4"], "7.5"),
        (["cupy-cuda12x"], "5.0"),
        (["cupy-cuda12x", "jax[cuda13]"], "7.5"),
        (["cudf-cu11"], "3.5"),
    ],
)
def test_the_newest_of_the_packages_says_what_is_needed(packages, needed):
    assert cuda_need(parse_request({"packages": packages})).capability == needed


def test_a_gpu_that_is_too_old_for_the_packages_is_not_paid():
    def old(said):
        return machine(gpus=1, model="GTX 1080", **{f"{GPU_PROPERTY}.d0.cuda.compute-capability": said})

    wanted = {"gpus": 1, "software": "gpu"}
    why = "its GPU is of compute capability 6.1, and torch needs 7.5"
    assert reasons(wanted, old("6.1")) == reasons(wanted, old(6.1)) == why
    assert reasons({**wanted, "software": "base"}, old("6.1")) == ""
    assert reasons({**wanted, "image": "me/own:1"}, old("6.1")) == "", "nothing is known of that"
    assert reasons({**wanted, "software": "base", "packages": ["torch==2.7.1"]}, old("6.1")) == ""
    for newer in ("7.5", "12.0", 9, "<b>", None, "8.6.1", True):
        assert reasons(wanted, old(newer)) == "", newer


def test_models_on_offer_are_those_that_could_be_used():
    found = [
        machine("a", 0.5, gpus=1, model="A100", gpu_memory=80),
        machine("b", 0.4, gpus=4, model="A100", gpu_memory=80),
        machine("c", 0.1, gpus=1, model="GTX 1080", **{f"{GPU_PROPERTY}.d0.cuda.compute-capability": "6.1"}),
        machine("d", 0.01, **{f"{GPU_PROPERTY}.model": "not reached"}),
        machine("e", 0.01),
    ]
    assert [(one.model, one.machines, one.most) for one in gpu_models(parse_request({}), found)] == [
        ("GTX 1080", 1, 1),
        ("A100", 2, 4),
    ]
    assert [one.model for one in gpu_models(parse_request({"packages": ["torch"]}), found)] == ["A100"]
