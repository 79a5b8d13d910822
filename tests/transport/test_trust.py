"""Whom a connection believes, and what is said if it believes nobody."""

import ssl
from pathlib import Path

import pytest
import trustme

from router.transport.trust import tls_failure, trust


def named(error: ssl.SSLError, **facts: object) -> ssl.SSLError:
    """The error, with what OpenSSL says in it."""
    for name, value in facts.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    ("error", "message", "sinks_fault"),
    [
        (
            named(
                ssl.SSLCertVerificationError(1, ""),
                verify_message="Hostname mismatch, of 'x'.",
                verify_code=62,
            ),
            "the certificate is not trusted: hostname mismatch, of 'x'",
            True,
        ),
        (
            named(ssl.SSLCertVerificationError(1, ""), verify_message="IP address mismatch", verify_code=64),
            "the certificate is not trusted: IP address mismatch",
            True,
        ),
        (
            named(ssl.SSLCertVerificationError(1, ""), verify_message="", verify_code=1),
            "the certificate is not trusted: unknown reason",
            True,
        ),
        *[
            (
                named(ssl.SSLCertVerificationError(1, ""), verify_message="of nobody", verify_code=code),
                "the certificate is not trusted: of nobody; if its authority is yours, name it by ca",
                True,
            )
            for code in (18, 19, 20)
        ],
        (ssl.SSLEOFError(8, "EOF"), "the connection was closed during the TLS handshake", False),
        (ssl.SSLZeroReturnError(6, "closed"), "the connection was closed during the TLS handshake", False),
        (ssl.SSLSyscallError(5, "errno"), "the connection was closed during the TLS handshake", False),
        (
            named(ssl.SSLError(1, ""), reason="TLSV1_ALERT_PROTOCOL_VERSION"),
            "TLS failed: tlsv1 alert protocol version",
            True,
        ),
        (
            named(ssl.SSLError(1, ""), reason="WRONG_VERSION_NUMBER"),
            "TLS failed: the port speaks something else; is it one for http://?",
            True,
        ),
        (named(ssl.SSLError(1, ""), reason=""), "TLS failed: unknown reason", True),
    ],
)
def test_a_failure_says_why_and_whose_fault_it_is(
    error: ssl.SSLError, message: str, sinks_fault: bool
) -> None:
    """A sink that is not trusted is paused; a handshake that broke is tried again."""
    failure = tls_failure(error)

    assert (failure.reason, failure.tls) == (message, sinks_fault)


def test_a_certificate_and_its_name_are_always_checked(tmp_path: Path) -> None:
    """With authorities of one's own, too; TLS 1.2 is the least."""
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))

    for context in (trust(None), trust(str(path))):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_authorities_of_ones_own_are_believed_besides_the_systems(tmp_path: Path) -> None:
    """A sink may move behind a public certificate without a new file."""
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))

    assert trust(str(path)).cert_store_stats()["x509"] == trust(None).cert_store_stats()["x509"] + 1


def test_a_file_that_holds_no_authority_is_an_error(tmp_path: Path) -> None:
    """Missing, or something else."""
    junk = tmp_path / "junk.pem"
    junk.write_text("not a certificate")

    for path in (tmp_path / "missing.pem", junk):
        with pytest.raises(OSError):  # noqa: PT011  # the system's and OpenSSL's own words
            trust(str(path))
