"""The local cloud's own certificate authority: loopback TLS that the unmodified SDKs trust.

Clients are told to trust it by ``REQUESTS_CA_BUNDLE`` and ``SSL_CERT_FILE``; nothing is installed on the machine.
Validity is a matter of real time, because TLS libraries look at the machine's clock.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_AUTHORITY_LIFETIME = timedelta(days=3650)
_SERVER_LIFETIME = timedelta(days=365)
#: A certificate is made anew when less than this is left.
_RENEW = timedelta(days=30)
_NAMES = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.IPAddress(ipaddress.ip_address("::1")),
)


@dataclass(frozen=True)
class Tls:
    """The files in ``<state>/tls``; ``bundle`` is what clients trust: the usual authorities and this one."""

    folder: Path

    @classmethod
    def load(cls, state: Path) -> Tls:
        """Make what is missing or close to its end, and return the whole."""
        tls = cls(state / "tls")
        tls.folder.mkdir(parents=True, exist_ok=True)
        if not _lasts(tls.folder / "ca.pem"):
            tls._make_authority()
        if not _lasts(tls.folder / "server.pem"):
            tls._make_server()
        authority = (tls.folder / "ca.pem").read_text()
        tls.bundle.write_text(Path(certifi.where()).read_text(encoding="utf-8") + "\n" + authority, encoding="utf-8")
        return tls

    @property
    def bundle(self) -> Path:
        """The file for ``REQUESTS_CA_BUNDLE`` and ``SSL_CERT_FILE``."""
        return self.folder / "ca-bundle.pem"

    def server_context(self) -> ssl.SSLContext:
        """Return what a server on the loopback presents."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server-key.pem")
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return what a client of this cloud trusts."""
        return ssl.create_default_context(cafile=str(self.bundle))

    def _make_authority(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localcloud authority")])
        usage = _usage(signs=True)
        builder = _builder(name, name, key, _AUTHORITY_LIFETIME)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(usage, critical=True)
        (self.folder / "server.pem").unlink(missing_ok=True)
        _save(self.folder, "ca", key, builder.sign(key, hashes.SHA256()))

    def _make_server(self) -> None:
        authority = x509.load_pem_x509_certificate((self.folder / "ca.pem").read_bytes())
        signer = serialization.load_pem_private_key((self.folder / "ca-key.pem").read_bytes(), password=None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localcloud")])
        builder = _builder(name, authority.subject, key, _SERVER_LIFETIME)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        for extension, critical in (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.SubjectAlternativeName(_NAMES), False),
            (issuer, False),
        ):
            builder = builder.add_extension(extension, critical=critical)
        _save(self.folder, "server", key, builder.sign(signer, hashes.SHA256()))


def _lasts(certificate: Path) -> bool:
    if not certificate.exists():
        return False
    end = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return end - datetime.now(UTC) > _RENEW


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _save(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    """Write the key first: a certificate without its key would look whole."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}-key.pem"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
