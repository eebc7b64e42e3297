"""Makes keys for providers of the local network, as files that a daemon opens at once (Web3 Secret Storage, version 3).

A daemon's own take a fifth of a second of a processor each, when they are made and at every start: they are locked by a
password, which is empty here, by ten thousand rounds. Nothing that these keys have counts anywhere else.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
import uuid

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

_ROUNDS = 1
_NUMBER_BYTES, _ADDRESS_BYTES = 32, 20
_RATE, _LANES, _SIDE = 136, 25, 5
_WORD = (1 << 64) - 1
_TURNS = (1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44)
_PLACES = (10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1)
_CONSTANTS = (
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000, 0x000000000000808B,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008A, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000A, 0x000000008000808B, 0x800000000000008B, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
)  # fmt: skip


def new_keystore() -> str:
    """A new key, locked by an empty password, as the JSON that yagna takes for ``fromKeystore``."""
    key = ec.generate_private_key(ec.SECP256K1())
    secret = key.private_numbers().private_value.to_bytes(_NUMBER_BYTES)
    public = key.public_key().public_numbers()
    address = keccak_256(public.x.to_bytes(_NUMBER_BYTES) + public.y.to_bytes(_NUMBER_BYTES))[-_ADDRESS_BYTES:]
    salt, nonce = secrets.token_bytes(32), secrets.token_bytes(16)
    lock = hashlib.pbkdf2_hmac("sha256", b"", salt, _ROUNDS)
    locked = Cipher(AES(lock[:16]), CTR(nonce)).encryptor().update(secret)
    crypto = {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": nonce.hex()},
        "ciphertext": locked.hex(),
        "kdf": "pbkdf2",
        "kdfparams": {"c": _ROUNDS, "dklen": len(lock), "prf": "hmac-sha256", "salt": salt.hex()},
        "mac": keccak_256(lock[16:] + locked).hex(),
    }
    return json.dumps({"id": str(uuid.uuid4()), "version": 3, "crypto": crypto, "address": address.hex()})


def keccak_256(data: bytes, suffix: int = 0x01) -> bytes:
    """Ethereum's hash, which no library here has; with the ``suffix`` 0x06 it is SHA3-256, which came of it."""
    padded = bytearray(data) + bytes(_RATE - len(data) % _RATE)
    padded[len(data)] ^= suffix
    padded[-1] ^= 0x80
    lanes = [0] * _LANES
    for begin in range(0, len(padded), _RATE):
        for number, word in enumerate(struct.unpack_from(f"<{_RATE // 8}Q", padded, begin)):
            lanes[number] ^= word
        _permute(lanes)
    return struct.pack("<4Q", *lanes[:4])


def _permute(lanes: list[int]) -> None:
    """Keccak-f[1600] (FIPS 202, 3.3): theta, rho with pi, chi, iota."""
    for constant in _CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(_SIDE)]
        for number in range(_LANES):
            lanes[number] ^= columns[(number - 1) % _SIDE] ^ _turned(columns[(number + 1) % _SIDE], 1)
        moving = lanes[1]
        for place, turns in zip(_PLACES, _TURNS, strict=True):
            lanes[place], moving = _turned(moving, turns), lanes[place]
        for row in range(0, _LANES, _SIDE):
            five = lanes[row : row + _SIDE]
            for x in range(_SIDE):
                lanes[row + x] = five[x] ^ (~five[(x + 1) % _SIDE] & five[(x + 2) % _SIDE])
        lanes[0] ^= constant


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) & _WORD
