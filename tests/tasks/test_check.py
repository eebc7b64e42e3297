"""What the user's check says of a result, whatever it does."""

import asyncio
import json

import pytest

import golem_launcher
from golem_launcher import paths
from golem_launcher.tasks.payload import Answer, TaskOutput
from tests.patience import slower


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    monkeypatch.chdir(tmp_path)


class Undecided:
    def __bool__(self):
        raise ValueError("The truth value is ambiguous.")


def raising(error):
    def check(_value):
        raise error

    return check


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (lambda value: value > 1, "the check raised TypeError: '>' not supported between"),
        (lambda _: Undecided(), "the check raised ValueError: The truth value is ambiguous."),
        (raising(StopIteration()), "the check raised StopIteration"),
        (raising(KeyError("two\nlines")), "the check raised KeyError: 'two"),
        (lambda _: False, "the check did not take it"),
        (lambda value: value == "odd", ""),
    ],
)
def test_what_a_check_raises_is_a_reason_not_to_take_a_result(check, said):
    data = json.dumps("odd").encode()
    answer = Answer(0, False, 0.0, b"", (TaskOutput("value.json", len(data), "", data),))
    executor = golem_launcher.Executor(1, network="local", check=check)
    found = asyncio.run(asyncio.wait_for(executor.check(0, answer), 60 * slower()))
    assert found.startswith(said)
    assert bool(found) == bool(said)
    assert "\n" not in found
