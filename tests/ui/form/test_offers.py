"""What the form says beside the prices: what it takes to send the request's image from this computer."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from golem_launcher.image import lock, upload_estimate
from golem_launcher.request import parse_request
from golem_launcher.session.preparation.image_and_packages import IMAGE_VARIABLE
from golem_launcher.ui.form import offers
from golem_launcher.ui.form.offers import OfferWatch


@pytest.fixture
def looked(monkeypatch):
    """What the page is told when the market was looked at for a request, or for one after the other."""
    monkeypatch.delenv(IMAGE_VARIABLE, raising=False)
    monkeypatch.setattr(offers, "LOOK_SECONDS", 0.0)

    async def nobody(*_):
        return [], {}

    monkeypatch.setattr(offers, "_seen", nobody)

    async def look(requests):
        told = []
        with ThreadPoolExecutor(1) as threads:
            one = OfferWatch(told.append, threads)
            for fields in requests:
                one.consider(parse_request({"name": "a", "budget": 1, **fields}))
                await one.look()
        return told

    return lambda *requests: asyncio.run(look(requests))


def test_what_is_sent_from_here_is_told_in_the_words_of_the_commands(looked):
    words = upload_estimate.upload(lock.SIZES["sklearn"], "hoodi").words
    assert looked({"network": "hoodi", "software": "sklearn"})[-1]["sending"] == words


def test_nothing_is_told_where_nothing_is_sent_or_it_is_not_known_yet(looked):
    for fields in ({"network": "local"}, {"network": "hoodi", "image": "me/own:1"}):
        assert looked(fields)[-1]["sending"] == ""
    told = looked({"network": "hoodi", "software": "gpu", "gpus": 1}, {"network": "hoodi", "software": "base"})
    said = [view["sending"] for view in told]
    assert "2.7 GiB" in said[said.index("", 1) - 1]  # then the next request came: not a word of the last one
    assert "82.0 MiB" in said[-1]
