"""Validates the form's request, with messages beside its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from golem_launcher.request import LaunchRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from golem_launcher.errors import LauncherError, RequestError


def refusal(kind: str, errors: Sequence[RequestError]) -> dict[str, Any]:
    """The message of this ``kind``: a sentence for each field, and the fields that must not keep what they hold."""
    said = [[error.field, _sentence(error)] for error in errors]
    return {"kind": kind, "errors": said, "wipe": [error.field for error in errors if error.is_secret]}


def _sentence(error: LauncherError) -> str:
    """The error without the field's title, which stands above it anyway."""
    text = str(error)
    field = getattr(error, "field", None)
    if field in LaunchRequest.model_fields:
        text = text.removeprefix(f"{LaunchRequest.model_fields[field].title}: ")
    return text[:1].upper() + text[1:]
