"""TLS: whom to believe, and what it means when it fails."""

from micropython import const

from .states import Failure

_NOT_SET = const(757382400)  # s since 2000, and no less since 1970: before 2024 nobody has set the clock
_NO_MEMORY = (-0x7F00, -0x2880, -0x3F80, -0x6A00, 16)
_NOT_TLS = (-0x7200, -0x7100, -0x7700)
# What mbedTLS says of a certificate: the first that is found names it. Without the issuer's word
# nothing else in it means anything.
_REASONS = (
    ("trusted CA", "tls-unknown-issuer"),
    ("does not match", "tls-wrong-name"),
    ("has expired", "tls-certificate-expired"),
    ("in the future", "tls-not-yet-valid"),
)


def encrypted(sock, host, ca, cert=None, key=None):
    """The encrypted socket; with a CA (DER) the server's certificate must be by that, and for this host.

    cert, key: DER, with which the server may know us.
    """
    try:
        import tls  # here, so that its absence can be said
    except ImportError:
        raise Failure("tls-missing")
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if ca:
        try:
            context.load_verify_locations(ca)
        except ValueError:
            raise Failure("tls-ca-invalid")
    else:
        context.verify_mode = tls.CERT_NONE  # pyright: ignore[reportAttributeAccessIssue]
    if cert:
        try:
            context.load_cert_chain(cert, key)
        except ValueError:
            raise Failure("tls-client-certificate-invalid")
    try:
        return context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    except (OSError, ValueError) as e:
        raise refusal(e, None) or Failure("tls-handshake")


def refusal(error, clock):
    """The Failure that an error during the handshake is; None: it is the network's, not of TLS."""
    if isinstance(error, ValueError):
        text = str(error)
        for part, name in _REASONS:
            if part in text:
                unset = name == "tls-not-yet-valid" and clock and clock.time() < _NOT_SET
                return Failure(name, "the clock is not set" if unset else "")
        return Failure("tls-certificate-refused", text.partition("\n")[0][:60])
    code = error.args[0] if error.args else 0
    if code in _NO_MEMORY:
        return Failure("out-of-memory", "for TLS")
    if not isinstance(code, int) or code > 0:
        return None
    if code in _NOT_TLS:
        return Failure("tls-handshake", "the other side speaks no TLS")
    return Failure("tls-handshake", "error -0x%x" % -code)
