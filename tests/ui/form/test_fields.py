from __future__ import annotations

import json
from typing import Any

import pytest

from golem_launcher.errors import RequestError
from golem_launcher.networks import NETWORKS
from golem_launcher.request import LaunchRequest, parse_request
from golem_launcher.software import SOFTWARE
from golem_launcher.ui.form.fields import form_groups, fresh, read_typed, typed

_WHOLE = parse_request(
    {
        "name": "whole", "budget": "2.5", "price_per_hour": "0.1", "hours": 3, "cpus": 2, "memory_gib": 4.5, "gpus": 1,
        "gpu_model": "RTX", "gpu_memory_gib": 24, "software": "gpu", "packages": ["numpy", "pandas>=2"],
        "inputs": ["~/my files", "b"], "resume": "old@3", "choose": "random", "allow": ["0x1"], "outbound": "listed",
        "outbound_urls": ["https://a.example"], "save": False, "kernel_state": False, "encrypt": True, "recover": False,
        "lab_extensions": False,
    }
)  # fmt: skip


def _fields() -> dict[str, dict[str, Any]]:
    return {field["name"]: field for group in form_groups() for field in group["fields"]}


def test_what_is_said_of_a_wrong_name_does_not_stand_below_it_already() -> None:
    with pytest.raises(RequestError) as refused:
        parse_request({"name": "My Lab"})
    said, below = str(refused.value).lower(), _fields()["name"]["description"].lower()
    assert "small letters" in said
    assert not [words for words in below.rstrip(".").split(", ") if words in said]


def test_the_form_has_every_field_of_the_request_in_its_group() -> None:
    assert set(_fields()) == set(LaunchRequest.model_fields) - {"workload"}  # there is but one
    assert all(field["title"] and field["description"] for field in _fields().values())
    json.dumps(form_groups())


def test_units_kinds_limits_and_choices_come_from_the_definition() -> None:
    fields = _fields()
    assert [option["value"] for option in fields["network"]["options"]] == list(NETWORKS)
    assert [option["value"] for option in fields["software"]["options"]] == list(SOFTWARE)
    suggested = {option["value"]: option["implies"]["software"] for option in fields["network"]["options"]}
    assert (suggested["local"], suggested["polygon"]) == ("base", "sklearn")
    assert (fields["budget"]["kind"], fields["budget"]["unit"]) == ("number", "GLM")
    assert fields["cpus"]["description"] == "1 to 256 cores"
    assert (fields["allow"]["kind"], fields["save"]["kind"], fields["gpu_model"]["kind"]) == ("lines", "check", "text")
    for name in ("choose", "outbound"):
        allowed = LaunchRequest.model_json_schema()["properties"][name]["enum"]
        assert {option["value"] for option in fields[name]["options"]} == set(allowed)


def test_fields_that_depend_on_others_name_values_that_those_can_have() -> None:
    fields, untouched = _fields(), fresh()
    for field in fields.values():
        if when := field["when"]:
            options = {option["value"] for option in fields[when["field"]]["options"]}
            assert set(when.get("is", ())) <= options | {True, ""}
            assert when["field"] in untouched


def test_what_is_shown_is_read_back_the_same() -> None:
    assert LaunchRequest(**read_typed(typed(_WHOLE))) == _WHOLE
    assert read_typed("nonsense") == {}


def test_the_defaults_are_a_valid_request_with_a_new_name_each_time() -> None:
    first, second = fresh(), fresh()
    assert first["name"] != second["name"]
    assert LaunchRequest(**read_typed(first)) == LaunchRequest(name=first["name"])
    assert fresh(typed(_WHOLE))["inputs"] == "~/my files\nb"


@pytest.mark.parametrize(
    ("typed_as", "read"), [("1,5", "1.5"), (",25", "0.25"), ("1,500", "1,500"), ("1,2,3", "1,2,3")]
)
def test_a_comma_is_a_point_in_numbers_where_nothing_else_can_be_meant(typed_as: str, read: str) -> None:
    assert read_typed({"hours": typed_as, "budget": typed_as, "gpu_model": typed_as}) == {
        "hours": read,
        "budget": read,
        "gpu_model": typed_as,
    }
