"""Who signs: the install's own authority, made once and renewed in time, or the operator's."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from running import command, environment
from safelight import provenance
from safelight.errors import ConfigurationError
from safelight.provenance import Integrity, Signer, credentials_of, trust_of
from signed import ORIGIN, install_signer, plain_png

PEM = serialization.Encoding.PEM
NOW = datetime.now(UTC)


class Issued(NamedTuple):
    certificate: x509.Certificate
    key: Any


def issue(
    name: str, issuer: Issued | None, key: Any = None, *, purpose: Any = None, days: int = 90,
    age_days: int = 1,
) -> Issued:  # fmt: skip
    """A certificate as authorities issue them; `purpose` makes it that of a signer."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
    is_signer = purpose is not None
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    usage |= {"digital_signature": is_signer, "key_cert_sign": not is_signer, "crl_sign": False}
    above = issuer.key if issuer else key
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key())
    building = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=age_days))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(not is_signer, None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(identifier, critical=False)
    )
    if is_signer:
        building = building.add_extension(x509.ExtendedKeyUsage([purpose]), False)
    algorithm = None if isinstance(above, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Issued(building.sign(above, algorithm), key)


class Operator:
    """A root, an authority below it, and a certificate for signing pictures."""

    def __init__(self, folder: Path, key: Any = None, **terms: Any):
        terms.setdefault("purpose", ExtendedKeyUsageOID.EMAIL_PROTECTION)
        self.root = issue("Some Root", None)
        self.authority = issue("Some Authority", self.root)
        self.signer = issue("Studio Seoul", self.authority, key, **terms)
        self.certificate = folder / "chain.pem"
        self.key = folder / "signer.key"
        self.keep_chain(self.signer, self.authority, self.root)
        self.key.write_bytes(
            self.signer.key.private_bytes(
                PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def keep_chain(self, *chain: Issued) -> None:
        self.certificate.write_bytes(b"".join(c.certificate.public_bytes(PEM) for c in chain))

    def signed(self, home: Path) -> bytes:
        signer = Signer(lambda now: credentials_of(home, self.certificate, self.key, now))
        signer.load()
        return signer.sign(plain_png(), ORIGIN)


def test_many_processes_at_once_make_one_authority(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime;"
        "from safelight.provenance import credentials_of;"
        "sys.stdin.readline();"
        "print(credentials_of(Path(sys.argv[1]), None, None, datetime.now(UTC)).anchor)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / "home"],
            env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(6)
    ]  # fmt: skip
    answers = [process.communicate("go\n", timeout=60)[0] for process in processes]
    assert len(set(answers)) == 1
    assert "BEGIN CERTIFICATE" in answers[0]
    names = sorted(path.name for path in (tmp_path / "home" / "provenance").iterdir())
    assert names == ["authority.pem", "signer.pem"], "no half-written file is left"


def test_a_signer_is_renewed_long_before_it_ends_by_the_same_authority(tmp_path: Path) -> None:
    first = credentials_of(tmp_path, None, None, NOW)
    assert credentials_of(tmp_path, None, None, NOW + timedelta(days=300)) == first
    later = credentials_of(tmp_path, None, None, NOW + timedelta(days=400))
    assert later.chain != first.chain
    assert later.anchor == first.anchor
    assert first.good_until - NOW > timedelta(days=9 * 365), "pictures verify for years after"
    assert credentials_of(tmp_path, None, None, NOW + timedelta(days=401)) == later


def test_a_signer_of_another_authority_is_replaced(tmp_path: Path) -> None:
    first = credentials_of(tmp_path, None, None, NOW)
    (tmp_path / "provenance" / "authority.pem").unlink()
    second = credentials_of(tmp_path, None, None, NOW)
    assert first.anchor != second.anchor
    assert first.chain != second.chain
    install_signer(tmp_path).load()


def test_a_signer_of_a_clock_that_was_ahead_is_replaced(tmp_path: Path) -> None:
    """Nobody could verify its pictures for years."""
    credentials_of(tmp_path, None, None, NOW)
    credentials_of(tmp_path, None, None, NOW + timedelta(days=2 * 365))
    assert credentials_of(tmp_path, None, None, NOW).are_good(NOW)


def test_an_authority_of_a_clock_that_was_ahead_is_refused(tmp_path: Path) -> None:
    credentials_of(tmp_path, None, None, NOW + timedelta(days=2 * 365))
    with pytest.raises(ConfigurationError, match="is not valid before"):
        credentials_of(tmp_path, None, None, NOW)


def test_an_authority_whose_key_is_elsewhere_signs_until_the_next_renewal(tmp_path: Path) -> None:
    """And then says what it lacks."""
    first = credentials_of(tmp_path, None, None, NOW)
    (tmp_path / "provenance" / "authority.pem").write_text(first.anchor)
    assert credentials_of(tmp_path, None, None, NOW) == first
    with pytest.raises(ConfigurationError, match="holds no private key"):
        credentials_of(tmp_path, None, None, NOW + timedelta(days=400))


def test_no_key_is_ever_shown(tmp_path: Path) -> None:
    credentials = credentials_of(tmp_path, None, None, NOW)
    assert "PRIVATE" in credentials.key
    assert "PRIVATE" not in repr(credentials) + trust_of(tmp_path, None).anchors


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ed25519.Ed25519PrivateKey.generate(),
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "Ed25519", "RSA"],
)
def test_the_operators_certificate_signs(tmp_path: Path, make: Callable[[], Any]) -> None:
    operator = Operator(tmp_path, make())
    content = operator.signed(tmp_path)
    trust = trust_of(tmp_path, operator.certificate)
    report = provenance.read_own(content, trust)
    assert (report.integrity, report.ours) == (Integrity.INTACT, True)
    assert report.signer == "Studio Seoul"
    assert provenance.read(content, trust.anchors).trusted
    assert not (tmp_path / "provenance").exists(), "the install needs none of its own"


def test_a_chain_may_end_below_its_root(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    operator.keep_chain(operator.signer, operator.authority)
    content = operator.signed(tmp_path)
    assert provenance.read_own(content, trust_of(tmp_path, operator.certificate)).ours


def test_somebody_else_with_the_same_authority_is_trusted_and_is_not_us(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    trust = trust_of(tmp_path, operator.certificate)
    other = tmp_path / "other"
    other.mkdir()
    rival = Operator(other)
    rival.authority = operator.authority
    rival.signer = issue(
        "Studio Seoul", operator.authority, rival.signer.key,
        purpose=ExtendedKeyUsageOID.EMAIL_PROTECTION,
    )  # fmt: skip
    rival.keep_chain(rival.signer, operator.authority, operator.root)
    report = provenance.read_own(rival.signed(other), trust)
    assert (report.integrity, report.trusted, report.ours) == (Integrity.INTACT, True, False)


def test_what_the_install_signed_before_is_still_ours(tmp_path: Path) -> None:
    before = install_signer(tmp_path).sign(plain_png(), ORIGIN)
    operator = Operator(tmp_path)
    assert provenance.read_own(before, trust_of(tmp_path, operator.certificate)).ours


def refusal(operator: Operator) -> str:
    with pytest.raises(ConfigurationError) as refused:
        operator.signed(operator.certificate.parent)
    assert "BEGIN" not in str(refused.value)
    return str(refused.value)


def test_certificates_that_cannot_sign_are_refused_in_clear_words(tmp_path: Path) -> None:
    assert "expired on" in refusal(Operator(tmp_path, days=-1, age_days=90))
    assert "not valid before" in refusal(Operator(tmp_path, age_days=-2))
    assert "not for signing" in refusal(Operator(tmp_path, purpose=ExtendedKeyUsageOID.SERVER_AUTH))
    assert "of a kind that C2PA does not know" in refusal(
        Operator(tmp_path, ec.generate_private_key(ec.SECP256K1()))
    )


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    operator.keep_chain(operator.signer)
    assert "lacks the certificates that issued" in refusal(operator)
    operator.keep_chain(operator.signer, operator.root)
    assert "is no chain" in refusal(operator)
    operator.keep_chain(operator.authority, operator.root)
    assert "is not that of the first certificate" in refusal(operator)
    operator.certificate.write_text("hello")
    assert "holds no certificate" in refusal(operator)
    operator.keep_chain(operator.signer, operator.authority)
    operator.key.write_text("hello")
    assert "holds no private key" in refusal(operator)
    operator.key.unlink()
    assert "cannot be read" in refusal(operator)


def test_an_encrypted_key_is_refused(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    operator.key.write_bytes(
        operator.signer.key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        )
    )
    assert "unencrypted" in refusal(operator)


def test_a_server_with_a_bad_certificate_does_not_start(tmp_path: Path) -> None:
    operator = Operator(tmp_path, days=-1, age_days=90)
    settings = {"PROVENANCE__CERTIFICATE": operator.certificate, "PROVENANCE__KEY": operator.key}
    done = command(tmp_path / "home", "serve", PORT=0, **settings)
    assert done.returncode == 1
    assert "expired on" in done.stderr
    assert "PRIVATE" not in done.stderr
    settings.pop("PROVENANCE__KEY")
    done = command(tmp_path / "home", "serve", PORT=0, **settings)
    assert "go together" in done.stderr
