import base64
import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher import outbound, permits
from golem_launcher.errors import RequestError
from golem_launcher.localnet.outbound import refusal
from golem_launcher.localnet.spec import Outbound
from golem_launcher.outbound import OutboundRules

NOW = datetime.now(UTC)
ME = "0x" + "ab" * 20
LISTED = OutboundRules.of("listed", ("https://data.example.org",), mirror=False)
ALL = OutboundRules.of("unrestricted", (), mirror=False)
PASSPHRASE = serialization.BestAvailableEncryption(b"words")


def certificate(name, key, *, by=None, days=30):
    issuer, signer = by or (name, key)
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
    return (
        x509.CertificateBuilder(*reversed(names), key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(signer, hashes.SHA256())
    )


def pem(*things, passphrase=None):
    encryption = passphrase or serialization.NoEncryption()
    return b"".join(
        one.public_bytes(serialization.Encoding.PEM)
        if isinstance(one, x509.Certificate)
        else one.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        for one in things
    )


@pytest.fixture(scope="module")
def keys():
    return {"root": rsa.generate_private_key(65537, 2048), "rsa": rsa.generate_private_key(65537, 2048)}


@pytest.fixture
def files(tmp_path):
    def write(name, data):
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        return tmp_path / name

    return write


def demand(asked, permit):
    manifest = outbound.encoded(
        outbound.manifest("hash:sha3:ab:http://r/i", asked, now=NOW, expires=NOW + timedelta(hours=1))
    )
    return {outbound.PROPERTY: manifest, **(permit.properties(manifest) if permit else {})}


def public(key):
    return key.public_key().public_bytes_raw().hex()


def descriptor(asked, node_id=ME, *, days=30, root=None):
    root, partner = root or ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    period = {
        "notBefore": (NOW - timedelta(days=60)).isoformat().replace("+00:00", "Z"),
        "notAfter": (NOW + timedelta(days=days)).isoformat().replace("+00:00", "Z"),
    }

    def signed(part, key, signer):
        canonical = json.dumps(part, sort_keys=True, separators=(",", ":")).encode()
        return {"value": key.sign(canonical).hex(), "signer": signer}

    def cert(key, by, signer):
        part = {"publicKey": {"key": public(key)}, "permissions": "all", "validityPeriod": period}
        return {"certificate": part, "signature": signed(part, by, signer)}

    top = cert(root, root, "self")
    node = {"nodeId": node_id, "validityPeriod": period, "permissions": {"outbound": asked}}
    return {"nodeDescriptor": node, "signature": signed(node, partner, cert(partner, root, top))}, public(root)


@pytest.mark.parametrize("kind", ["rsa", "ec", "through another certificate", "in one file"])
def test_a_signature_counts_where_its_certificate_is_trusted(kind, keys, files):
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else keys["rsa"]
    root = certificate("root", keys["root"])
    if kind == "through another certificate":
        middle_key = ec.generate_private_key(ec.SECP256R1())
        middle = certificate("middle", middle_key, by=("root", keys["root"]))
        own = certificate("me", key, by=("middle", middle_key))
        paths = [files("chain.pem", pem(own, middle)), files("key.pem", pem(key))]
    else:
        own = certificate("me", key, by=("root", keys["root"]))
        parts = [pem(key), pem(own)]
        paths = [files("both.pem", b"".join(parts))] if kind == "in one file" else [
            files(f"{number}.pem", part) for number, part in enumerate(parts)
        ]  # fmt: skip
    permit = permits.read(paths)
    permit.check(LISTED, ME, NOW)
    assert permit.chain[-1] == own  # where providers look for the signer's
    rules = Outbound(certificates=(files("root.pem", pem(root)),))
    properties = demand(LISTED, permit)
    assert refusal(rules, properties, ME) == ""
    assert "not on the whitelist" in refusal(rules, demand(LISTED, None), ME)
    other = Outbound(certificates=(files("other.pem", pem(certificate("other", key))),))
    assert "nobody who is trusted" in refusal(other, properties, ME)
    more = {**properties, outbound.PROPERTY: demand(ALL, None)[outbound.PROPERTY]}
    assert "not by its certificate" in refusal(rules, more, ME)
    assert "PRIVATE" not in base64.b64decode(properties[permits.CERTIFICATE_PROPERTY]).decode()
    assert "RSAPrivateKey" not in repr(permit)


def test_what_everybody_may_reach_needs_no_permit():
    rules = Outbound(whitelist=("data.example.org",))
    assert refusal(rules, demand(LISTED, None), ME) == ""
    assert "everything is not on the whitelist" in refusal(rules, demand(ALL, None), ME)
    assert refusal(rules, demand(OutboundRules.of("off", (), mirror=False), None), ME) == ""
    assert refusal(None, demand(ALL, None), ME) == refusal(rules, {}, ME) == ""


def test_a_node_descriptor_permits_what_it_says_to_whom_it_names(files):
    document, root = descriptor({"urls": ["https://data.example.org/"]})
    permit = permits.read([files("node.json", document)])
    permit.check(LISTED, ME, NOW)
    rules = Outbound(partners=(root,))
    assert refusal(rules, demand(LISTED, permit), ME) == ""
    assert "root is no partner" in refusal(Outbound(), demand(LISTED, permit), ME)
    assert "is for the node" in refusal(rules, demand(LISTED, permit), "0x" + "cd" * 20)
    assert "does not permit to reach everything" in refusal(rules, demand(ALL, permit), ME)
    with pytest.raises(RequestError, match="does not permit to reach everything"):
        permit.check(ALL, ME, NOW)
    with pytest.raises(RequestError, match="not valid now"):
        permit.check(LISTED, ME, NOW + timedelta(days=31))
    document["nodeDescriptor"]["permissions"] = "all"
    assert "does not fit what it signs" in refusal(rules, demand(ALL, permits.Permit(descriptor=document)), ME)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lambda _key: [b"hello"], "holds neither"),
        (lambda _key: [b"{}"], "no node descriptor"),
        (lambda key: [pem(key)], "certificate is missing"),
        (lambda key: [pem(certificate("me", key))], "private key is missing"),
        (lambda key: [pem(certificate("me", key)), pem(key, passphrase=PASSPHRASE)], "passphrase"),
        (lambda key: [pem(key)[:200] + b"\n-----END PRIVATE KEY-----\n"], "damaged"),
        (lambda key: [pem(key)[:200]], "damaged"),
        (lambda key: [pem(ed25519.Ed25519PrivateKey.generate(), certificate("me", key))], "must be RSA"),
        (lambda key: [pem(ec.generate_private_key(ec.SECP256R1()), certificate("me", key))], "none of the"),
    ],
)
def test_what_is_no_permit_is_refused_at_its_field(content, why, keys, files):
    paths = [files(f"{number}.pem", data) for number, data in enumerate(content(keys["rsa"]))]
    with pytest.raises(RequestError, match=why) as caught:
        permits.read(paths)
    assert caught.value.field == permits.FIELD
    with pytest.raises(RequestError, match="can't be read"):
        permits.read([paths[0].parent / "nothing"])


