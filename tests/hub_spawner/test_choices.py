"""What users of a hub may choose, and the form that they see."""

from __future__ import annotations

from decimal import Decimal

import pytest

from golem_launcher.errors import RequestError
from golem_launcher.hub_spawner.choices import NEVER, Choices, from_form
from golem_launcher.hub_spawner.form import form
from golem_launcher.hub_spawner.user_store import of_user
from golem_launcher.request.fields import NAMES

_CHOICES = Choices(
    settings={"disk_gib": 5, "hours": 2},
    profiles={
        "small": {"title": "Small", "memory_gib": 2},
        "gpu": {"title": "<GPU>", "gpus": 1, "hours": 1, "description": "one & only"},
    },
    fields=("hours", "budget", "packages", "save", "outbound"),
    limits={"hours": 8, "budget": "1.5"},
)


def test_the_profile_sets_what_the_user_does_not() -> None:
    plain = _CHOICES.request("ann", {})
    assert (plain.name, plain.disk_gib, plain.memory_gib, plain.hours) == ("ann", 5, 2, 2)
    chosen = _CHOICES.request("ann", {"profile": "gpu", "budget": "0.5", "packages": ["numpy", "scipy"]})
    assert (chosen.gpus, chosen.hours, chosen.budget) == (1, 1, Decimal("0.5"))
    assert chosen.packages == ("numpy", "scipy")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hours": "9"}, "at most 8 on this hub"),
        ({"hours": 8.5}, "at most 8 on this hub"),
        ({"budget": "1.51"}, "at most 1.5 on this hub"),
        ({"hours": "-1"}, "at least"),
        ({"memory_gib": 64}, "does not let its users choose"),
        ({"inputs": ["/etc/passwd"]}, "does not let its users choose"),
        ({"store": "/somewhere"}, "does not let its users choose"),
        ({"name": "another"}, "does not let its users choose"),
        ({"nothing": 1}, "does not let its users choose"),
        ({"profile": "huge"}, "no such profile"),
        ({"packages": ["x" * 30_000]}, "too long"),
    ],
)
def test_what_was_not_offered_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        _CHOICES.request("ann", options)


@pytest.mark.parametrize("name", sorted(NEVER))
def test_places_of_the_hubs_own_computer_are_never_offered(name: str) -> None:
    with pytest.raises(RequestError, match="can't be a user's"):
        Choices(fields=(name,))


def test_settings_that_make_no_sense_are_refused_when_the_hub_starts() -> None:
    for wrong in (
        {"fields": ("colour",)},
        {"limits": {"colour": 3}},
        {"limits": {"idle": "2h"}},
        {"profiles": {"bad": {"cpus": 0}}},
        {"profiles": {"slip": {"title": "A slip", "memory": 2}}},
    ):
        with pytest.raises(RequestError):
            Choices(**wrong)


@pytest.mark.parametrize(
    ("store", "own"),
    [
        (None, None),
        ("/srv/saves/", "/srv/saves/ann"),
        ("s3://bucket", "s3://bucket/ann"),
        ("sftp://u:p@host/saves", "sftp://u:p@host/saves/ann"),
    ],
)
def test_each_user_has_a_place_of_their_own_in_a_common_store(store: str | None, own: str | None) -> None:
    assert of_user(store, "ann") == own


def test_a_common_store_without_folders_is_refused_when_the_hub_starts() -> None:
    for settings in ({"store": "redis://host"}, {"store": "s3://bucket?version=1"}):
        with pytest.raises(RequestError, match="each user"):
            Choices(settings=settings)


def test_the_form_is_escaped_limited_and_filled_in() -> None:
    text = form(_CHOICES, {"profile": "gpu", "budget": "0.7", "packages": ["a<b", "c"], "hours": "", "memory_gib": 3})
    assert "&lt;GPU&gt;" in text
    assert "one &amp; only" in text
    assert 'value="gpu" checked' in text
    assert 'value="small" checked' not in text
    assert "a&lt;b\nc" in text
    assert 'value="0.7" min="0" step="any" max="1.5"' in text
    assert 'name="memory_gib"' not in text
    assert '<option value="packages" selected>' in text
    for field in _CHOICES.fields:
        assert f'name="{field}"' in text
        assert f'for="field-{field}"' in text


def test_every_field_has_a_control() -> None:
    names = tuple(name for name in NAMES if name not in NEVER)
    text = form(Choices(fields=names), {})
    assert all(f'name="{name}"' in text for name in names)


def test_a_form_comes_back_as_options() -> None:
    sent = {
        "profile": ["gpu"],
        "hours": [" 3 "],
        "budget": [""],
        "packages": ["numpy\r\n\r\n pandas "],
        "memory_gib": ["9"],
    }
    options = from_form(_CHOICES, sent)
    assert options == {"profile": "gpu", "hours": "3", "packages": ["numpy", "pandas"], "save": False}
    request = _CHOICES.request("ann", options)
    assert (request.hours, request.save) == (3, False)
    assert form(_CHOICES, options).count(" checked") == 1  # the profile; the box is not ticked
