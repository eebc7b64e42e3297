"""The widget of the part of the page that begins a sweep."""

from __future__ import annotations

from typing import ClassVar

import traitlets

from golem_launcher.ui.common.assets import script, style
from golem_launcher.ui.common.presence import Present


class SweepView(Present):
    """A notebook, and a form of its parameters. What it is told goes to :class:`~.sweep_form.SweepForm`."""

    _esm: ClassVar[str] = script(__file__, "sweep.js")
    _css: ClassVar[str] = style(__file__, "sweep.css")

    notebook = traitlets.Dict().tag(sync=True)
    """The chosen one: its ``name``, ``parameters``, whether it ``takes_others`` by name, and a ``note``; or what is
    ``wrong`` with it; empty at first."""

    base = traitlets.Unicode().tag(sync=True)
    """What the request form says of money and machines, in a sentence; empty while it is not valid."""
