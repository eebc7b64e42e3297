import base64
import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher import outbound
from golem_launcher.errors import RequestError
from golem_launcher.outbound import OutboundRules
from golem_launcher.request import parse_request

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IMAGE = "hash:sha3:abcd:http://registry/image.gvmi"


def made(asked):
    return outbound.manifest(IMAGE, asked, now=NOW, expires=NOW + timedelta(hours=1))


def test_a_manifest_has_the_form_that_providers_read():
    value = made(OutboundRules.of("listed", ("data.example.org", "http://b.example.org:8080/path?x"), mirror=True))
    assert value["createdAt"] == "2026-01-02T03:04:05.000000Z"
    assert value["payload"] == [
        {"platform": {"arch": "x86_64", "os": "linux"}, "urls": ["http://registry/image.gvmi"], "hash": "sha3:abcd"}
    ]
    assert value["compManifest"]["net"]["inet"]["out"] == {
        "protocols": ["http", "https"],
        "urls": ["https://data.example.org", "http://b.example.org:8080"],
    }


def test_unrestricted_is_what_yagna_reads_as_such():
    out = made(OutboundRules.of("unrestricted", (), mirror=True))["compManifest"]["net"]["inet"]["out"]
    assert out["unrestricted"] == {"urls": True}
    assert "urls" not in out


def test_packages_come_from_the_mirror_where_providers_know_only_that():
    asked = OutboundRules.of("packages", (), mirror=True)
    assert asked.hosts == {"pypi.dev.golem.network"}
    assert asked.index_url.endswith("/simple")
    assert "pypi.dev.golem.network" in asked.sentence
    assert OutboundRules.of("packages", (), mirror=False).hosts == {"pypi.org", "files.pythonhosted.org"}


@pytest.mark.parametrize("kind", ["packages", "unrestricted"])
def test_what_is_asked_is_what_is_granted(kind):
    asked = OutboundRules.of(kind, (), mirror=False)
    image, rules = outbound.granted(outbound.encoded(made(asked)))
    assert image == IMAGE
    assert (rules.urls, rules.unrestricted) == (asked.urls, asked.unrestricted)
    assert asked.anything


def test_what_may_reach_nothing_asks_for_nothing():
    assert not OutboundRules.of("off", (), mirror=True).anything


@pytest.mark.parametrize("url", ["ftp://a.b", "https://", "https://user:secret@a.b", "localhost", "https://..", "a b"])
def test_what_is_no_address_is_refused_at_its_field(url):
    with pytest.raises(RequestError) as caught:
        parse_request({"outbound": "listed", "outbound_urls": [url]})
    assert caught.value.field == "outbound_urls"
    assert "secret" not in str(caught.value)


WORDS = st.sampled_from(["payload", "hash", "urls", "compManifest", "net", "inet", "out"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner),
)


@given(st.text() | JSON.map(lambda value: base64.b64encode(json.dumps(value).encode()).decode()))
def test_no_manifest_breaks_a_provider(text):
    with contextlib.suppress(ValueError):
        outbound.granted(text)
