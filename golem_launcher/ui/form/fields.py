"""Builds the form's fields from the definition of a request.

What the definition cannot say stands here: the groups' words, and what the tiles of networks and software show.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.market.local_settlement import as_it_is
from golem_launcher.networks import NETWORKS
from golem_launcher.request import LaunchRequest, parse_request
from golem_launcher.request.fields import NAMES, about, is_list, numbers, title
from golem_launcher.request.typed_numbers import with_point
from golem_launcher.software import SMALLEST, SOFTWARE
from golem_launcher.units import number
from golem_launcher.workload import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.networks import Network
    from golem_launcher.software import Software
    from golem_launcher.workload.base import Workload

GROUPS = {
    "main": ("Session", ""),
    "machine": ("Machine", "At least so much. Larger ones are taken too when they cost less."),
    "software": ("Environment", ""),
    "files": ("Files", "The provider's owner could read what runs there: bring no secrets."),
    "machines": ("More than one machine", ""),
    "advanced": ("Advanced", ""),
}
"""The groups of fields in their order: title, and a line for newcomers."""
_FOLDED = {"machines", "advanced"}
"""What few need, shown when it is asked for."""

_LINES = {"lines", "packages"}
"""The controls in which one writes one item a line."""
_MONEY = {"none": "no money", "test": "test money", "real": "real money"}


def form_groups() -> list[dict[str, Any]]:
    """The groups with one description per field of ``LaunchRequest``, as the form's script takes them (JSON values)."""
    properties = LaunchRequest.model_json_schema()["properties"]
    fields = [field for name in NAMES if _is_asked_for(field := _field(name, properties[name]))]
    return [
        {
            "name": group,
            "title": words,
            "sentence": sentence,
            "folded": group in _FOLDED,
            "fields": [field for field in fields if field["group"] == group],
        }
        for group, (words, sentence) in GROUPS.items()
    ]


def typed(request: LaunchRequest) -> dict[str, str | bool]:
    """The request as the form shows it: text, one item a line for lists, and booleans."""
    return {name: _typed(getattr(request, name)) for name in NAMES}


def fresh(values: Mapping[str, str | bool] | None = None) -> dict[str, str | bool]:
    """The values of an untouched form, or ``values``, with a new name."""
    defaults = typed(parse_request({}))
    return {**defaults, **(values or {}), "name": defaults["name"]}


def read_typed(values: object) -> dict[str, Any]:
    """What was typed, for :func:`golem_launcher.request.parse_request`. An optional field left empty is not given."""
    given: dict[str, Any] = {}
    for name, value in values.items() if isinstance(values, dict) else ():
        default = LaunchRequest.model_fields[name].default if name in LaunchRequest.model_fields else ...
        if isinstance(default, tuple) and isinstance(value, str):
            given[name] = [line.strip() for line in value.splitlines() if line.strip()]
        elif isinstance(value, str):
            if value.strip() or default is not None:
                given[name] = with_point(value.strip()) if name in numbers() else value.strip()
        else:
            given[name] = value
    return given


def _field(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    info, itself = LaunchRequest.model_fields[name], about(name)
    numeric = _number_schema(schema)
    kind = itself.kind or _kind(name, schema, numeric)
    described = info.description or _range(numeric, itself.unit)
    return {
        "name": name,
        "title": title(name),
        "description": f"{described} One a line." if kind in _LINES else described,
        "group": itself.group,
        "unit": itself.unit,
        "kind": kind,
        "options": _options(name),
        "when": dict(itself.when) or None,
        "example": itself.example,
        "default": _typed(LaunchRequest.model_fields[name].get_default()),
    }


def _is_asked_for(field: dict[str, Any]) -> bool:
    """Whether there is anything to choose: of workloads there may be one alone."""
    return field["kind"] != "choice" or len(field["options"]) > 1


def _kind(name: str, schema: dict[str, Any], numeric: dict[str, Any]) -> str:
    if about(name).choices:
        return "choice"
    if is_list(name):
        return "lines"
    if schema.get("type") == "boolean":
        return "check"
    return "number" if numeric else "text"


def _options(name: str) -> list[dict[str, Any]]:
    """Choices: ``value``, ``title``; for some a ``sentence``, ``badge``, ``token``, the ``least`` of fields."""
    if name == "network":
        return [
            {
                **_words(network),
                "badge": _MONEY[network.money],
                "mood": network.money,
                "token": network.token,
                "implies": {"software": parse_request({"network": network.name}).software_taken},
            }
            for network in map(as_it_is, NETWORKS.values())
        ]
    if name == "software":
        return [{**_words(choice), "least": {"gpus": 1} if choice.gpu else {}} for choice in SOFTWARE.values()]
    if name == "workload":
        lab = LaunchRequest.model_fields["workload"].default
        return [
            {**_words(one), "implies": {} if one.name == lab else {"software": SMALLEST}} for one in registry.usable()
        ]
    return [{"value": value, "title": words} for value, words in about(name).choices.items()]


def _words(choice: Network | Software | Workload) -> dict[str, Any]:
    return {"value": choice.name, "title": choice.title, "sentence": choice.sentence}


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


def _typed(value: Any) -> str | bool:
    if value is None:
        return ""
    if isinstance(value, bool):
        return value
    if isinstance(value, tuple):
        return "\n".join(value)
    return number(value) if isinstance(value, float | Decimal) else str(value)
