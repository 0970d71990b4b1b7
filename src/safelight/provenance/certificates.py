"""Who signs: an install's own certificate authority and its signer, or the operator's certificate.

The authority is made by whichever process is first and lives in the home, and so does the signer
that it certifies. A picture can be verified for as long as its signer's certificate is valid, so
that is long, and renewed long before its end.
"""

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from safelight.errors import ConfigurationError

AUTHORITY_DAYS = 30 * 365
SIGNER_DAYS = 10 * 365
RENEWED_DAYS = 365  # a signer of this age is replaced: each picture verifies for nine years more
CLOCK_SKEW_DAYS = 1  # verifiers whose clock is behind ours find the certificate valid
RSA_BITS_MIN = 2048
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
# What C2PA lets a signer's certificate be for, besides its own purpose.
PURPOSES = {
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # signing of documents (RFC 9336)
    x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1"),  # of claims, by C2PA's own certificate policy
}
PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Credentials:
    """Certificates, and the key that signs for the first of them."""

    chain: str  # PEM, as pictures carry it: without the root, which verifiers must know already
    anchor: str  # PEM: the last of the chain as it was given
    algorithm: str  # as C2PA names it: "es256"
    good_from: datetime
    good_until: datetime
    key: str = field(repr=False)  # PEM, PKCS#8
    renewed_at: datetime | None = None  # when others take their place, though these are still good

    def are_good(self, now: datetime) -> bool:
        ends = min(self.good_until, self.renewed_at or self.good_until)
        return self.good_from <= now < ends


def credentials_of(
    home: Path, certificate: Path | None, key: Path | None, now: datetime
) -> Credentials:
    """The operator's where both files are given, else the install's, made now if it has none.

    Raises ConfigurationError when they cannot sign.
    """
    if certificate is None or key is None:
        if certificate is not key:
            raise ConfigurationError(
                "SAFELIGHT_PROVENANCE__CERTIFICATE and SAFELIGHT_PROVENANCE__KEY go together"
            )
        return _of_install(home / "provenance", now)
    return _of_operator(certificate, key, now)


@dataclass(frozen=True, slots=True)
class Trust:
    """By which certificates a signer is known to be ours, in PEM; no secrets."""

    authority: str = ""  # the install's own: it certifies nobody but us
    issuers: str = ""  # of the operator's certificate: they certify others too,
    serial: str = ""  # so it must be this one

    @property
    def anchors(self) -> str:
        """What others are to trust to find our pictures trusted."""
        return self.authority + self.issuers


def trust_of(home: Path, certificate: Path | None) -> Trust:
    """Both kinds: what the install signed before the operator had a certificate is ours too."""
    path = home / "provenance" / "authority.pem"
    authority = _pem(*_certificates(path)) if path.exists() else ""
    if certificate is None:
        return Trust(authority)
    signer, *issuers = _certificates(certificate)
    return Trust(authority, _pem(*issuers), str(signer.serial_number))


def _of_install(folder: Path, now: datetime) -> Credentials:
    path = folder / "signer.pem"
    authority = _authority(folder, now)
    if path.exists():
        found = _read(path, path)
        [signer, *issuers] = _certificates(path)
        if issuers == [authority] and signer.not_valid_before_utc <= now < _renewed_at(signer):
            return replace(found, renewed_at=_renewed_at(signer))
    issuer = _private_key(folder / "authority.pem")
    assert isinstance(issuer, ec.EllipticCurvePrivateKey)
    key, signer = _new_signer(authority, issuer, now)
    _keep(path, _key_and_chain(key, signer, authority), os.replace)
    return replace(_read(path, path), renewed_at=_renewed_at(signer))


def _renewed_at(signer: x509.Certificate) -> datetime:
    return signer.not_valid_before_utc + timedelta(days=RENEWED_DAYS)


def _authority(folder: Path, now: datetime) -> x509.Certificate:
    """The install's own, made by whoever is first."""
    path = folder / "authority.pem"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process was first: its stands
            _keep(path, _key_and_chain(*_new_authority(now)), os.link)
    [found] = _certificates(path)
    if now > found.not_valid_after_utc:
        raise ConfigurationError(f"{path} has expired; move it away, and a new one is made")
    if now < found.not_valid_before_utc:
        raise ConfigurationError(
            f"{path} is not valid before {found.not_valid_before_utc:%Y-%m-%d}: the clock is wrong,"
            " or was; then move it away, and a new one is made"
        )
    return found


