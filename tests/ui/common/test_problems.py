from __future__ import annotations

import time

import pytest

from golem_launcher.errors import LauncherError
from golem_launcher.ui.common.problems import problem, without_keys
from tests.patience import slower

_SECRET = "s3cr3t-Value"


@pytest.mark.parametrize(
    "text",
    [
        f"GET http://127.0.0.1:8888/lab?token={_SECRET}&x=1 failed",
        f"{{'Authorization': 'Bearer {_SECRET}'}}",
        f"Authorization: token {_SECRET}",
        f"Node(api_url='x', app_key='{_SECRET}')",
        f"redis://:{_SECRET}@host/0",
        f"https://{_SECRET}@github.com/me",
        f"YAGNA_APPKEY={_SECRET}",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_SECRET}\n-----END OPENSSH PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\n{_SECRET}",
    ],
)
def test_details_hold_no_key(text: str) -> None:
    assert _SECRET not in without_keys(text)
    shown = problem(LauncherError(text, text))
    assert _SECRET not in str(shown)


def test_a_key_of_the_environment_is_known_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YAGNA_APPKEY", _SECRET)
    assert without_keys(f"what {_SECRET} is") == "what (left out) is"


def test_what_is_none_stays() -> None:
    text = 'File "launcher.py", line 3, in token_of\nKeyError: 12'
    assert without_keys(text) == text


@pytest.mark.parametrize("word", ["token", "a"])
def test_a_long_word_is_looked_through_in_no_time(word: str) -> None:
    text = word * (300_000 // len(word))
    begun = time.process_time()
    assert without_keys(text) == text
    assert time.process_time() - begun < 3 * slower()
