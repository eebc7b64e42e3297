from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.ui.cards.links import own_origin, session_link
from tests.ui.made import make_session


@pytest.mark.parametrize("address", ["http://127.0.0.1:8888", "http://127.200.3.4:1/", "http://mine.localhost:8080"])
def test_our_own_addresses(address: str) -> None:
    assert own_origin(address) == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://127.0.0.1:8888",
        "http://127.0.0.1",
        "http://10.0.0.1:80",
        "http://127.0.0.1:80/x",
        "http://127.0.0.1:80?x",
        "http://user@127.0.0.1:80",
        "http://127.0.0.1.evil.example:80",
        "http://evil.example:80#localhost",
        "http://127.0.0.1:99999",
        "javascript://127.0.0.1:80",
        "http://[::1",
    ],
)
def test_others(address: str) -> None:
    assert own_origin(address) is None


@given(st.text(alphabet="htp:/@.127localhostx8#?[]\\ \n", max_size=40))
def test_whatever_is_accepted_is_plain(address: str) -> None:
    origin = own_origin(address)
    assert origin is None or (origin.startswith("http://") and address.rstrip("/") == origin)


def test_a_strange_token_makes_no_link() -> None:
    directory = make_session("mine")
    assert session_link(directory) == "http://127.9.8.7:8888/lab?token=abcdefgh12345678"
    directory.write_token("x&next=//evil")
    assert session_link(directory) is None
