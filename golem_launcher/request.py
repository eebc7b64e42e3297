"""What a user asks for, defined once: the form, the command line, files and Python all read this definition."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from golem_launcher.errors import RequestError
from golem_launcher.networks import NETWORKS

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"


def _new_name() -> str:
    return f"lab-{secrets.token_hex(3)}"


class LaunchRequest(BaseModel):
    """One JupyterLab on one provider. Frozen; every limit and message about it lives here.

    ``json_schema_extra`` of a field holds what a form needs beside its limits: ``unit`` and ``step``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[
        str,
        Field(
            default_factory=_new_name,
            pattern=NAME_PATTERN,
            title="Name",
            description="Small letters, digits and dashes, at most 40 characters.",
        ),
    ]
    network: Annotated[str, Field(default="local", title="Network", description="Where to look for a provider.")]
    budget: Annotated[
        Decimal,
        Field(
            default=Decimal(1),
            gt=0,
            le=100_000,
            decimal_places=6,
            title="Budget",
            description="The most this session may ever cost.",
            json_schema_extra={"unit": "GLM", "step": "0.1"},
        ),
    ]
    hours: Annotated[
        Decimal,
        Field(
            default=Decimal(1),
            ge=Decimal("0.01"),
            le=24 * 30,
            decimal_places=4,
            title="Time",
            description="The session ends by itself after this time.",
            json_schema_extra={"unit": "hours", "step": "0.5"},
        ),
    ]
    cpus: Annotated[
        int, Field(default=1, ge=1, le=256, title="Cores", json_schema_extra={"unit": "cores", "step": "1"})
    ]
    memory_gib: Annotated[
        float,
        Field(default=1.0, ge=0.1, le=4096, title="Memory", json_schema_extra={"unit": "GiB", "step": "0.5"}),
    ]
    disk_gib: Annotated[
        float,
        Field(default=2.0, ge=0.1, le=65536, title="Disk", json_schema_extra={"unit": "GiB", "step": "1"}),
    ]

    @field_validator("network")
    @classmethod
    def _network_is_known(cls, value: str) -> str:
        if value not in NETWORKS:
            raise ValueError(f"there is no network '{value}'; there is {', '.join(NETWORKS)}")
        return value


def parse_request(values: dict[str, Any]) -> LaunchRequest:
    """A request from untyped values. Raises ``RequestError`` that names the first field at fault and its bound."""
    try:
        return LaunchRequest(**values)
    except ValidationError as error:
        raise next(iter(request_errors(error))) from None


def request_errors(error: ValidationError) -> list[RequestError]:
    """One readable error per field that a validation refused, in the order of the fields."""
    errors = []
    for detail in error.errors(include_url=False):
        field = str(detail["loc"][0]) if detail["loc"] else None
        title = LaunchRequest.model_fields[field].title if field in LaunchRequest.model_fields else field
        message = _message(detail["type"], detail.get("ctx", {}), detail["msg"])
        if detail["type"] == "string_pattern_mismatch" and field == "name":
            message = "must be small letters, digits and dashes (at most 40), like 'my-lab'"
        errors.append(RequestError(f"{title}: {message[:1].lower()}{message[1:]}.", field=field))
    return errors


_MESSAGES = {
    "missing": "is needed",
    "extra_forbidden": "is not known",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_max_places": "must have at most {decimal_places} digits after the point",
}
"""What is said of each way to be wrong; pydantic's own words for the others."""


def _message(kind: str, context: dict[str, Any], fallback: str) -> str:
    return _MESSAGES[kind].format(**context) if kind in _MESSAGES else fallback.removeprefix("Value error, ")
