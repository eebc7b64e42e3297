"""The widget of the form.

What is typed lives in the browser and comes here in messages, which nothing saves; the widget's state holds only what
may be seen: the last choices, and the request as it may be shown around.
"""

from __future__ import annotations

from typing import Any, ClassVar

import traitlets

from golem_launcher.ui.common.assets import script, style
from golem_launcher.ui.common.presence import Present

_STYLES = ("form.css", "remembered_values.css", "controls.css", "offers.css", "machine_choice.css", "uploads.css")

LOOKING: dict[str, Any] = {"state": "looking", "headline": "Working out the price …"}
"""What it will cost, until the market was seen."""


class FormView(Present):
    """Fields, presets, the request as file and command, the estimate, the start button.

    What it shows and is told comes from and goes to :class:`~.form.RequestForm`; until that gives it ``groups`` it says
    that it loads.
    """

    _esm: ClassVar[str] = script(__file__, "form.js")
    _css: ClassVar[str] = style(__file__, *_STYLES)

    groups = traitlets.List().tag(sync=True)
    """As :func:`~.fields.form_groups` tells them."""

    values = traitlets.Dict().tag(sync=True)
    """What the form shows at first: the last choices under a new name."""

    presets = traitlets.List().tag(sync=True)
    """Their titles."""

    shared = traitlets.Dict().tag(sync=True)
    """The request as ``command`` and ``yaml``, without secrets; ``left_out`` says what that concerns."""

    offers = traitlets.Dict(LOOKING).tag(sync=True)
    """What it will cost, as :class:`~.offers.OfferWatch` tells it."""

    workspaces = traitlets.List().tag(sync=True)
    """What can be resumed, as :func:`~.resumable_workspaces.saved_workspaces` tells it."""
