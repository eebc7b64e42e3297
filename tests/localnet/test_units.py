"""What an exe-unit's runtime may reach outside, by the manifest of the agreement."""

import pytest

from golem_launcher.localnet.spec import ProviderSpec
from golem_launcher.localnet.units import Units, Workshop
from golem_launcher.outbound import access


def place(asked, *, internet=True):
    """Where a runtime of a network lives, for what an agreement asks."""
    shop = Workshop(None, None, lambda place: place, "", "", (lambda _address: True) if internet else None)
    return Units(shop, None, None, None)._runtime(ProviderSpec(name="any"), None, "activity", asked)


@pytest.mark.parametrize("asked", [None, access("off", (), mirror=False)])
def test_without_a_manifest_there_is_no_way_out(asked):
    assert place(asked).may_reach is None


def test_what_a_manifest_asks_for_may_be_reached():
    listed, everything = place(access("packages", (), mirror=False)), place(access("unrestricted", (), mirror=False))
    assert listed.may_reach is not None
    assert listed.hosts == {"pypi.org", "files.pythonhosted.org"}
    assert everything.may_reach is not None
    assert everything.hosts is None
    assert place(access("unrestricted", (), mirror=False), internet=False).may_reach is None
