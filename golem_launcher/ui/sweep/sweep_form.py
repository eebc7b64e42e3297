"""The part of the page that begins a sweep: a notebook, a form of its parameters, and the machine of the form above.

The notebook is a file of the user's that the browser sends. It is read here, and nothing of it is executed.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from golem_launcher import paths
from golem_launcher.agent.whole_number import whole
from golem_launcher.errors import LauncherError, RequestError
from golem_launcher.networks import NETWORKS, token_of
from golem_launcher.request.fields import DECIDED_BY_JOBS, most
from golem_launcher.ui.common.orders import Orders
from golem_launcher.units import counted, with_coin
from golem_launcher.untrusted_text import clean_line, clean_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from golem_launcher.request import LaunchRequest
    from golem_launcher.ui.sweep.view import SweepView

_MOST_PARAMETERS = 100
_MOST_WORKERS = int(most("machines"))
_WORKERS = "--workers"
"""The field of how many machines: no parameter can be called so."""
_UNREADABLE = "This is no notebook that can be read."


class SweepForm:
    """Asks for a sweep in ``view`` and begins it in the background. ``consider`` tells what the request form asks."""

    def __init__(self, view: SweepView) -> None:
        self.view = view
        self._orders = Orders(view.send)
        self._data = b""
        self._request: LaunchRequest | None = None
        self._acts: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {
            "here": view.here,
            "notebook": self._read,
            "consider": self._consider,
            "submit": self._submit,
        }

    async def receive(self, content: dict[str, Any]) -> None:
        """A message from a front end."""
        act = self._acts.get(str(content.get("kind")))
        if act is not None:
            await act(content)

    def consider(self, request: LaunchRequest | None) -> None:
        """The request form changed; ``None`` while it is not valid."""
        self._request = request
        self.view.base = _words(request) if request is not None else ""

    async def _read(self, content: dict[str, Any]) -> None:
        """A notebook, as bytes."""
        data = b"".join(bytes(buffer) for buffer in content.get("buffers") or ())
        name = clean_line(PurePath(str(content.get("name"))).stem) or "notebook"
        self._data, self.view.notebook = await asyncio.to_thread(_understood, name, data)

    async def _consider(self, content: dict[str, Any]) -> None:
        """What was typed changed: how many notebooks that makes, or what is wrong with it."""
        answer: dict[str, Any]
        try:
            answer = {"sets": len(await asyncio.to_thread(self._sets, content))}
        except RequestError as error:
            answer = {"wrong": [error.field or "", clean_line(error.what)], "of_name": _is_of_name(error)}
        self.view.send({"kind": "considered", "asked": content.get("asked"), **answer})

    async def _submit(self, content: dict[str, Any]) -> None:
        order = str(content.get("order"))
        if not self._orders.is_new(order):
            return
        try:
            name = await asyncio.to_thread(self._begin, content)
        except LauncherError as error:
            field = error.field if isinstance(error, RequestError) else None
            wrong = [field or "", clean_text(str(error))]
            self._orders.answer(order, {"kind": "refused", "wrong": wrong, "of_name": _is_of_name(error)})
        except BaseException:
            self._orders.answer(order, {"kind": "refused", "wrong": ["", "It did not work."], "of_name": False})
            raise  # it becomes a banner
        else:
            self._orders.answer(order, {"kind": "accepted", "name": name})

    def _begin(self, content: dict[str, Any]) -> str:
        """Make the job and have a command do it; its name. Blocking."""
        from golem_launcher.tasks import background, record  # noqa: PLC0415 - what a job needs shows no page
        from golem_launcher.tasks.sweep import keep_notebook, new_sweep  # noqa: PLC0415

        if not self._data:
            raise RequestError("There is no notebook.", "Choose one.", field="notebook")
        if self._request is None:
            raise RequestError("The form above has something to mend first.")
        asked = self._request.model_dump()
        fields = {field: asked[field] for field in asked if field not in DECIDED_BY_JOBS | {"name"}}
        sets = self._sets(content)
        name = record.new_name()
        sweep = new_sweep(
            str(self.view.notebook["name"]),
            sets,
            {**fields, "name": name},
            workers=_workers(content.get("workers")),
            inputs=self._request.inputs,
            output=paths.private_directory(paths.home() / "results") / name,
            stop_at_failure=content.get("stop_at_failure") is True,
        )
        directory = record.create(name, sweep.model_dump(mode="json"))
        try:
            keep_notebook(self._data, directory)
            background.begin(directory, "sweep")
        except BaseException:
            shutil.rmtree(directory.path, ignore_errors=True)  # nothing was begun
            raise
        return name

    def _sets(self, content: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """What was typed for the parameters, as sets of values. Raises ``RequestError``. Blocking."""
        from golem_launcher.tasks.parameters import check_names, sets_typed  # noqa: PLC0415

        given = content.get("parameters")
        typed = {str(name): str(text) for name, text in given.items()} if isinstance(given, dict) else {}
        sets = sets_typed(typed)
        if self._data:
            check_names(self._data, [typed])  # those without values yet, too
        return sets


def _is_of_name(error: LauncherError) -> bool:
    """Whether a parameter's name is what is wrong, and not its values."""
    from golem_launcher.tasks.parameters import ParameterNameError  # noqa: PLC0415

    return isinstance(error, ParameterNameError)


def _understood(name: str, data: bytes) -> tuple[bytes, dict[str, Any]]:
    """The notebook, and what the page shows of it. Blocking."""
    from golem_launcher.tasks.parameters import (  # noqa: PLC0415
        is_notebook,
        parameters_in,
        takes_others,
        unheeded,
    )

    if not is_notebook(data):
        return b"", {"name": name, "wrong": _UNREADABLE}
    found = [
        {field: clean_line(text) for field, text in asdict(one).items()}
        for one in parameters_in(data)[:_MOST_PARAMETERS]
    ]
    unnamed = "Its cell tagged 'parameters' names none in Python: name them here."
    note = "" if found else unheeded(data, [{"any": 0}]) or unnamed
    others = takes_others(data, [one["name"] for one in found])
    return data, {"name": name, "parameters": found, "takes_others": others, "note": note}


def _workers(typed: Any) -> int:
    number = whole(str(typed).strip())
    if number is None or not 1 <= number <= _MOST_WORKERS:
        raise RequestError(f"It must be a whole number of machines, 1 to {_MOST_WORKERS}.", field=_WORKERS)
    return number


def _words(request: LaunchRequest) -> str:
    network = NETWORKS[request.network].title if request.network in NETWORKS else request.network
    money = with_coin(request.budget, token_of(request.network))
    files = (
        f" {counted(len(request.inputs), 'file or folder', 'files and folders')} brought along."
        if request.inputs
        else ""
    )
    return clean_line(f"At most {money} for all of it, on: {network}. Each machine as in the form above.{files}")
