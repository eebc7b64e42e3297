"""The scripts of one widget are joined into one module: a name declared twice in it would stop the whole widget."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from golem_launcher.ui.cards.sessions import SessionCards
from golem_launcher.ui.form.form import RequestForm
from golem_launcher.ui.header.header import Header

_DECLARED = re.compile(r"^(?:async )?(?:const|let|class|function\*?) +([A-Za-z_$][\w$]*)", re.MULTILINE)


@pytest.mark.parametrize("widget", [Header, RequestForm, SessionCards])
def test_no_name_is_declared_twice(widget: type) -> None:
    names = Counter(_DECLARED.findall(str(widget._esm)))  # type: ignore[attr-defined]
    assert len(names) > 10
    assert [name for name, count in names.items() if count > 1] == []
