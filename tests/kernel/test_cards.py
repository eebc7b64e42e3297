"""What the cards of a notebook say of a session."""

import pytest

from golem_launcher.kernel import cards
from golem_launcher.request import parse_request


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
