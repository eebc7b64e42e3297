"""A node that answers at another address than before: all of a session that asks it goes there."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golem_launcher.session.context import Prepared


async def follow_node(session: Prepared) -> bool:
    """Whether the node, which does not answer, does so somewhere else; it is asked there from now on.

    For whoever waits for it. The endpoint of a machine is pointed anew by who has one.
    """
    node = await asyncio.to_thread(session.find_node)
    if node is None:
        return False
    session.connection.node = node
    os.environ.update(node.environment())
    session.rest.follow(node)
    session.engine.follow(node)
    session.recorder.message("The node answers at another address; the session goes on by it.", "warning")
    return True
