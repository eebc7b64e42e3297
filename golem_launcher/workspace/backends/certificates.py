"""Has the libraries of stores trust this system's certificates, as all other TLS of ours does.

botocore and requests bring a list of their own, certifi's, which yapapi's client holds at its release of 2020: it lacks
the authorities of the years since, and has those that were withdrawn.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)
_AMAZON = {"s3", "s3a"}
_GOOGLE = {"gs", "gcs"}


def system_bundle() -> str | None:
    """The file with the system's certificates, ``SSL_CERT_FILE`` first; ``None`` where it is not known."""
    named = ssl.get_default_verify_paths().cafile
    return next((path for path in (named, *_BUNDLES) if path and Path(path).is_file()), None)


def options(scheme: str) -> dict[str, Any]:
    """Options by which fsspec's file system of this scheme trusts them, unless the environment names other ones."""
    bundle = system_bundle()
    if bundle is None:
        return {}
    if scheme in _AMAZON and "AWS_CA_BUNDLE" not in os.environ:
        from fsspec.config import conf  # noqa: PLC0415 - other stores need none of it

        return {"client_kwargs": {"verify": bundle, **conf.get(scheme, {}).get("client_kwargs", {})}}
    if scheme in _GOOGLE:  # google-auth takes no setting for its own requests
        os.environ.setdefault("REQUESTS_CA_BUNDLE", bundle)
    return {}
