"""Permits: what makes a provider grant more than its own whitelist, and how a provider judges them.

Two kinds, in the forms that yagna's ``ya-manifest-utils`` and ``golem-certificate`` read:

* a **certificate** (X.509) with its private key. They sign the manifest of each session: a signature over the base64
  text of the demand's property, with the chain beside it, the signer's own certificate last.
* a **node descriptor** (GAP-31): a document in which a partner of the provider's grants more to one node, by its id.
  Each part is signed (Ed25519) over its canonical JSON, up to a root that the provider knows.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from golem_launcher.errors import RequestError
from golem_launcher.outbound import NODE_DESCRIPTOR_PROPERTY, PROPERTY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from golem_launcher.outbound import OutboundRules

SIGNATURE_PROPERTY = f"{PROPERTY}.sig"
ALGORITHM_PROPERTY = f"{PROPERTY}.sig.algorithm"
CERTIFICATE_PROPERTY = f"{PROPERTY}.cert"
FIELD = "outbound_permit"

_ALGORITHM = "sha256"
_LARGEST_FILE = 1024 * 1024
_LONGEST_CHAIN = 10
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----\n?", re.DOTALL)
_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Permit:
    """The permits of one requestor."""

    chain: tuple[x509.Certificate, ...] = ()
    """From the root's side on; the signer's own is the last one."""
    key: _Key | None = field(default=None, repr=False)
    descriptor: Mapping[str, Any] | None = None

    def properties(self, manifest: str) -> dict[str, Any]:
        """What goes into a demand beside its ``manifest``, the text of that property."""
        found: dict[str, Any] = {}
        if self.key is not None:
            pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in self.chain)
            found[SIGNATURE_PROPERTY] = base64.b64encode(_sign(self.key, manifest.encode())).decode()
            found[ALGORITHM_PROPERTY] = _ALGORITHM
            found[CERTIFICATE_PROPERTY] = base64.b64encode(pem).decode()
        if self.descriptor is not None:
            found[NODE_DESCRIPTOR_PROPERTY] = self.descriptor
        return found

    def check(self, asked: OutboundRules, node_id: str, now: datetime) -> None:
        """Raise ``RequestError`` when no provider could grant anything for this: before money is spent."""
        over = next((one for one in self.chain if not _valid_at(one, now)), None)
        if over is not None:
            raise _refused(f"the certificate of {over.subject.rfc4514_string()} is not valid now")
        if self.descriptor is not None:
            try:
                granted_by(self.descriptor, node_id, asked, now)
            except ValueError as error:
                raise _refused(str(error)) from None


def read(paths: Iterable[Path]) -> Permit:
    """The permits in files: JSON is a node descriptor; certificates and their private key (PEM) are in one or two.

    Raises ``RequestError``, which never tells what is in a key.
    """
    certificates: list[x509.Certificate] = []
    key: Any = None
    descriptor = None
    for path in paths:
        data = _content(path)
        if data.lstrip().startswith(b"{"):
            descriptor = _document(path, data)
            continue
        try:
            if b"CERTIFICATE-----" in data:
                certificates += x509.load_pem_x509_certificates(data)
            if b"PRIVATE KEY-----" in data:
                key = _private_key(data)
            elif b"CERTIFICATE-----" not in data:
                raise _refused(f"{path} holds neither a node descriptor, a certificate nor a private key (PEM)")
        except TypeError:
            raise _refused(f"the private key in {path} has a passphrase; write it without one, for you alone") from None
        except ValueError:
            raise _refused(f"{path} is damaged") from None
    if bool(certificates) != (key is not None):
        missing = "the private key is missing beside the certificate" if certificates else "its certificate is missing"
        raise _refused(missing)
    if key is not None and not isinstance(key, _Key):
        raise _refused("the private key must be RSA or of an elliptic curve (ECDSA)")
    return Permit(_ordered(certificates, key) if key is not None else (), key, descriptor)


def certificates(paths: Iterable[Path]) -> list[x509.Certificate]:
    """The certificates in files. Raises ``ValueError`` when one is damaged or can't be read."""
    try:
        return [one for path in paths for one in x509.load_pem_x509_certificates(path.read_bytes())]
    except OSError as error:
        raise ValueError(f"{error.filename} can't be read: {error.strerror}") from None


