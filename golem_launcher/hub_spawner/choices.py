"""What users of the hub may choose, and the request that comes of it.

Options are JSON, as the hub keeps them and takes them by its API: ``{"profile": "small", "hours": "2"}``. They come
from users: what the hub's administrators did not offer is refused, however it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from golem_launcher.errors import RequestError
from golem_launcher.hub_spawner.user_store import of_user
from golem_launcher.request import LaunchRequest, parse_request
from golem_launcher.request.fields import NAMES, is_list, numbers, title
from golem_launcher.units import number

if TYPE_CHECKING:
    from collections.abc import Mapping

PROFILE = "profile"
NEVER = frozenset({"name", "inputs", "store", "outbound_permit", "workload"})
"""Fields that are no user's: they name files and places of the hub's own computer."""
_OF_A_PROFILE = ("title", "description")
_LONGEST = 20_000


@dataclass(frozen=True)
class Choices:
    """What a hub offers."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of every server, by the names of a request's fields."""
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By name: a ``title``, perhaps a ``description``, and the fields that it sets."""
    fields: tuple[str, ...] = ()
    """That users fill in, beside the profile."""
    limits: Mapping[str, Any] = field(default_factory=dict)
    """The most that a user may fill in, by field."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense, when the hub starts. Raises ``RequestError``."""
        for name in self.fields:
            if name in NEVER:
                raise RequestError(f"'{name}' is about the hub's own computer, and can't be a user's to fill in.")
        for name in (*self.fields, *self.limits):
            if name not in NAMES:
                raise RequestError(f"There is no field '{name}'.", f"There is: {', '.join(NAMES)}.")
        for name in self.limits:
            if name not in numbers():
                raise RequestError(f"'{name}' is not a number, so it can't have a limit.")
        for profile, told in self.profiles.items():
            unknown = sorted(set(told) - {*_OF_A_PROFILE, *NAMES})
            if unknown:
                known = ", ".join((*_OF_A_PROFILE, *NAMES))
                raise RequestError(f"Profile '{profile}': there is no field '{unknown[0]}'.", f"There is: {known}.")
            self.request("lab", {PROFILE: profile})
        self.request("lab", {})

    def shown(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The values with which a form begins: those of ``options`` where they can still be chosen, else the hub's."""
        kept = {name: options[name] for name in self.fields if options.get(name) not in (None, "")}
        return {**self._settings(self.profile(options)), **kept}

    def profile(self, options: Mapping[str, Any]) -> str | None:
        """The profile that is chosen, else the first; ``None`` where there is none."""
        asked = options.get(PROFILE)
        return asked if asked in self.profiles else next(iter(self.profiles), None)

    def request(self, name: str, options: Mapping[str, Any]) -> LaunchRequest:
        """The request for a server that will be the session ``name``. Raises ``RequestError`` in words for the user."""
        chosen = {key: value for key, value in options.items() if value not in (None, "", [])}
        asked = chosen.pop(PROFILE, None)
        if asked is not None and asked not in self.profiles:
            raise RequestError("There is no such profile.", field=PROFILE)
        for key, value in chosen.items():
            if key not in self.fields:
                raise RequestError("This hub does not let its users choose that.", field=str(key))
            if len(str(value)) > _LONGEST:
                raise RequestError(f"{title(key)}: it is too long.", field=key)
        request = parse_request({**self._settings(self.profile(options)), **chosen, "name": name})
        of_user(request.store, name)  # refused here, when the hub starts, where users can't have one each
        for key in chosen:
            self._check_limit(key, getattr(request, key))
        return request

    def _settings(self, profile: str | None) -> dict[str, Any]:
        of_profile = self.profiles.get(profile or "", {})
        return {**self.settings, **{key: value for key, value in of_profile.items() if key in NAMES}}

    def _check_limit(self, key: str, value: Any) -> None:
        most = self.limits.get(key)
        if most is not None and value is not None and Decimal(str(value)) > Decimal(str(most)):
            raise RequestError(f"{title(key)}: at most {number(Decimal(str(most)))} on this hub.", field=key)


def from_form(choices: Choices, form: Mapping[str, list[str]]) -> dict[str, Any]:
    """The options in a form that was sent: a list of texts for each of its fields."""
    found: dict[str, Any] = {}
    for name in (PROFILE, *choices.fields):
        texts = [text.strip() for text in form.get(name, []) if text.strip()]
        if not texts and name in choices.fields and LaunchRequest.model_fields[name].annotation is bool:
            found[name] = False  # a box that is not ticked is not sent
        elif texts:
            lines = [line.strip() for line in texts[0].splitlines() if line.strip()]
            found[name] = lines if name in choices.fields and is_list(name) else texts[-1]
    return found