def test_a_certificate_that_is_over_is_told_before_anything_is_paid(keys, files):
    over = certificate("me", keys["rsa"], days=-1)
    permit = permits.read([files("both.pem", pem(keys["rsa"], over))])
    with pytest.raises(RequestError, match="CN=me is not valid now"):
        permit.check(LISTED, ME, NOW)
    trusts = Outbound(certificates=(files("trusted.pem", pem(over)),))
    assert "not valid now" in refusal(trusts, demand(LISTED, permit), ME)


WORDS = [
    "nodeDescriptor", "nodeId", "signature", "signer", "certificate", "publicKey", "key", "value", "validityPeriod",
    "notBefore", "notAfter", "permissions", "outbound", "urls",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.text(max_size=5) | st.sampled_from(["self", ME, "all", NOW.isoformat()]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner),
)


@given(st.dictionaries(st.sampled_from(["nodeDescriptor", "signature"]), JSON))
def test_no_descriptor_breaks_a_provider(document):
    with contextlib.suppress(ValueError):
        permits.granted_by(document, ME, ALL, NOW)


@given(st.text(max_size=20) | st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode()))
def test_no_signature_breaks_a_provider(text):
    for name in (permits.SIGNATURE_PROPERTY, permits.CERTIFICATE_PROPERTY):
        properties = {outbound.PROPERTY: "x", permits.ALGORITHM_PROPERTY: "sha256"}
        properties |= {permits.SIGNATURE_PROPERTY: "", permits.CERTIFICATE_PROPERTY: "", name: text}
        with contextlib.suppress(ValueError):
            permits.signed_by(properties, [], NOW)