def granted_by(descriptor: Mapping[str, Any], node_id: str, asked: OutboundRules, now: datetime) -> str:
    """The root's public key of a node descriptor that grants ``node_id`` what is ``asked``.

    Raises ``ValueError`` with what is wrong with it.
    """
    try:
        node = descriptor["nodeDescriptor"]
        if str(node["nodeId"]).lower() != node_id.lower():
            raise ValueError(f"the node descriptor is for the node {str(node['nodeId'])[:44]}, and this is {node_id}")
        _covers(node, asked, now)
        signed, signature = node, descriptor["signature"]
        for _ in range(_LONGEST_CHAIN):
            signer = signature["signer"]
            if signer == "self":
                root = str(signed["publicKey"]["key"])
                _verify(root, signed, signature)
                return root
            certificate = signer["certificate"]
            _verify(str(certificate["publicKey"]["key"]), signed, signature)
            _covers(certificate, asked, now)
            signed, signature = certificate, signer["signature"]
    except (KeyError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise ValueError(f"the node descriptor makes no sense ({type(error).__name__})") from None
    raise ValueError("the node descriptor's chain of signatures has no end")


def signed_by(properties: Mapping[str, Any], trusted: Iterable[x509.Certificate], now: datetime) -> str:
    """Which of the ``trusted`` certificates stands behind a demand's signed manifest: its subject.

    Raises ``ValueError`` with what is wrong with it.
    """
    try:
        manifest = str(properties[PROPERTY])
        if properties[ALGORITHM_PROPERTY] != _ALGORITHM:
            raise ValueError(f"the manifest is not signed with {_ALGORITHM}")
        signature = base64.b64decode(str(properties[SIGNATURE_PROPERTY]), validate=True)
        chain = x509.load_pem_x509_certificates(base64.b64decode(str(properties[CERTIFICATE_PROPERTY]), validate=True))
    except KeyError:
        raise ValueError("the manifest is not signed") from None
    except binascii.Error:
        raise ValueError("the manifest's signature makes no sense") from None
    _verify_bytes(chain[-1].public_key(), signature, manifest.encode())
    known = list(trusted)
    current = chain[-1]
    for _ in range(_LONGEST_CHAIN):
        if not _valid_at(current, now):
            raise ValueError("a certificate of the manifest's signer is not valid now")
        if current in known:
            return current.subject.rfc4514_string()
        issuer = next((one for one in (*known, *chain) if one != current and _issued(current, one)), None)
        if issuer is None:
            break
        current = issuer
    raise ValueError("the manifest's signature leads to nobody who is trusted here")


def _private_key(data: bytes) -> Any:
    """The private key in a file that may have certificates around it."""
    found = _PRIVATE_KEY.search(data)
    if found is None:
        raise ValueError("cut off")
    return serialization.load_pem_private_key(found[0], None)


def _ordered(certificates: list[x509.Certificate], key: _Key) -> tuple[x509.Certificate, ...]:
    """The chain from the root's side on; what does not belong to it is left out."""
    public = key.public_key()
    current = next((one for one in certificates if one.public_key() == public), None)
    if current is None:
        raise _refused("the private key belongs to none of the certificates")
    chain = [current]
    while (
        above := next((one for one in certificates if one not in chain and _issued(chain[0], one)), None)
    ) is not None:
        chain.insert(0, above)
    return tuple(chain)


def _sign(key: _Key, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _verify_bytes(key: Any, signature: bytes, data: bytes) -> None:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except (AttributeError, TypeError):
        raise ValueError("the manifest's signer has a key of another kind") from None
    except InvalidSignature:
        raise ValueError("the manifest's signature is not by its certificate") from None


def _verify(key: str, signed: Mapping[str, Any], signature: Mapping[str, Any]) -> None:
    canonical = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature["value"]), canonical)
    except InvalidSignature:
        raise ValueError("a signature in the node descriptor does not fit what it signs") from None


def _covers(part: Mapping[str, Any], asked: OutboundRules, now: datetime) -> None:
    """Whether a descriptor or certificate is valid now and permits what is asked."""
    period = part["validityPeriod"]
    begins, ends = (datetime.fromisoformat(str(period[key])) for key in ("notBefore", "notAfter"))
    if not begins <= now <= ends:
        raise ValueError("the node descriptor, or a certificate in it, is not valid now")
    permissions = part["permissions"]
    out: Any = "unrestricted" if permissions == "all" else permissions.get("outbound")
    if out == "unrestricted":
        return
    urls = {str(url).rstrip("/") for url in (out or {}).get("urls", ())}
    beyond = "everything" if asked.unrestricted else next((url for url in asked.urls if url not in urls), "")
    if beyond:
        raise ValueError(f"the node descriptor does not permit to reach {beyond}")


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _refused(f"{path} can't be read: {error.strerror}") from None
    if len(data) > _LARGEST_FILE:
        raise _refused(f"{path} is too large to be a permit")
    return data


def _document(path: Path, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = {}
    if not isinstance(value, dict) or "nodeDescriptor" not in value:
        raise _refused(f"{path} is no node descriptor")
    return value


def _refused(why: str) -> RequestError:
    return RequestError(f"Permit files: {why}.", "docs/image.md says what they must be.", field=FIELD)
