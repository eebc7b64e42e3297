"""One local network whose providers misbehave in the market and with money."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.networks import fork_supervisors, own_network
from tests.test_permits import public

_NETWORK = """
debit_note_interval = 1
terminate_seconds = 0

[outbound]
whitelist = []
certificates = ["trusted.pem"]
partners = ["PARTNER"]

[[provider]]
name = "overbills"
misbehaviour = { overbill = 10.0 }

[[provider]]
name = "floods"
misbehaviour = { notes_every = 0.1 }

[[provider]]
name = "overbills-and-floods"
misbehaviour = { overbill = 10.0, notes_every = 0.1 }

[[provider]]
name = "inflates-invoice"
misbehaviour = { overbill_invoice = 100.0 }

[[provider]]
name = "bills-again"
price_hour = 0.4
misbehaviour = { bill_again = true }

[[provider]]
name = "raises"
misbehaviour = { raise_price = 20.0 }

[[provider]]
name = "raises-start"
price_hour = 0.4
misbehaviour = { raise_start = 0.05 }

[[provider]]
name = "never-ready"
misbehaviour = { never_ready = true }

[[provider]]
name = "instant-end"
misbehaviour = { terminate_agreement_after = 0.0 }

[[provider]]
name = "no-terms"
misbehaviour = { refuse_terms = true }

[[provider]]
name = "signs-late"
misbehaviour = { approve_late = 17.0 }

[[provider]]
name = "late-invoice"
misbehaviour = { invoice_late = 60.0 }

[[provider]]
name = "early-invoice"
misbehaviour = { invoice_early = 6.0 }

[[provider]]
name = "never-signs"
misbehaviour = { ignore_agreements = true }

[[provider]]
name = "signs"
price_hour = 0.5

[[provider]]
name = "gpu"
price_hour = 2.0
price_start = 0.001
gpu = { model = "Pretend RTX 3090", memory_gib = 24 }
"""

PROVIDERS = _NETWORK.count("[[provider]]")

PARTNER = ed25519.Ed25519PrivateKey.generate()
"""The root of the node descriptors that the providers believe."""


def trusted_certificate(directory):
    """Make the certificate that the providers trust, ``trusted.pem``, and its private key, ``key.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "trusted")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (directory / "trusted.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@pytest.fixture(scope="module")
def crooks(tmp_path_factory):
    home = tmp_path_factory.mktemp("crooks")
    trusted_certificate(home)
    with own_network(home, _NETWORK.replace("PARTNER", public(PARTNER))) as network:
        fork_supervisors()
        yield network
