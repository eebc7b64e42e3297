"""What the link answers by itself: words, a way to the right path, a page that waits for the Lab."""

from __future__ import annotations

from http import HTTPStatus

from golem_launcher.access import rules
from golem_launcher.access.front import Served

HTML = (b"content-type", b"text/html; charset=utf-8")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_AGAIN_SECONDS = 3


def reason(status: int) -> bytes:
    """The phrase of a status."""
    return HTTPStatus(status).phrase.encode()


def plain(status: int, text: str) -> Served:
    """A sentence."""
    return Served(status, [*rules.OUR_PAGE, _TEXT], f"{text}\n".encode())


def moved(place: str) -> Served:
    """It is at ``place``, on the same origin."""
    return Served(302, [*rules.OUR_PAGE, (b"location", place.encode("ascii", "replace"))], b"")


def page(status: int, title: str, body: str, *, again_seconds: int | None = None) -> Served:
    """A page of our own. ``title`` is text, ``body`` is HTML."""
    return Served(status, [*rules.OUR_PAGE, HTML], rules.page(title, body, again_seconds=again_seconds))


def away(who: str, why: str, *, navigates: bool) -> Served:
    """What is said while ``who`` does not answer, and perhaps ``why``; a page tries again by itself."""
    title = f"{who} does not answer at the moment"
    if not navigates:
        return plain(502, f"{title}.")
    return page(502, title, f"<p>{why} This page tries again by itself.</p>", again_seconds=_AGAIN_SECONDS)
