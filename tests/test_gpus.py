"""GPUs as they are called, and whether what is there is what was offered."""

import pytest

from golem_launcher.gpus import Gpu, GpuProcess, OfferedGpu, as_numbers, capability, differences, is_called
from golem_launcher.units import data_size, data_size_of

GIB = 2**30
L4 = Gpu(name="NVIDIA L4", compute_capability="8.9", memory_total_bytes=round(22.49 * GIB))


@pytest.mark.parametrize(
    ("words", "model", "called"),
    [
        ("rtx 3090", "NVIDIA GeForce RTX 3090", True),
        ("RTX3090", "NVIDIA GeForce RTX 3090", True),
        ("3090", "GeForce RTX 3090 Ti", True),
        ("3090 ti", "GeForce RTX 3090", False),
        ("A100 80GB", "NVIDIA A100-SXM4-80GB", True),
        ("A10", "NVIDIA A100-SXM4-80GB", False),
        ("L4", "NVIDIA L40S", False),
        ("T4", "NVIDIA T400", False),
        ("", "anything", True),
        ("rtx", "", False),
    ],
)
def test_a_model_is_called_by_whole_parts_of_its_name(words, model, called):
    assert is_called(model, words) is called


def test_a_capability_is_a_number_of_two_parts_or_nothing():
    assert [capability(one) for one in ("8.6", 8.6, 9, "12.0", " 8.6", "8.61", "", None, [], "8.6\n")] == [
        "8.6", "8.6", "9.0", "12.0", "", "", "", "", "", "",
    ]  # fmt: skip
    assert as_numbers("12.0") > as_numbers("8.9") > as_numbers("")


@pytest.mark.parametrize(
    ("offered", "found", "told"),
    [
        ([OfferedGpu(model="L4", memory_gib=24, compute_capability="8.9")], [L4], ()),
        ([OfferedGpu(model="NVIDIA L4 24GB", memory_gib=24)], [L4.model_copy(update={"name": "L4"})], ()),
        ([OfferedGpu(model="L4", count=2)], [L4, L4], ()),
        ([OfferedGpu(model="L4", count=2)], [L4], ("2 GPUs were offered, and there is 1.",)),
        ([OfferedGpu(model="L4")], [], ("1 GPU was offered, and there is none that programs reach.",)),
        ([OfferedGpu(model="A100", memory_gib=80)], [L4], ("Offered was A100, and there is NVIDIA L4.",)),
        ([OfferedGpu(model="L4", memory_gib=48)], [L4], ("NVIDIA L4 has 22.5 GiB, and was offered with 48.",)),
        (
            [OfferedGpu(model="L4", compute_capability="9.0")],
            [L4],
            ("NVIDIA L4 is of compute capability 8.9, and was offered as 9.0.",),
        ),
        ([OfferedGpu(model="A"), OfferedGpu(model="L4")], [L4, L4.model_copy(update={"name": "B"})],
         ("Offered was A or L4, and there is B.",)),
    ],
)  # fmt: skip
def test_what_is_not_as_offered_is_told_once(offered, found, told):
    assert differences(offered, found) == told


def test_a_gpu_in_a_line():
    now = {"driver": "550.54", "percent": 12.0, "memory_bytes": GIB, "celsius": 45.0, "watts": 31.4}
    busy = L4.model_copy(update=now)
    memory = data_size_of(busy.memory_bytes, busy.memory_total_bytes)
    assert busy.words == f"NVIDIA L4: 12 % busy, {memory}, 45 °C, 31 W, driver 550.54"
    assert busy.model_copy(update={"watts_most": 72.0}).words.endswith("31 of 72 W, driver 550.54")
    assert Gpu(name="L4").words == "L4"
    programs = [GpuProcess(pid=n, name=f"p{n}") for n in range(1, 7)]
    assert Gpu(name="L4", processes=programs).programs == "p1, p2, p3, p4 and 2 more"
    large = GpuProcess(pid=1, name="python3", memory_bytes=GIB)
    assert Gpu(name="L4", processes=[large]).programs == f"python3 {data_size(GIB)}"
