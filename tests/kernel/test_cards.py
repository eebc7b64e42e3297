"""What the cards of a notebook say of a session."""

from datetime import UTC, datetime, timedelta

import pytest

from golem_launcher.events import Stage
from golem_launcher.kernel import cards
from golem_launcher.request import parse_request
from golem_launcher.session_state import SessionState


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "at least 1 GiB of memory, 2 GiB of disk, 1 core"),
        ({"gpus": 1}, "at least 1 GiB of memory, 2 GiB of disk, 1 core, 1 GPU"),
        ({"gpus": 2, "gpu_model": "RTX 3090"}, "at least 1 GiB of memory, 2 GiB of disk, 1 core, 2 GPUs RTX 3090"),
    ],
)
def test_a_gpu_that_was_asked_for_is_told(asked, told):
    assert cards.asked_of_machine(parse_request(asked)) == told


def _passed(*stages, reason=""):
    """A session that spent a second in each of these stages, and is in the last."""
    began = datetime.now(UTC)
    passed = tuple((stage, began + timedelta(seconds=number)) for number, stage in enumerate(stages))
    return SessionState(name="s", network="local", stage=stages[-1], stages=passed, reason=reason)


def test_a_stage_that_is_passed_again_is_told_once():
    told = cards.starting(_passed(Stage.CHECKING, *[Stage.RECOVERING] * 4, Stage.READY), "Connecting").text
    assert told.splitlines() == [
        "Connecting: connected",
        "  Checking node and market: 1.0 s",
        "  Another provider is looked for: 4.0 s",
    ]


def test_after_a_loss_the_card_says_what_is_waited_for_and_nothing_of_the_first_start():
    state = _passed(Stage.CHECKING, Stage.READY, Stage.RECOVERING, reason="The provider was lost: it is silent.")
    assert cards.waiting(state, "").text.splitlines() == [
        "Waiting for a provider …",
        "  The provider was lost: it is silent.",
    ]
    assert cards.waiting(_passed(Stage.READY), "It is silent.").text.splitlines() == [
        "Waiting for a kernel over there …",
        "  It is silent.",
    ]


def test_what_a_provider_calls_itself_is_neither_markup_nor_mathematics():
    hostile = r"<img src=x onerror=alert(1)> $\href{javascript:alert(1)}{x}$"
    for shown in (cards.table(hostile, [(hostile, hostile)], [hostile]), cards.progress(hostile, hostile, 0.5)):
        assert "<img" not in shown.html
        assert shown.html.startswith('<div class="tex2jax_ignore mathjax_ignore"')
        assert shown.html.count("<div") == shown.html.count("</div>")
