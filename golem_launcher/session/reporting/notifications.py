"""Tells the user elsewhere, by e-mail, a messenger or a webhook, that a session is ready, lost, unused, or has ended.

Off until addresses are given. They hold passwords: they are in one file of the user's own, and in no session's. A
process of its own sends, which loads what a session needs not, and keeps no session waiting.
"""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from golem_launcher import files, own_modules, paths, processes
from golem_launcher.errors import LauncherError
from golem_launcher.networks import token_of
from golem_launcher.units import coins, counted
from golem_launcher.untrusted_text import clean_line

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.session.on_disk.directory import SessionDirectory
    from golem_launcher.session_state import SessionState

_LOG = logging.getLogger(__name__)
Kind = Literal["ready", "lost", "idle", "gpu", "ended"]
_FILE = "notify.json"
_LONGEST_LINE = 300
_MARKUP = str.maketrans(dict.fromkeys("<>[]()@`*_|~#", " "))
"""What messengers make a link, a mention of everybody, or a picture of."""


def addresses() -> list[str]:
    """The addresses at which the user wants to be told, in Apprise's form. They are secrets."""
    found = files.read_json(_file())
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def add(address: str) -> None:
    """Keep another address. Raises ``LauncherError`` when it is none, or Apprise is not installed."""
    if not _apprise().add(address):
        raise LauncherError(
            "That is no address that Apprise knows.", "Like mailto://user:password@example.org, or json://host/path."
        )
    files.write_json(_file(), [*dict.fromkeys([*addresses(), address])])


def forget() -> int:
    """Forget all addresses; how many there were."""
    count = len(addresses())
    _file().unlink(missing_ok=True)
    return count


def shown() -> list[str]:
    """The addresses with passwords and tokens left out, for `golem-launcher notify` to show."""
    client = _apprise()
    for one in addresses():
        client.add(one)
    return [clean_line(service.url(privacy=True)) for service in client]


def send(title: str, body: str) -> bool:
    """Send a message to all addresses; whether every service took it. Blocks up to a minute or so."""
    client = _apprise()
    for one in addresses():
        client.add(one)
    return bool(client.notify(title=title, body=body, body_format="text"))  # which becomes no markup in a mail


def begin(directory: SessionDirectory, kind: Kind) -> None:
    """Start a process that tells of a session as it is now. Where none can be started, the log says so."""
    if not _file().exists():
        return
    try:
        command = own_modules.command("golem_launcher.session.reporting.notifications", directory.name, kind)
        processes.spawn_ours(command, log=directory.supervisor_log, cwd=paths.home())
    except OSError:
        _LOG.exception("nobody could be told")


def words(state: SessionState, kind: Kind) -> tuple[str, str]:
    """Title and text of what is told. No link: it has the token in it."""
    token, name = token_of(state.network), state.name
    costs = f"It cost {coins(state.cost)} of {coins(state.budget)} {token} so far."
    if kind == "ready":
        ends = f" It ends at {state.deadline.astimezone():%H:%M %Z} by itself." if state.deadline else ""
        where = _plain(state.head.provider_name)
        return f"'{name}' is ready", f"It runs at {where}.{ends} Open it: golem-launcher open {name}"
    if kind == "lost":
        notice = state.notices[-1] if state.notices else "Another provider is looked for, with the last save."
        return f"'{name}' lost its provider", f"{_plain(notice)} {costs}"
    if kind == "idle":
        return f"'{name}' is idle", f"{_plain(state.idle)} Keep it running: golem-launcher keep-running {name}"
    if kind == "gpu":
        return f"'{name}' handed its GPU back", f"{_plain(state.notices[-1] if state.notices else '')} {costs}".strip()
    saving = state.saving
    saved = f"{counted(saving.files, 'file is', 'files are')} saved." if saving and saving.generation else ""
    reason = _plain(state.reason)
    return f"'{name}' {state.stage.value}", " ".join(filter(None, (reason, costs.replace(" so far", ""), saved)))


def _plain(text: str | None) -> str:
    """What may have words of a provider in it, as one line without any markup."""
    return " ".join(clean_line(text or "", longest=_LONGEST_LINE).translate(_MARKUP).replace("://", " ").split())


def _file() -> Path:
    return paths.home() / _FILE


def _apprise() -> Any:
    if find_spec("apprise") is None:
        raise LauncherError("Apprise is not installed.", "Install it: pip install apprise")
    import apprise  # noqa: PLC0415 - a hundred services that nobody else needs

    return apprise.Apprise()


def main() -> int:
    """Tell of the session and the occasion that the arguments name."""
    from golem_launcher.session.on_disk.directory import session_directory  # noqa: PLC0415 - who records a session knows it

    name, kind = sys.argv[1:]
    title, body = words(session_directory(name).state(), kind)  # type: ignore[arg-type]
    if not send(title, body):
        sys.stderr.write(f"Not everybody could be told that {title}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
