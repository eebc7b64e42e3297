"""The hub's form for a server, made from the one definition of a request. Plain HTML: the hub's page is around it."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from golem_launcher.hub_spawner.choices import PROFILE
from golem_launcher.request import LaunchRequest
from golem_launcher.request.fields import about, is_list, is_whole, least, title
from golem_launcher.units import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golem_launcher.hub_spawner.choices import Choices


def form(choices: Choices, options: Mapping[str, Any], note: str = "") -> str:
    """The form, filled in as ``options`` say that were chosen last. ``note``: a sentence above it."""
    shown = choices.shown(options)
    parts = [f'<p class="text-muted">{html.escape(note)}</p>'] if note else []
    if choices.profiles:
        parts.append(_profiles(choices, choices.profile(options)))
    parts += [_field(name, shown.get(name), choices.limits.get(name)) for name in choices.fields]
    return "\n".join(parts)


def _profiles(choices: Choices, chosen: str | None) -> str:
    rows = []
    for name, profile in choices.profiles.items():
        said = profile.get("description") or _summary(profile)
        rows.append(
            f'<div class="form-check"><input class="form-check-input" type="radio" name="{PROFILE}" '
            f'id="profile-{_text(name)}" value="{_text(name)}"{" checked" if name == chosen else ""}>'
            f'<label class="form-check-label" for="profile-{_text(name)}">'
            f"<strong>{_text(profile.get('title', name))}</strong> <small>{_text(said)}</small></label></div>"
        )
    return f'<fieldset class="mb-3"><legend class="fs-5">Machine</legend>{"".join(rows)}</fieldset>'


def _summary(profile: Mapping[str, Any]) -> str:
    """What a profile sets, in the words of the fields."""
    named = [name for name in LaunchRequest.model_fields if name in profile]
    return ", ".join(f"{title(name)}: {_plain(profile[name])} {_unit(name)}".rstrip() for name in named)


def _unit(name: str) -> str:
    """What a figure is counted in, where the field's title does not say it."""
    unit = about(name).unit
    return "" if unit.lower() == title(name).lower() else unit


def _field(name: str, value: Any, most: Any) -> str:
    field = LaunchRequest.model_fields[name]
    value = field.get_default(call_default_factory=False) if value is None else value
    words = [str(field.description or "")]
    if most is not None:
        words.append(f"At most {_plain(most)}.")
    label = f"{title(name)} ({_unit(name)})" if _unit(name) else title(name)
    hint = " ".join(filter(None, words))
    control = _control(name, value, most)
    if field.annotation is bool:
        inner = f'{control}<label class="form-check-label" for="field-{name}">{_text(label)}</label>'
        inner = f'<div class="form-check">{inner}</div>'
    else:
        inner = f'<label class="form-label" for="field-{name}">{_text(label)}</label>{control}'
    return f'<div class="mb-3">{inner}<div class="form-text" id="about-{name}">{_text(hint)}</div></div>'


def _control(name: str, value: Any, most: Any) -> str:
    known = about(name)
    common = f'id="field-{name}" name="{name}" aria-describedby="about-{name}"'
    if LaunchRequest.model_fields[name].annotation is bool:
        return f'<input class="form-check-input" type="checkbox" {common} value="1"{" checked" if value else ""}>'
    if known.choices:
        options = "".join(
            f'<option value="{_text(key)}"{" selected" if key == value else ""}>{_text(words)}</option>'
            for key, words in known.choices.items()
        )
        return f'<select class="form-select" {common}>{options}</select>'
    if is_list(name):
        lines = value if isinstance(value, list | tuple) else [value or ""]
        text = _text("\n".join(map(str, lines)))
        return (
            f'<textarea class="form-control" rows="3" placeholder="{_text(known.example)}" {common}>{text}</textarea>'
        )
    shown = _text(_plain(value)) if value is not None else ""
    if known.bound or known.unit:
        bounds = f' min="{number(least(name))}" step="{1 if is_whole(name) else "any"}"'
        bounds += f' max="{_plain(most)}"' if most is not None else ""
        return f'<input class="form-control" type="number" value="{shown}"{bounds} {common}>'
    return f'<input class="form-control" type="text" value="{shown}" placeholder="{_text(known.example)}" {common}>'


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _text(value: Any) -> str:
    return html.escape(str(value), quote=True)
