"""RSA-3072 signatures, PSS with SHA-256 (RFC 8017, 8.1.2), by three-argument pow."""

from hashlib import sha256

from micropython import const

LENGTH = const(384)  # of a modulus and of a signature

_EXPONENT = const(65537)
_HASH = const(32)
_SALT = const(32)
_MASKED = const(351)  # LENGTH - _HASH - 1
_ONE = const(318)  # _MASKED - _SALT - 1: so many zeros come first


def key_id(modulus):
    """What a signature names its key by."""
    return sha256(modulus).digest()[:8].hex()


def is_key(modulus):
    """Whether these bytes can be a modulus of 3072 bits."""
    return len(modulus) == LENGTH and modulus[0] > 0x7F and modulus[-1] & 1 == 1


def verify(modulus, signature, digest):
    """Whether the owner of this key signed what has this SHA-256."""
    if not is_key(modulus) or len(signature) != LENGTH or len(digest) != _HASH:
        return False
    number = int.from_bytes(signature, "big")
    n = int.from_bytes(modulus, "big")
    if number >= n:
        return False  # it would have a second spelling
    block = pow(number, _EXPONENT, n).to_bytes(LENGTH, "big")
    # 3071 bits: the highest of the 384 bytes' is not used.
    if block[-1] != 0xBC or block[0] > 0x7F:
        return False
    found = block[_MASKED:-1]
    data = bytearray(block[:_MASKED])
    _unmask(data, found)
    data[0] &= 0x7F
    if any(data[:_ONE]) or data[_ONE] != 1:
        return False
    check = sha256(bytes(8))
    check.update(digest)
    check.update(data[_ONE + 1 :])
    return check.digest() == found


def _unmask(data, seed):
    """Take MGF1's mask off in place."""
    for block in range((len(data) + _HASH - 1) // _HASH):
        at = block * _HASH
        mask = sha256(seed + block.to_bytes(4, "big")).digest()
        for i in range(min(_HASH, len(data) - at)):
            data[at + i] ^= mask[i]
