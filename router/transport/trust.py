"""Trust: whom a TLS connection believes, and in our words why it did not come about.

Owns the verification settings. Must not know who connects where.
"""

import ssl

from router.errors import Unreachable
from router.text import continued

# OpenSSL's codes for an authority that nobody knows: the certificate is its own, the chain ends in such a
# one, or nowhere.
_UNKNOWN_AUTHORITY = (18, 19, 20)


def trust(ca: str | None) -> ssl.SSLContext:
    """Verification by the system's authorities and those in the file; OSError if that cannot be read."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca is not None:
        context.load_verify_locations(cafile=ca)
    return context


def tls_failure(error: ssl.SSLError) -> Unreachable:
    """A broken handshake is the network's fault; anything else is the sink's, and will not heal by itself."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = (error.verify_message or "unknown reason").rstrip(".")
        known = error.verify_code not in _UNKNOWN_AUTHORITY
        hint = "" if known else "; if its authority is yours, name it by ca"
        return Unreachable(f"the certificate is not trusted: {continued(why)}{hint}", tls=True)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
        return Unreachable("the connection was closed during the TLS handshake")
    if error.reason == "WRONG_VERSION_NUMBER":
        return Unreachable("TLS failed: the port speaks something else; is it one for http://?", tls=True)
    return Unreachable(
        f"TLS failed: {(error.reason or 'unknown reason').lower().replace('_', ' ')}", tls=True
    )