def _new_authority(now: datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Safelight install {secrets.token_hex(4)}")
    building = _building(name, name, key, now, AUTHORITY_DAYS)
    certificate = (
        building.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _new_signer(
    authority: x509.Certificate, issuer: ec.EllipticCurvePrivateKey, now: datetime
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    end = min(now + timedelta(days=SIGNER_DAYS), authority.not_valid_after_utc)
    subject = _name("Safelight pictures")
    certificate = (
        _building(subject, authority.subject, key, now, (end - now).days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), False
        )
        .sign(issuer, hashes.SHA256())
    )
    return key, certificate


def _building(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=CLOCK_SKEW_DAYS))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _name(common_name: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Safelight")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature, key_cert_sign=key_cert_sign, crl_sign=key_cert_sign,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _keep(path: Path, content: bytes, put: Callable[[Path, Path], object]) -> None:
    """Write a private file whole: nobody ever reads half of it."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        put(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _key_and_chain(key: ec.EllipticCurvePrivateKey, *chain: x509.Certificate) -> bytes:
    return _private(key).encode() + _pem(*chain).encode()


def _private(key: PrivateKeyTypes) -> str:
    return key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _pem(*certificates: x509.Certificate) -> str:
    return "".join(certificate.public_bytes(PEM).decode() for certificate in certificates)


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"{path} holds no certificate in PEM form") from None


def _of_operator(certificate: Path, key: Path, now: datetime) -> Credentials:
    [signer, *issuers] = _certificates(certificate)
    found = _read(certificate, key)
    if not issuers:
        raise ConfigurationError(
            f"{certificate} lacks the certificates that issued the first one; put them behind it"
        )
    if now < found.good_from:
        raise ConfigurationError(f"{certificate} is not valid before {found.good_from:%Y-%m-%d}")
    if now > found.good_until:
        raise ConfigurationError(f"{certificate} expired on {found.good_until:%Y-%m-%d}")
    _check_purpose(certificate, signer)
    return found


def _read(certificate: Path, key: Path) -> Credentials:
    """Both files, which must belong together. Says nothing of what is in the key."""
    chain = _certificates(certificate)
    private = _private_key(key)
    if private.public_key() != chain[0].public_key():
        raise ConfigurationError(
            f"the key in {key} is not that of the first certificate in {certificate}"
        )
    for lower, upper in pairwise(chain):
        try:
            lower.verify_directly_issued_by(upper)
        except Exception:  # of many kinds: a name, a type of key, the signature
            raise ConfigurationError(
                f"{certificate} is no chain: each certificate must be issued by the next one"
            ) from None
    has_root = len(chain) > 1 and chain[-1].issuer == chain[-1].subject
    return Credentials(
        chain=_pem(*(chain[:-1] if has_root else chain)),
        anchor=_pem(chain[-1]),
        algorithm=_algorithm(private, key),
        good_from=chain[0].not_valid_before_utc,
        good_until=chain[0].not_valid_after_utc,
        key=_private(private),
    )


def _private_key(path: Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):  # TypeError: it is encrypted
        raise ConfigurationError(f"{path} holds no private key in unencrypted PEM form") from None


def _algorithm(private: PrivateKeyTypes, path: Path) -> str:
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in CURVES:
        return CURVES[private.curve.name]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= RSA_BITS_MIN:
        return "ps256"
    raise ConfigurationError(
        f"the key in {path} is of a kind that C2PA does not know: take P-256, P-384, P-521,"
        " Ed25519, or RSA of at least 2048 bits"
    )


def _check_purpose(path: Path, signer: x509.Certificate) -> None:
    """As C2PA asks of the certificate that signs claims."""
    try:
        usage = signer.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise ConfigurationError(
            f"{path}: the certificate must say what it is for (key usage and extended key usage)"
        ) from None
    if not usage.digital_signature or not PURPOSES & set(purposes):
        raise ConfigurationError(
            f"{path}: the certificate is not for signing claims; it needs the key usage"
            " digitalSignature and the purpose emailProtection or documentSigning"
        )
