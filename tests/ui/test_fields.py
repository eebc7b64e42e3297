from __future__ import annotations

import json

from golem_launcher.request import LaunchRequest
from golem_launcher.ui.fields import form_fields, fresh_defaults


def test_the_form_has_the_fields_of_the_request_in_its_order() -> None:
    fields = form_fields()
    shown = {field["name"] for field in fields}
    assert [field["name"] for field in fields] == [name for name in LaunchRequest.model_fields if name in shown]
    assert all(field["title"] and field["description"] for field in fields)
    json.dumps(fields)


def test_units_kinds_and_limits_come_from_the_definition() -> None:
    fields = {field["name"]: field for field in form_fields()}
    assert fields["name"]["kind"] == "text"
    assert fields["network"]["choices"] == [["local", "This computer"]]
    assert (fields["budget"]["kind"], fields["budget"]["unit"]) == ("number", "GLM")
    assert fields["cpus"]["description"] == "1 to 256 cores"


def test_the_defaults_are_a_valid_request_with_a_new_name_each_time() -> None:
    first, second = fresh_defaults(), fresh_defaults()
    assert first["name"] != second["name"]
    assert LaunchRequest(**first) == LaunchRequest(name=first["name"])
