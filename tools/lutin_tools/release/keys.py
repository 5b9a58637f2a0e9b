"""Signing keys: RSA-3072, PSS with SHA-256. A device knows a key by its modulus, 384 bytes."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from Crypto.Hash import SHA256
from Crypto.PublicKey import RSA
from Crypto.Signature import pss

from .read import MODULUS, Refused, key_id

BITS = 8 * MODULUS
SIGNING = "signing-key.pem"
PUBLIC = "public-key.pem"
_SALT = 32
_PROTECTION = "PBKDF2WithHMAC-SHA512AndAES256-CBC"
_ROUNDS = 210_000

Ask = Callable[[str], str]  # a question -> a passphrase


class Key:
    """A signing key."""

    def __init__(self, rsa: RSA.RsaKey) -> None:
        self._rsa = rsa
        self.modulus = rsa.n.to_bytes(MODULUS, "big")
        self.id = key_id(self.modulus)

    def sign(self, message: bytes) -> bytes:
        """The same signature each time: the salt comes from the key and the message."""
        secret = int(self._rsa.d).to_bytes(MODULUS, "big")

        def salt(count: int) -> bytes:
            return hmac.digest(secret, b"lutin salt" + hashlib.sha256(message).digest(), "sha256")[:count]

        scheme = pss.new(self._rsa, salt_bytes=_SALT, rand_func=salt)
        return scheme.sign(SHA256.new(message))


def generate() -> Key:
    """A new key, kept nowhere."""
    return Key(RSA.generate(BITS))


def new(folder: Path, passphrase: str | None = None) -> Key:
    """A new pair in `folder`; keys that are there are never replaced."""
    for name in (SIGNING, PUBLIC):
        if os.path.lexists(folder / name):
            raise Refused("key-exists", f"{folder / name}: a key is never overwritten; name another folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = generate()
    options = {}
    if passphrase:
        options = {
            "passphrase": passphrase,
            "protection": _PROTECTION,
            "prot_params": {"iteration_count": _ROUNDS},
        }
    # No moment at which others could read it, and no way to hit a file that came in between.
    _write_new(folder / SIGNING, key._rsa.export_key(pkcs=8, **options), 0o600)
    _write_new(folder / PUBLIC, key._rsa.public_key().export_key(), 0o644)
    return key


def load(path: Path, ask: Ask | None = None) -> Key:
    """The signing key in a PEM file; `ask` is asked for the passphrase if it needs one."""
    rsa = _import(path, ask)
    if not rsa.has_private():
        raise Refused("no-key", f"{path} holds a public key, which cannot sign; the other one is {SIGNING}")
    return Key(rsa)


def public(path: Path, ask: Ask | None = None) -> bytes:
    """The modulus of the key in a PEM file, public or signing."""
    return _import(path, ask).n.to_bytes(MODULUS, "big")


def loaded(keys: Sequence[Key | Path]) -> list[Key]:
    """Files become keys."""
    return [key if isinstance(key, Key) else load(key) for key in keys]


def _import(path: Path, ask: Ask | None) -> RSA.RsaKey:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise Refused(
            "no-key", f"{path} is not there; `lutin keys new {path.parent}` makes a key pair"
        ) from None
    except OSError as e:
        raise Refused("no-key", f"{path}: {e.strerror}") from None
    phrase = None
    if b"ENCRYPTED" in data:
        if ask is None:
            raise Refused("no-key", f"{path} has a passphrase; name {PUBLIC}, or give the passphrase")
        phrase = ask(f"Passphrase of {path}: ")
    try:
        rsa = RSA.import_key(data, phrase)
    except (ValueError, IndexError, TypeError) as e:
        why = "the passphrase is wrong" if phrase is not None else f"no RSA key in PEM ({e})"
        raise Refused("no-key", f"{path}: {why}") from None
    if rsa.size_in_bits() != BITS or rsa.e != 65537:
        raise Refused("no-key", f"{path}: an RSA key of {BITS} bits with the exponent 65537 is needed")
    return rsa


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
