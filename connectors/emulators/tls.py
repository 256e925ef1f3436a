"""A certificate for clients that insist on https, made on first use and trusted by nobody else.

It is its own authority: hand `certificate.pem` to a client as its CA bundle.
"""

import ipaddress
import ssl
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_LIFETIME = timedelta(days=365)
_NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Emulated systems on this machine")])


def context(folder: Path, hosts: Collection[str] = ()) -> ssl.SSLContext:
    """Reads `certificate.pem` and `key.pem` in the folder, making both when they are missing or about to expire.

    `hosts` are names the certificate holds for besides this machine's own: some clients know one host only.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not certificate.exists() or not key.exists() or _is_old(certificate) or _lacks(certificate, hosts):
        _make(certificate, key, hosts)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server


def _is_old(certificate: Path) -> bool:
    known = x509.load_pem_x509_certificate(certificate.read_bytes())
    return known.not_valid_after_utc < datetime.now(UTC) + timedelta(days=7)


def _lacks(certificate: Path, hosts: Collection[str]) -> bool:
    known = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return not set(hosts) <= set(names.get_values_for_type(x509.DNSName))


def _make(certificate: Path, key: Path, hosts: Collection[str]) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in ("localhost", *hosts)]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    signed = (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key.parent.mkdir(parents=True, exist_ok=True)
    key.touch(mode=0o600)
    key.write_bytes(pem)
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
