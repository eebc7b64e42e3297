"""The widgets' scripts, without a browser."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from golem_launcher.ui.form import RequestForm
from golem_launcher.ui.header import Header
from golem_launcher.ui.sessions import SessionCards

_TOP_LEVEL = re.compile(r"^(?:async )?(?:const|let|class|function\*?) (\w+)", re.MULTILINE)


@pytest.mark.parametrize("widget", [Header, RequestForm, SessionCards])
def test_files_that_become_one_module_share_no_name(widget: type[Header | RequestForm | SessionCards]) -> None:
    """The browser would refuse the whole module, and with it that part of the page."""
    names = Counter(_TOP_LEVEL.findall(str(widget._esm)))
    assert len(names) > 10
    assert [name for name, times in names.items() if times > 1] == []
