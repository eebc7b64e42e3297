"""The form's fields, read from the one definition of a request: its titles, hints, limits, units and defaults."""

from __future__ import annotations

from typing import Any

from golem_launcher.networks import NETWORKS
from golem_launcher.request import LaunchRequest, parse_request


def form_fields() -> list[dict[str, Any]]:
    """One description per field of ``LaunchRequest``, in its order, as the form's script takes it (JSON values)."""
    properties = LaunchRequest.model_json_schema()["properties"]
    return [_field(name, properties[name]) for name in LaunchRequest.model_fields if _shown(properties[name])]


def fresh_defaults() -> dict[str, str]:
    """The values an untouched form shows, with a new name."""
    request = parse_request({})
    return {field["name"]: _plain(getattr(request, field["name"])) for field in form_fields()}


def _shown(schema: dict[str, Any]) -> bool:
    return schema["group"] in {"main", "machine"} and schema.get("default", "") is not None


def _field(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    info = LaunchRequest.model_fields[name]
    numeric = _number_schema(schema)
    field: dict[str, Any] = {
        "name": name,
        "title": info.title or name,
        "description": info.description or _range(numeric, schema.get("unit", "")),
        "unit": schema.get("unit", ""),
        "kind": "number" if numeric else "text",
        "step": schema.get("step"),
    }
    if name == "network":
        field["kind"] = "choice"
        field["choices"] = [[network.name, network.title] for network in NETWORKS.values()]
    return field


def _number_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The part of a field's JSON schema that speaks of a number; empty where there is none."""
    for part in (schema, *schema.get("anyOf", ())):
        if part.get("type") in {"number", "integer"}:
            return dict(part)
    return {}


def _range(numeric: dict[str, Any], unit: str) -> str:
    """The limits in words, for a field that says nothing else about itself."""
    low, high = numeric.get("minimum"), numeric.get("maximum")
    if low is None or high is None:
        return ""
    return f"{low:g} to {high:,g} {unit}".strip()


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
