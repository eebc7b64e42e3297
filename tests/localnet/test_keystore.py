"""Keys of the local network's providers: what a daemon takes, made here."""

from __future__ import annotations

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from golem_launcher.localnet.keystore import keccak_256, new_keystore


@pytest.mark.parametrize("size", [0, 1, 135, 136, 137, 271, 272, 1000])
def test_the_hash_is_that_from_which_sha3_came(size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    assert keccak_256(data, 0x06) == hashlib.sha3_256(data).digest()


def test_the_hash_is_ethereums() -> None:
    assert keccak_256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    public = ec.derive_private_key(1, ec.SECP256K1()).public_key().public_numbers()
    address = keccak_256(public.x.to_bytes(32) + public.y.to_bytes(32))[-20:]
    assert address.hex() == "7e5f4552091a69125d5dfcb7b8c2659029395bdf"  # of the key 1, as every wallet has it


def test_a_keystore_opens_with_an_empty_password_and_is_its_addresses() -> None:
    store = json.loads(new_keystore())
    crypto = store["crypto"]
    parameters = crypto["kdfparams"]
    salt, locked = bytes.fromhex(parameters["salt"]), bytes.fromhex(crypto["ciphertext"])
    lock = hashlib.pbkdf2_hmac("sha256", b"", salt, parameters["c"], parameters["dklen"])
    assert keccak_256(lock[16:] + locked).hex() == crypto["mac"]
    nonce = CTR(bytes.fromhex(crypto["cipherparams"]["iv"]))
    secret = int.from_bytes(Cipher(AES(lock[:16]), nonce).decryptor().update(locked))
    public = ec.derive_private_key(secret, ec.SECP256K1()).public_key().public_numbers()
    assert keccak_256(public.x.to_bytes(32) + public.y.to_bytes(32))[-20:].hex() == store["address"]
    assert json.loads(new_keystore())["address"] != store["address"]
