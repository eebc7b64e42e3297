"""Looks up an image's address and hash in Golem's registry."""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import urlsplit

from golem_launcher.errors import RequestError, ServiceError
from golem_launcher.market import golem_web_services

_HASH = re.compile("[0-9a-f]{56}")
_UNKNOWN = {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
_LONGEST_URL = 2000


async def task_package(image: str, *, registry_url: str) -> str:
    """An image, by tag or by hash, as demands name it: ``hash:sha3:HASH:URL``.

    Raises ``RequestError`` when the registry does not know it, ``ServiceError`` when it does not answer.
    """
    kind = "tag" if "/" in image else "hash"  # a tag has a slash, a hash has none
    query = {kind: image, "count": "true"}
    try:
        found = await golem_web_services.ask(golem_web_services.REGISTRY, "/v1/image/info", query, address=registry_url)
    except ServiceError as error:
        if error.status not in _UNKNOWN:
            raise
        raise RequestError(
            f"There is no image '{image}' in the registry.",
            "See docs/image.md for how one gets there; a tag is like you/image:version.",
            field="image",
        ) from None
    digest, url = (str(found.get(key, "")) if isinstance(found, dict) else "" for key in ("sha3", "http"))
    parts = urlsplit(url) if len(url) <= _LONGEST_URL else None
    same = kind == "tag" or digest == image
    if parts is None or not same or not _HASH.fullmatch(digest) or parts.scheme not in {"http", "https"}:
        raise ServiceError(
            f"{golem_web_services.REGISTRY.name} says something of the image '{image}' that makes no sense."
        )
    return f"hash:sha3:{digest}:{url}"
