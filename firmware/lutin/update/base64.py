"""Standard base64, strict, whole or as it is read."""

from binascii import a2b_base64, b2a_base64


def decode(text):
    """The bytes of standard base64, None if it is not written exactly so."""
    try:
        data = a2b_base64(text)
    except ValueError:
        return None
    # MicroPython passes over what is no base64, and over bits that decode to nothing.
    return data if b2a_base64(data, newline=False) == text else None


class Base64:
    """The open string of a Reader, decoded as it is read."""

    def __init__(self, reader):
        self._reader = reader
        self._carry = b""
        self._ended = False

    def next(self):
        """More of the bytes, perhaps none; None at the end."""
        text = self._reader.chunk(False)
        if text is None:
            if self._carry:
                raise self._reader.failure("bad-base64")
            return None
        if self._ended:
            raise self._reader.failure("bad-base64")  # after the padding
        if self._carry:
            text = self._carry + bytes(text)
        whole = len(text) & ~3
        self._carry = b""
        if whole < len(text):
            self._carry = bytes(text[whole:])
            text = text[:whole]
        data = decode(text)
        if data is None:
            raise self._reader.failure("bad-base64")
        self._ended = len(data) * 4 != whole * 3
        return data

    def readinto(self, buf):
        """For a Reader over what is inside: a chunk is never more than its buffer."""
        while True:
            data = self.next()
            if data is None:
                return 0
            if data:
                buf[: len(data)] = data
                return len(data)
