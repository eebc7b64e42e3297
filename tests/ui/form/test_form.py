from __future__ import annotations

import asyncio
import textwrap
from typing import TYPE_CHECKING, Any

import ipywidgets
import pytest

from golem_launcher.errors import RequestError
from golem_launcher.session.supervision import loaded_ahead
from golem_launcher.ui.form import preferences
from golem_launcher.ui.form.fields import fresh
from golem_launcher.ui.form.form import RequestForm
from golem_launcher.ui.form.view import FormView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from golem_launcher.request import LaunchRequest

_PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----"


class _Page:
    """A form with what its front end was told and what was started."""

    def __init__(self) -> None:
        self.orders = 0
        self.told: list[dict[str, Any]] = []
        self.started: list[LaunchRequest] = []
        self.considered: list[LaunchRequest | None] = []
        told = self.told

        class View(FormView):
            def send(self, content: dict[str, Any], buffers: Any = None) -> None:
                assert buffers is None
                told.append(content)

        self.form = RequestForm(View(), on_request=self._start, on_change=self.considered.append, on_mend=lambda: None)

    async def _start(self, request: LaunchRequest) -> None:
        if request.name == "taken":
            raise RequestError("A session 'taken' is alive.", field="name")
        self.started.append(request)

    def say(self, kind: str, **content: Any) -> dict[str, Any]:
        """Send a message; the last answer."""
        self.orders += 1
        asyncio.run(self.form.receive({"kind": kind, "order": str(self.orders), **content}))
        return self.told[-1] if self.told else {}


@pytest.fixture
def page() -> Iterator[_Page]:
    page = _Page()
    yield page
    page.form.view.close()


def test_a_good_request_is_started_and_remembered(page: _Page) -> None:
    answer = page.say("submit", values={**fresh(), "cpus": "4", "packages": "numpy\n\n", "save": False})
    assert answer["kind"] == "accepted"
    assert answer["name"] != page.started[0].name
    assert (page.started[0].cpus, page.started[0].packages, page.started[0].save) == (4, ("numpy",), False)
    assert _Page().form.view.values["cpus"] == "4"


def test_what_a_session_needs_loads_while_the_pointer_comes_to_start(
    page: _Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    monkeypatch.setattr(loaded_ahead, "begin", lambda: begun.append("begun"))
    page.say("consider", values=fresh(), asked=1)
    assert begun == []
    page.say("near")
    assert begun == ["begun"]


def test_a_requirements_file_becomes_lines_of_the_field_with_what_is_left_out_as_comments(page: _Page) -> None:
    answer = page.say("requirements", buffers=[memoryview("numpy\r\n-e .\r\n".encode("utf-16"))])
    assert answer["text"].splitlines()[0] == "numpy"
    assert answer["text"].splitlines()[1].startswith("# left out, line 2, '-e .': ")
    assert page.say("submit", values={**fresh(), "packages": answer["text"]})["kind"] == "accepted"
    assert page.say("requirements", buffers=[b"\0\0"])["wrong"]


def test_a_bad_one_is_not_and_each_field_says_why(page: _Page) -> None:
    answer = page.say("submit", values={**fresh(), "cpus": "many", "allow": "a\n" * 101, "outbound": "listed"})
    assert answer["errors"] == [
        ["cpus", "Must be a whole number."],
        ["allow", "Can have at most 100 entries."],
        ["outbound_urls", "'listed' needs at least one address it may reach."],
    ]
    assert page.say("submit", values={**fresh(), "name": "taken"})["errors"] == [
        ["name", "A session 'taken' is alive."]
    ]
    assert page.say("submit", values="nonsense")["kind"] == "accepted"
    assert len(page.started) == 1


def test_an_order_that_is_heard_twice_starts_one_session_and_is_answered_again(page: _Page) -> None:
    answer = page.say("submit", order="one", values={**fresh(), "name": "mine"})
    assert page.say("submit", order="two", values={**fresh(), "name": "taken"})["kind"] == "refused"
    assert page.say("submit", order="one", values={**fresh(), "name": "mine"}) == answer
    assert [request.name for request in page.started] == ["mine"]


def test_a_view_that_says_it_is_there_gets_everything_then_the_word_that_it_has_it(page: _Page) -> None:
    sent: list[Any] = []
    page.form.view.send_state = sent.append
    assert page.say("here", view="v", turn=3) == {"kind": "here", "view": "v", "turn": 3}
    assert {"values", "presets", "shared", "offers", "workspaces"} <= set(sent[0])
    assert not any(name.startswith("_") for name in sent[0])


def test_a_private_key_is_refused_wiped_and_nowhere(page: _Page) -> None:
    for kind in ("submit", "consider"):
        answer = page.say(kind, values={**fresh(), "ssh_key": _PRIVATE})
        assert answer["wipe"] == ["ssh_key"]
        assert "private key" in answer["errors"][0][1]
    answer = page.say("open file", text="ssh_key: |\n" + textwrap.indent(_PRIVATE, "  "))
    assert page.told[-2]["values"]["ssh_key"] == ""
    assert page.started == []
    assert "b3BlbnNz" not in str(page.told) + str(ipywidgets.Widget.get_manager_state())


def test_while_typing_it_says_what_is_wrong_and_what_to_copy(page: _Page) -> None:
    answer = page.say("consider", values={**fresh(), "name": "mine", "store": "redis://:hush@host", "gpus": "1"})
    assert (answer["kind"], answer["errors"]) == ("considered", [])
    assert page.form.view.shared["command"] == "golem-launcher start --name mine --gpus 1"
    assert "Where saves are kept" in page.form.view.shared["left_out"]
    assert "hush" not in str(ipywidgets.Widget.get_manager_state())
    page.say("consider", values={**fresh(), "hours": "0"})
    assert [request and request.gpus for request in page.considered] == [1, None]


def test_presets_and_files_fill_the_form(page: _Page) -> None:
    assert page.say("save preset", title="Mine", values={**fresh(), "hours": "7"}) == {
        "kind": "preset",
        "title": "Mine",
    }
    assert page.form.view.presets == ["Mine"]
    assert page.say("load preset", title="Mine")["values"]["hours"] == "7"
    page.say("remove preset", title="Mine")
    assert page.form.view.presets == []
    assert preferences.presets() == {}
    assert page.say("save preset", title="Bad", values={"hours": "x"})["errors"][0][0] == "hours"

    answer = page.say("open file", text="name: mine\nbudget: 2\nencrypt: yes")
    assert (answer["values"]["name"], answer["values"]["budget"], answer["values"]["encrypt"]) == ("mine", "2", True)
    answer = page.say("open file", text="name: Not This\ncpus: [1, 2]\nwings: 2")
    assert page.told[-2]["values"]["cpus"] == "1\n2"
    assert [name for name, _ in answer["errors"]] == ["name", "cpus", "wings"]
    assert page.say("open file", text="a: &x\nb: *x")["kind"] == "not opened"
