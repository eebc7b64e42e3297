"""What a cell has put out, as a notebook has it."""

import json

import pytest

from golem_launcher.agent import cell_outputs
from golem_launcher.agent.cell_outputs import Cell, CellOutputs


def told(*messages):
    cell = Cell("c", "code", "page")
    for kind, content in messages:
        cell.take(kind, content, len(json.dumps(content)))
    return cell.told()


def printed(text, name="stdout"):
    return "stream", {"name": name, "text": text}


def shown(text, display=None):
    transient = {"display_id": display} if display else {}
    return "display_data", {"data": {"text/plain": text}, "metadata": {}, "transient": transient}


def test_what_is_printed_is_one_text_and_progress_bars_are_as_they_end():
    assert told(printed("a\n"), printed("b\n"), printed("oh", "stderr"), printed("c")) == [
        {"output_type": "stream", "name": "stdout", "text": "a\nb\n"},
        {"output_type": "stream", "name": "stderr", "text": "oh"},
        {"output_type": "stream", "name": "stdout", "text": "c"},
    ]
    (bar,) = told(printed("start\n"), *[printed(f"\r{number} %") for number in range(101)], printed("\r\nend\r\n"))
    assert bar["text"] == "start\n100 %\r\nend\r\n"


def test_what_is_cleared_is_gone_and_what_is_updated_is_new():
    clear, wait = ("clear_output", {"wait": False}), ("clear_output", {"wait": True})
    assert told(printed("a"), clear) == []
    assert [each["text"] for each in told(printed("a"), wait)] == ["a"]
    assert [each["text"] for each in told(printed("a"), wait, printed("b"))] == ["b"]
    update = ("update_display_data", {**shown("new")[1], "transient": {"display_id": "d"}})
    assert [each["data"]["text/plain"] for each in told(shown("old", "d"), shown("other"), update)] == ["new", "other"]


def test_a_flood_is_cut_and_a_progress_bar_of_days_is_none(monkeypatch):
    monkeypatch.setattr(cell_outputs, "_MOST_BYTES", 10_000)
    monkeypatch.setattr(cell_outputs, "_MOST_TEXT", 1000)
    flood = told(*[printed(100 * "x" + "\n") for _ in range(1000)])
    assert [each["name"] for each in flood] == ["stdout", "stderr"]
    assert len(flood[0]["text"]) <= 10_000
    assert "left out" in flood[1]["text"]
    (bar,) = told(*[printed(f"\r{number:100}") for number in range(1000)])
    assert bar["text"].strip() == "999"


@pytest.mark.parametrize("data", ["{}", b"", b"execute_request", 8 * b"\xff" + b"execute_request"])
def test_what_is_no_request_is_none(data):
    class Server:
        kernel_manager = None

    outputs = CellOutputs(Server())
    outputs.requested("k", data)
    assert outputs.unseen("k", "me", {}) == []
