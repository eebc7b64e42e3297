"""Which volumes a provider is asked for, whatever its offer says."""

import pytest

from golem_launcher.rental.activity_spec import ActivitySpec
from golem_launcher.rental.volumes import has_disks, volumes
from golem_launcher.workload.shipment import Shipment

PACKAGE = ActivitySpec("JupyterLab", "", Shipment((), (), ()), 2.0)


@pytest.mark.parametrize("version", ["0.4.2", "0", "", None, 5, "0.5x", ["0.5.2"], "v0.5.2", "9" * 5000 + ".1"])
def test_what_is_no_newer_runtime_gets_directories(version):
    assert not has_disks({"golem.runtime.version": version})
    assert volumes(PACKAGE, {"golem.runtime.version": version}) == ["/golem/work", "/golem/run"]


@pytest.mark.parametrize(
    ("offered", "size"),
    [
        (100, "8192mib"),
        (5.0004, "5121mib"),
        (1, "2048mib"),
        ("9", "2048mib"),
        (float("inf"), "2048mib"),
        (-1, "2048mib"),
        (0, "2048mib"),
        (int("9" * 400), "2048mib"),
        (-int("9" * 400), "2048mib"),
        (True, "2048mib"),
        (None, "2048mib"),
        ([9], "2048mib"),
        (1e308, "8192mib"),
    ],
)
def test_a_newer_one_makes_a_disk_of_what_was_asked_and_more_where_there_is(offered, size):
    for version in ("0.5.0", "0.12.1", "1.0"):
        asked = volumes(PACKAGE, {"golem.runtime.version": version, "golem.inf.storage.gib": offered})
        assert asked == {"/golem/work": {"storage": {"size": size}}, "/golem/run": {"host": {}}}
