"""``golem-launcher demo``: a provider dies before your eyes, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any

from golem_launcher.cli.terminal.command_io import Json, print_json, progress, reports_errors
from golem_launcher.errors import SessionError
from golem_launcher.events import Stage
from golem_launcher.units import coins, duration

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session.reporting.progress_lines import ProgressLines
    from golem_launcher.session_state import SessionState

_FILE = "precious.txt"
_MOST_SECONDS = 300.0


def add_commands(app: typer.Typer) -> None:
    """Add this module's command to the command line."""
    app.command("demo")(reports_errors(demo))


def demo(*, json: Json = False) -> None:
    """Rent a machine on this computer's network, kill it, and see the session go on elsewhere with nothing lost.

    Takes about a minute and costs nothing; what it starts, it ends. The network stays up for what you do next.

    Example: golem-launcher demo
    """
    from golem_launcher.localnet import network, power_cut
    from golem_launcher.market import history
    from golem_launcher.request import parse_request
    from golem_launcher.session import client
    from golem_launcher.session.reporting.progress_lines import ProgressLines

    tell = progress
    tell("A whole Golem network of this computer, with three providers …")
    running = network.up()
    before, met = history.read(), set[str]()
    name, progress_lines = f"demo-{secrets.token_hex(2)}", ProgressLines()
    directory = client.start(parse_request({"name": name, "hours": "0.5"}))
    try:
        state, seconds = _until(directory, progress_lines, lambda state: state.stage is Stage.READY)
        first = state.head.provider_name
        met.add(str(state.head.provider_id))
        tell(f"JupyterLab answers after {duration(seconds)}, inside the provider {first}: {directory.url()}")
        text = f"Written at {time.strftime('%H:%M:%S')}, with a mark: {secrets.token_hex(8)}\n"
        _lab(directory, "PUT", {"type": "file", "format": "text", "content": text})
        saved = client.save(name)
        tell(f"There, {_FILE} is written: {text.strip()!r}. It is saved on this computer (save {saved['generation']}).")
        dead = str(state.head.activity_id)
        killed = power_cut.kill_activity(running, dead)
        tell(f"Now the machine dies: all of its {killed} processes are killed at once …")
        lost, noticed = _until(directory, progress_lines, lambda state: state.providers_lost > 0)
        tell(f"Noticed after {duration(noticed)}. {lost.reason}")
        state, back = _until(directory, progress_lines, lambda state: _is_back(state, dead))
        second = state.head.provider_name
        tell(f"JupyterLab answers again after {duration(noticed + back)}, at the same address, inside {second}.")
        found = _lab(directory, "GET")["content"]
        if found != text:
            raise SessionError(f"{_FILE} is not as it was: {found!r}.", f"See: golem-launcher logs {name}")
        tell(f"{_FILE} is there as it was: {found.strip()!r}.")
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            tell("The session is ended …")
            state = client.stop(name, force=True)
            history.put_back({*met, str(state.head.provider_id)}, before)  # nobody failed whom we kill
    if json:
        print_json({"first": first, "second": second, "noticed": noticed, "back": noticed + back, "cost": state.cost})
    else:
        tell(
            f"That is all. Where money is paid, it would have cost {coins(state.cost)} GLM. Yours: golem-launcher page"
        )


def _until(
    directory: SessionDirectory, progress_lines: ProgressLines, there: Callable[[SessionState], bool]
) -> tuple[SessionState, float]:
    """Wait for a state; after how many seconds it was there. Each stage on the way is told."""
    from golem_launcher.session import client

    began = time.monotonic()

    def told(state: SessionState) -> bool:
        if there(state):
            return True
        if state.stage is not Stage.READY:
            for line in progress_lines.lines(state):
                progress(f"  {line}")
        return False

    state = client.wait_for(directory, told, _MOST_SECONDS)
    if state is None:
        raise SessionError(f"The session '{directory.name}' did not go on. {directory.state().reason}".rstrip())
    return state, time.monotonic() - began


def _is_back(state: SessionState, dead: str) -> bool:
    return state.stage is Stage.READY and state.head.activity_id not in {None, dead}


def _lab(directory: SessionDirectory, method: str, body: Any = None) -> Any:
    """Write or read the file by JupyterLab's own API."""
    from golem_launcher.kernel.remote_kernel import LabClient

    async def ask() -> Any:
        lab = LabClient(directory)
        try:
            return await lab.ask(method, f"/api/contents/{_FILE}", body, seconds=30.0)
        finally:
            await lab.aclose()

    return asyncio.run(ask())
