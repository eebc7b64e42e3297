from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.billing import amount_due
from golem_launcher.localnet.negotiation import NOTE_ACCEPT_TIMEOUT, NOTE_INTERVAL, PAYMENT_TIMEOUT
from golem_launcher.localnet.offer import offer_constraints, offer_properties
from golem_launcher.localnet.spec import ClaimedGpu, NetworkSpec, ProviderSpec, default_spec, image_hash, load_spec
from golem_launcher.market.offered_gpus import offered_gpus
from tests.examples import examples

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "provider"),
        ("[[provider]]", "name"),
        ('[[provider]]\nname = "a"\n[[provider]]\nname = "a"', "two providers are called a"),
        ('[[provider]]\nname = "a"\nprice_hour = -1', "price_hour"),
        ('[[provider]]\nname = "a"\nmisbehaviour = { drop_frames = 2 }', "drop_frames"),
        ('[[provider]]\nname = "a"\nunknown = 1', "unknown"),
        ('[[provider]]\nname = "a"\ngpu = { model = "A", memory_gib = 1, count = 2 }', "numbered"),
        ('[images.x]\npath = "nowhere"\n[[provider]]\nname = "a"', "no directory"),
        ("= =", "not TOML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "network.toml"
    file.write_text(text)
    with pytest.raises(LocalNetError, match=says):
        load_spec(file)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=examples(50),
    deadline=None,
)
@given(data=st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "network.toml"
    file.write_bytes(data)
    with pytest.raises(LocalNetError):
        load_spec(file)


def test_the_pretended_gpu_is_offered_as_providers_do() -> None:
    spec = default_spec()
    gpu = next(provider for provider in spec.provider if provider.gpu)
    offer = offer_properties(gpu, spec, "0x1")
    assert "!exp:gpu" in offer["golem.runtime.capabilities"]
    assert offer["golem.!exp.gap-35.v1.inf.gpu.memory.total.gib"] == 24
    assert "pretend" in offer["golem.node.id.name"]


@pytest.mark.parametrize(
    ("published", "capability", "place"),
    [
        ("gap-35", "!exp:gpu", "golem.!exp.gap-35.v1.inf.gpu"),
        ("numbered", "!exp:gpu", "golem.!exp.gap-35.v1.inf.gpu.d0"),
        ("runtime", "gpu", "golem.inf.gpu.d0"),
    ],
)
def test_a_gpu_is_offered_in_one_way_and_in_no_other(published: Any, capability: str, place: str) -> None:
    gpu = ClaimedGpu(model="L4", memory_gib=24, compute_capability="8.9", published=published)
    provider = ProviderSpec(name="a", gpu=gpu)
    offer = offer_properties(provider, NetworkSpec(provider=(provider,)), "0x1")
    assert capability in offer["golem.runtime.capabilities"]
    described = {name: value for name, value in offer.items() if ".gpu." in name}
    assert {name.rpartition(f"{place}.")[0] for name in described} == {""}
    assert (described[f"{place}.model"], described[f"{place}.cuda.compute-capability"]) == ("L4", "8.9")
    (found,) = offered_gpus(offer)
    assert (found.model, found.count, found.memory_gib, found.compute_capability) == ("L4", 1, 24, "8.9")


def test_the_offer_says_what_those_of_golem_say() -> None:
    spec = default_spec().model_copy(update={"payment_networks": ("hoodi", "polygon")})
    offer = offer_properties(spec.provider[0], spec, "0x1")
    assert offer["golem.com.payment.platform.erc20-polygon-glm.address"] == "0x1"
    assert offer["golem.com.payment.platform.erc20-hoodi-tglm.address"] == "0x1"
    assert offer["golem.com.payment.protocol.version"] == 3
    assert (offer[NOTE_INTERVAL], offer[PAYMENT_TIMEOUT], offer[NOTE_ACCEPT_TIMEOUT]) == (120, 120, 240)
    assert all(isinstance(offer[name], int) for name in (NOTE_INTERVAL, PAYMENT_TIMEOUT, NOTE_ACCEPT_TIMEOUT))
    assert offer["golem.node.net.is-public"] is False
    for name in (
        "golem.srv.caps.payload-manifest",
        "golem.activity.caps.transfer.report-progress",
        "golem.activity.caps.deploy.report-progress",
    ):
        assert offer[name] is True
    assert {"golem.inf.cpu.vendor", "golem.inf.cpu.brand", "golem.inf.cpu.model"} <= offer.keys()
    assert "sse2" in offer["golem.inf.cpu.capabilities"]
    asked = re.sub(r"\s+", "", offer_constraints(spec))
    assert re.fullmatch(r"\(&\(golem\.srv\.comp\.expiration>\d{13}\)\(golem\.node\.debug\.subnet=public\)\)", asked)


@given(
    prices=st.lists(st.floats(0, 1e3), min_size=1, max_size=4),
    usage=st.lists(st.floats(0, 1e6), min_size=4, max_size=4),
)
def test_amounts_are_exact(prices: list[float], usage: list[float]) -> None:
    used = usage[: len(prices) - 1]
    total = amount_due(prices, used)
    exact = sum(
        (Decimal(str(p)) * Decimal(str(u)) for p, u in zip(prices, used, strict=False)), Decimal(str(prices[-1]))
    )
    assert 0 <= exact - total < Decimal("1e-15")
    assert amount_due(prices, used, factor=0) == 0


def test_hashes_of_images() -> None:
    digest = "0" * 56
    assert image_hash(digest) == digest
    assert len(image_hash("user/name:tag")) == 56
