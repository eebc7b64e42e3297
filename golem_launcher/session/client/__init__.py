"""What page, commands and Python do with sessions. Everything here blocks: call it from a thread where a loop runs.

Nobody here holds a session: its supervisor does. These functions start supervisors and talk to them.
"""

from golem_launcher.session.client.commands import (
    await_move,
    benchmark,
    borrow,
    cluster,
    extend,
    has_moved,
    keep_running,
    move,
    quote_of_move,
    save,
    share,
    unshare,
)
from golem_launcher.session.client.ending import ask_to_stop, await_end, stop
from golem_launcher.session.client.finding import find, followed, saving_of, wait_for
from golem_launcher.session.client.removing import bring_back, remove, remove_past
from golem_launcher.session.client.starting import (
    check_name,
    check_unused,
    ending_before,
    start,
    with_absolute_paths,
)
from golem_launcher.session.on_disk.session_report import damaged, describe, link, view_only_url

__all__ = [
    "ask_to_stop",
    "await_end",
    "await_move",
    "benchmark",
    "borrow",
    "bring_back",
    "check_name",
    "check_unused",
    "cluster",
    "damaged",
    "describe",
    "ending_before",
    "extend",
    "find",
    "followed",
    "has_moved",
    "keep_running",
    "link",
    "move",
    "quote_of_move",
    "remove",
    "remove_past",
    "save",
    "saving_of",
    "share",
    "start",
    "stop",
    "unshare",
    "view_only_url",
    "wait_for",
    "with_absolute_paths",
]
