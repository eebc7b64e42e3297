"""A page that has modules of a directory at its origin, and nothing else: for what one of them does by itself."""

from __future__ import annotations

import mimetypes
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Route

_ORIGIN = "http://module.test"


@contextmanager
def page_of_modules(chromium: Browser, directory: Path) -> Iterator[Page]:
    """An empty page that imports ``/NAME`` from ``directory``."""

    def answer(route: Route) -> None:
        file = directory / route.request.url.removeprefix(f"{_ORIGIN}/")
        if file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=mimetypes.guess_type(file.name)[0])
        else:
            route.fulfill(body="<!doctype html><title>module</title>", content_type="text/html")

    page = chromium.new_page()
    try:
        page.route(f"{_ORIGIN}/**", answer)
        page.goto(f"{_ORIGIN}/")
        yield page
    finally:
        page.close()
