"""Backup and restoration of the identity that owns the wallet. Blocking."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from golem_launcher.errors import RequestError
from golem_launcher.node import probe
from golem_launcher.node.rest_client import BlockingRest

if TYPE_CHECKING:
    from golem_launcher.node.node import Node

_ADDRESS = re.compile(r"[0-9a-f]{40}")


def key_file(node: Node) -> str:
    """The keystore of the node's identity: whoever has it and its password has the money."""
    return str(BlockingRest(node).service("local/identity/GetKeyFile", probe.identity(node)))


def restore(node: Node, keystore: str) -> str:
    """Make the identity in a keystore the node's first one; its address. It counts from the node's next start on.

    Raises ``RequestError`` when this is no keystore, and ``NodeRefused``.
    """
    identity = address(keystore)
    rest = BlockingRest(node)
    listed = rest.service("local/identity/List", {})
    if identity not in {str(one.get("nodeId")).lower() for one in listed}:
        rest.service("local/identity/CreateGenerated", {"alias": None, "fromKeystore": keystore})
    rest.service("local/identity/Update", {"nodeId": identity, "alias": None, "setDefault": True})
    return identity


def address(keystore: str) -> str:
    """Whose keystore it is, ``0x…`` in small letters. Raises ``RequestError`` when this is none."""
    try:
        value = json.loads(keystore)
        found = str(value["address"]).lower().removeprefix("0x") if "crypto" in value else ""
    except (ValueError, TypeError, LookupError, RecursionError):
        found = ""
    if not _ADDRESS.fullmatch(found):
        raise RequestError(
            "This is no keystore of an identity.", "Give a file that `identity backup` or `yagna id export` wrote."
        )
    return f"0x{found}"
