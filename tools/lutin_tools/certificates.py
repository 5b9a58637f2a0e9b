"""A CA of one's own, and certificates for this machine, for `lutin serve --tls`."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .release.compiler import replace
from .release.read import Refused

_CA_DAYS = 7300
_DAYS = 825
_LEFT = 30  # days; a certificate that is older is made anew


@dataclass(frozen=True)
class Made:
    ca_der: Path
    cert: Path
    key: Path


def ensure(folder: Path, names: Sequence[str], addresses: Sequence[str]) -> Made:
    """A certificate for all these, by the CA in `folder`, which is made if there is none yet."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Made(folder / "ca.der", folder / "server.pem", folder / "server-key.pem")
    ca_key_path = folder / "ca-key.pem"
    if made.ca_der.exists() != ca_key_path.exists():
        raise Refused("tls", f"{folder} holds half of a CA: remove ca.der and ca-key.pem for a new one")
    if not made.ca_der.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(ca_key_path, key)
        replace(made.ca_der, _ca(key).public_bytes(serialization.Encoding.DER))
    try:
        ca = x509.load_der_x509_certificate(made.ca_der.read_bytes())
        ca_key = serialization.load_pem_private_key(ca_key_path.read_bytes(), None)
    except (ValueError, TypeError) as e:
        raise Refused("tls", f"the CA in {folder} cannot be read: {e}") from None
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    if not (made.key.exists() and _covers(made.cert, ca, names, addresses)):
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(made.key, key)
        certificate = _server(key, ca, ca_key, names, addresses)
        replace(made.cert, certificate.public_bytes(serialization.Encoding.PEM))
    return made


def own_names() -> list[str]:
    """What this machine may be called."""
    name = socket.gethostname().rstrip(".")
    names = {"localhost", name, socket.getfqdn().rstrip("."), name.split(".")[0] + ".local"}
    return sorted(each for each in names if each and each.isascii() and " " not in each)


def _covers(path: Path, ca: x509.Certificate, names: Sequence[str], addresses: Sequence[str]) -> bool:
    """Whether the certificate there will do."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(ca)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False  # whatever is wrong with it, a new one is better
    there = {*found.get_values_for_type(x509.DNSName)}
    there |= {str(address) for address in found.get_values_for_type(x509.IPAddress)}
    end = certificate.not_valid_after_utc - datetime.timedelta(days=_LEFT)
    return {*names, *addresses} <= there and _now() < end


def _ca(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name(f"lutin CA of {socket.gethostname()}"[:64])
    usage = _usage(key_cert_sign=True, crl_sign=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(name, name, key, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    addresses: Sequence[str],
) -> x509.Certificate:
    alternatives = [x509.DNSName(name) for name in names]
    ips = [x509.IPAddress(ipaddress.ip_address(address)) for address in dict.fromkeys(addresses)]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _builder(_name("lutin serve"), ca.subject, key, _DAYS)
        .add_extension(x509.SubjectAlternativeName([*alternatives, *ips]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    start = _now() - datetime.timedelta(days=1)  # clocks differ
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
    )


def _usage(**true: bool) -> x509.KeyUsage:
    all_of_them = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: true.get(name, False) for name in all_of_them})


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.unlink(missing_ok=True)
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
