from __future__ import annotations

import pytest

from golem_launcher import files, paths
from golem_launcher.errors import RequestError
from golem_launcher.request import parse_request
from golem_launcher.ui.form import preferences


def test_the_last_choices_come_back_without_name_secrets_and_uploads() -> None:
    assert preferences.last_request() is None
    uploaded = str(preferences.uploads_directory() / "abc" / "data.csv")
    request = parse_request(
        {
            "name": "mine", "hours": 3, "inputs": ["~/a", uploaded, "https://me:secret@host/x"],
            "store": "s3://key:secret@bucket",
        }
    )  # fmt: skip
    preferences.remember(request)
    last = preferences.last_request()
    assert last is not None
    assert (last.hours, last.inputs, last.store) == (3, ("~/a",), None)
    assert last.name != "mine"
    (path,) = (paths.home() / "form").iterdir()
    assert "secret" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_presets_are_kept_by_title_and_can_be_removed() -> None:
    request = parse_request({"cpus": 8, "gpus": 1})
    assert preferences.save_preset("  big\x1b[31m \n one ", request) == "big one"
    preferences.save_preset("A small one", parse_request({}))
    assert list(preferences.presets()) == ["A small one", "big one"]
    assert preferences.presets()["big one"].cpus == 8
    preferences.remove_preset("A small one")
    preferences.remove_preset("none")
    assert list(preferences.presets()) == ["big one"]
    with pytest.raises(RequestError):
        preferences.save_preset("  ", request)


@pytest.mark.parametrize("kept", ["nonsense", [1], {"cpus": 4, "wings": 2, "hours": -1, "outbound": "listed"}])
def test_what_cannot_be_read_any_more_is_left_out(kept: object) -> None:
    preferences.remember(parse_request({}))
    files.write_json(paths.home() / "form" / "last.json", kept)
    files.write_json(paths.home() / "form" / "presets.json", {"one": kept})
    last = preferences.last_request()
    assert last is None or (last.cpus, last.hours, last.outbound) == (4, 1, "packages")
    assert list(preferences.presets()) == ["one"]
