"""What can be no workload or endpoint is refused where it is written down."""

import pytest

from golem_launcher.workload.base import Endpoint, Workload
from golem_launcher.workload.lab import LAB


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""}, {"name": "Web"}, {"name": "a b"}, {"port": 0}, {"port": 65536}, {"port": 8889}, {"port": 8891},
        {"protocol": "ftp"}, {"path": "lab"}, {"path": "/\x1b[31m"},
    ],
)  # fmt: skip
def test_an_endpoint(fields):
    with pytest.raises(ValueError, match="endpoint"):
        Endpoint(**{"name": "web", **fields})


@pytest.mark.parametrize("fields", [{"name": "A"}, {"name": "x" * 41}, {"title": ""}, {"title": "a\nb"}])
def test_a_workload(fields):
    with pytest.raises(ValueError, match="workload"):
        Workload(**{"name": "mine", "title": "Mine", **fields})


def test_a_link_has_the_token_where_the_endpoint_asks_for_it():
    assert LAB.link.url("http://127.9.8.7:1", "/base/", "abc") == "http://127.9.8.7:1/base/lab?token=abc"
    assert Endpoint("web").url("http://127.9.8.7:1", "/", "abc") == "http://127.9.8.7:1/"
    assert Workload("db", "Database", endpoints=(Endpoint("sql", 5432, "tcp"),)).link is None
    assert Workload("job", "Job", endpoints=()).link is None
