"""Workloads that installed packages bring, as a person has them: a directory with the package and its metadata."""

import importlib
import sys

import pytest

from golem_launcher.errors import RequestError
from golem_launcher.request import parse_request
from golem_launcher.ui.form.fields import form_groups
from golem_launcher.workload import registry
from golem_launcher.workload.lab import LAB

_SOURCE = """\
from golem_launcher.workload.base import Workload

ECHO = Workload("echo", "The echo")
NOT_ONE = "a text"
"""
_ENTRY_POINTS = """\
[golem_launcher.workloads]
echo = brought_workload:ECHO
renamed = brought_workload:ECHO
text = brought_workload:NOT_ONE
missing = brought_workload:NOTHING
gone = no_such_module:ECHO
impossible = impossible_workload:BAD
"""
_IMPOSSIBLE = """\
from golem_launcher.workload.base import Endpoint, Workload

BAD = Workload("impossible", "Bad", endpoints=(Endpoint("web", port=8889),))
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "brought_workload.py").write_text(_SOURCE)
    (tmp_path / "impossible_workload.py").write_text(_IMPOSSIBLE)
    about = tmp_path / "brought_workload-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: brought-workload\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(_ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    registry._brought.cache_clear()
    yield
    registry._brought.cache_clear()
    sys.modules.pop("brought_workload", None)


@pytest.mark.usefixtures("package")
def test_a_request_asks_for_ours_or_for_one_that_a_package_brings():
    assert registry.find(parse_request({}).workload) is LAB
    assert registry.find(parse_request({"workload": "echo"}).workload).title == "The echo"


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("name", ["nothing", "renamed", "text", "missing", "gone", "impossible", ""])
def test_what_is_no_workload_is_refused_and_those_that_there_are_are_named(name):
    with pytest.raises(RequestError, match=r"there is lab, echo(?!,)"):
        parse_request({"workload": name})


def test_the_form_asks_where_there_is_more_than_one(request):
    def asked():
        return [field["name"] for group in form_groups() for field in group["fields"]]

    assert "workload" not in asked()
    request.getfixturevalue("package")
    assert "workload" in asked()
