"""A request as the ``golem-launcher start`` command, for a person to copy."""

from __future__ import annotations

import shlex
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.request.fields import option
from golem_launcher.units import number

if TYPE_CHECKING:
    from golem_launcher.request.launch_request import LaunchRequest


def command(request: LaunchRequest) -> str:
    """``golem-launcher start --name …`` with what differs from the defaults, quoted for a shell.

    An option for a list is given once an item.
    """
    words = ["golem-launcher", "start"]
    for name, value in request.changed().items():
        words += _words(option(name), value)
    return shlex.join(words)


def _words(option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option]  # it differs from its default, which is what the option says
    if isinstance(value, tuple):
        return [word for item in value for word in (option, item)]
    return [option, number(value) if isinstance(value, Decimal | float) else str(value)]
