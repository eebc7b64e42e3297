"""What an exe-unit's runtime may reach outside, by the manifest of the agreement."""

import pytest

from golem_launcher.localnet.exe_units import Units, Workshop
from golem_launcher.localnet.runtime.internet import Internet
from golem_launcher.localnet.spec import ProviderSpec
from golem_launcher.outbound import OutboundRules


def place(asked, *, internet=True):
    """Where a runtime of a network lives, for what an agreement asks."""
    shop = Workshop(None, None, lambda place: place, "", "", Internet() if internet else None)
    return Units(shop, None, None, None)._runtime(ProviderSpec(name="any"), None, "activity", asked)


@pytest.mark.parametrize("asked", [None, OutboundRules.of("off", (), mirror=False)])
def test_without_a_manifest_there_is_no_way_out(asked):
    assert place(asked).internet is None


def test_what_a_manifest_asks_for_may_be_reached():
    listed, everything = (
        place(OutboundRules.of("packages", (), mirror=False)),
        place(OutboundRules.of("unrestricted", (), mirror=False)),
    )
    assert listed.internet is not None
    assert listed.destinations == {("pypi.org", 443), ("files.pythonhosted.org", 443)}
    assert everything.internet is not None
    assert everything.destinations is None
    assert place(OutboundRules.of("unrestricted", (), mirror=False), internet=False).internet is None
