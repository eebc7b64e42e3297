"""Exports the form's request as command and file, without secrets, and imports a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from golem_launcher.request import LaunchRequest, request_errors
from golem_launcher.request.command import command
from golem_launcher.request.redaction import holds_secret, without_secrets
from golem_launcher.ui.form.fields import fresh, typed

if TYPE_CHECKING:
    from golem_launcher.errors import RequestError


def shared(request: LaunchRequest) -> dict[str, str]:
    """``command`` and ``yaml``; ``left_out`` says what could not be shown around."""
    from golem_launcher.request import yaml  # noqa: PLC0415 - the page is shown before this is needed

    clean, left_out = without_secrets(request)
    titles = ", ".join(str(LaunchRequest.model_fields[name].title) for name in left_out)
    return {
        "command": command(clean),
        "yaml": yaml.dump(clean),
        "left_out": f"Left out, because a password or key is in it: {titles}." if titles else "",
    }


def opened(text: str) -> tuple[dict[str, str | bool], list[RequestError]]:
    """A file's values as the form shows them, and what is wrong with them; wrong ones are shown too.

    Raises ``RequestError`` when the text is no request at all.
    """
    from golem_launcher.request import yaml  # noqa: PLC0415 - likewise

    values = yaml.load(text)
    errors: list[RequestError] = []
    try:
        shown = typed(LaunchRequest(**values))
    except ValidationError as error:
        known = {name: _as_typed(value) for name, value in values.items() if name in LaunchRequest.model_fields}
        shown, errors = fresh(known), request_errors(error)
        shown["name"] = str(known.get("name", shown["name"]))
    private = [name for name, value in shown.items() if name == "ssh_key" and holds_secret(str(value))]
    return {**shown, **dict.fromkeys(private, "")}, errors


def _as_typed(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else "\n".join(value)
