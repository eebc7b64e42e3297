"""The form: a request's fields, one button, and what is wrong with what was typed, beside where it was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import anywidget
import traitlets
from pydantic import ValidationError

from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest, request_errors
from golem_launcher.ui.assets import script, style
from golem_launcher.ui.fields import form_fields, fresh_defaults

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class RequestForm(anywidget.AnyWidget):
    """Asks for a ``LaunchRequest`` and gives it to ``on_request``; a ``RequestError`` of that shows in the form."""

    _esm: ClassVar[str] = script("form.js")
    _css: ClassVar[str] = style("form.css")

    fields = traitlets.List().tag(sync=True)
    defaults = traitlets.Dict().tag(sync=True)

    def __init__(self, *, on_request: Callable[[LaunchRequest], Awaitable[None]], **kwargs: Any) -> None:
        super().__init__(fields=form_fields(), defaults=fresh_defaults(), **kwargs)
        self._on_request = on_request

    async def receive(self, content: dict[str, Any]) -> None:
        """A message from a front end: the values typed, as strings by field."""
        if content.get("kind") != "submit":
            return
        values = content.get("values")
        try:
            request = LaunchRequest(**(values if isinstance(values, dict) else {}))
            await self._on_request(request)
        except ValidationError as error:
            self._refuse(request_errors(error))
        except RequestError as error:
            self._refuse([error])
        except BaseException:
            self.send({"kind": "failed"})  # whatever it was becomes a banner; the button must come back
            raise
        else:
            self.defaults = fresh_defaults()
            self.send({"kind": "accepted", "name": request.name})

    def _refuse(self, errors: list[RequestError]) -> None:
        self.send({"kind": "refused", "errors": [[error.field, _sentence(error)] for error in errors]})


def _sentence(error: RequestError) -> str:
    """The error without the field's title, which stands above it anyway."""
    text = str(error)
    if error.field in LaunchRequest.model_fields:
        text = text.removeprefix(f"{LaunchRequest.model_fields[error.field].title}: ")
    return text[:1].upper() + text[1:]
