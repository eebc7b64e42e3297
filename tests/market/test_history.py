from datetime import UTC, datetime, timedelta

import pytest

from golem_launcher import paths
from golem_launcher.market import history


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))


def test_failures_are_avoided_for_a_day_and_too_high_bills_until_forgotten():
    history.note_agreement("0x1", "good")
    history.note_failure("0x2", "\x1b[31mbad", "it hung\x07")
    history.note_overbilling("0x3", "dear", "it billed 10 GLM")
    records = history.read()
    assert [records[key].avoided() for key in ("0x1", "0x2", "0x3")] == ["", "", "it billed 10 GLM"]
    assert [records[key].failed_lately() for key in ("0x1", "0x2", "0x3")] == ["", "it hung", ""]
    assert records["0x2"].name == "bad"
    long_ago = datetime.now(UTC) - timedelta(days=1, minutes=1)
    assert records["0x2"].model_copy(update={"failed_at": long_ago}).failed_lately() == ""
    assert records["0x1"].reputation > 0.5 > records["0x2"].model_copy(update={"agreements": 1}).reputation
    assert history.forget("BAD") == 1
    assert history.forget("nobody") == 0
    assert set(history.read()) == {"0x1", "0x3"}
    assert history.forget() == 2
    assert history.read() == {}


def test_who_is_named_as_another_is_numbered_is_not_forgotten_with_it():
    for provider_id, name in (("0x1", "good"), ("0x2", "0X1")):
        history.note_overbilling(provider_id, name, "it billed 10 GLM")
    assert history.forget("0x1") == 1
    assert set(history.read()) == {"0x2"}
    assert history.forget("0x1") == 1, "nobody has it for an id"


def test_a_damaged_file_is_no_memory_and_no_trouble(tmp_path):
    (tmp_path / history.FILE).write_text('{"0x1": {"failures": "x"}, "0x2": {"name": "b"}}')
    assert set(history.read()) == {"0x2"}
    (tmp_path / history.FILE).write_text("[")
    assert history.read() == {}
    history.note_agreement("0x1", "a")
    assert history.read()["0x1"].agreements == 1


def test_a_demo_leaves_of_its_providers_what_was_remembered_before():
    history.note_agreement("0x1", "known")
    before = history.read()
    for provider_id in ("0x1", "0x2", "0x3"):
        history.note_agreement(provider_id, "any")
        history.note_failure(provider_id, "any", "it was killed")
    history.put_back({"0x1", "0x2", "None"}, before)
    assert set(history.read()) == {"0x1", "0x3"}
    assert history.read()["0x1"] == before["0x1"]
    assert history.read()["0x3"].failed_lately() == "it was killed"
