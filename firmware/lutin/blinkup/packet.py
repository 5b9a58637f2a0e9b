"""Bits -> bytes -> records: the packet, its checks and its refusals."""

from binascii import crc32

from micropython import const

START = const(0x2A)

_NETWORK = const(1)
_WPS = const(3)
_UPGRADE = const(4)
_ENROL = const(5)
_PASSWORD = const(6)
_CLEAR = const(7)
_STATIC = const(11)
_PROXY = const(13)
_CHECK = const(0x80)
_SERVER = const(0x81)
_BROKER = const(0x82)
_NAME = const(0x83)
_ADD = const(0x84)

# In what order a genuine sender sends them. A flipped bit that the vendor's CRC lets pass is
# seldom one that leaves all the rules standing, so without our check each of them counts.
_ORDER = bytes((_WPS, _NETWORK, _PASSWORD, _STATIC, _PROXY, _ENROL, _UPGRADE))
_FIRST = bytes((_NETWORK, _WPS, _UPGRADE, _ENROL, _CLEAR, _SERVER, _BROKER, _NAME, _ADD))


class PacketError(Exception):
    """args[0] names why the packet is refused."""


def crc16(data, crc=0):
    """The vendor's check: a table for right shifts, used with left shifts. It must be so."""
    for byte in data:
        entry = (crc >> 8) ^ byte
        for _ in range(8):
            entry = entry >> 1 ^ 0xA001 if entry & 1 else entry >> 1
        crc = (crc << 8 ^ entry) & 0xFFFF
    return crc


class Assembler:
    """Bits to one packet; notices at once when the records cannot fill it."""

    def __init__(self):
        self._buffer = bytearray(258)  # LEN, 255 bytes of records, CRC
        self.reset()

    def reset(self):
        """Start anew, behind 0x2A."""
        self.count = 0  # whole bytes
        self._byte = 1  # a 1 in front marks how many bits are there
        self._record = 1  # where the current record starts

    def bit(self, bit):
        """Append a bit; True when the packet is whole. PacketError as soon as it cannot be one."""
        self._byte = self._byte << 1 | bit
        if self._byte < 256:
            return False
        i = self.count
        buffer = self._buffer
        buffer[i] = self._byte & 255
        self._byte = 1
        self.count = i + 1
        length = buffer[0]
        if i == 0:
            if length < 2:
                raise PacketError("length")
        elif i <= length:
            if i == self._record and i == length:
                raise PacketError("record-overflow")
            if i == self._record + 1:
                self._record = i + 1 + buffer[i]
                if self._record > length + 1:
                    raise PacketError("record-overflow")
        return self.count == length + 3

    def left(self):
        """Bytes still to come, as far as is known."""
        return self._buffer[0] + 3 - self.count if self.count else 0

    def plausible(self):
        """Whether it begins with a record that a sender begins with."""
        return self._buffer[1] in _FIRST

    def packet(self):
        """LEN, records and CRC, as received."""
        return memoryview(self._buffer)[: self.count]


def parse(packet):
    """What a whole packet says, as a dict; see docs/blinkup.md. PacketError names a refusal."""
    length = packet[0]
    if len(packet) != length + 3:
        raise PacketError("length")
    body = bytes(packet[: length + 1])
    if crc16(body) != packet[length + 1] << 8 | packet[length + 2]:
        raise PacketError("crc")
    records = []
    i = 1
    while i <= length:
        end = i + 2 + body[i + 1] if i < length else length + 2
        if end > length + 1:
            raise PacketError("record-overflow")
        if any(kind == body[i] for kind, _ in records):
            raise PacketError("record-twice")
        records.append((body[i], body[i + 2 : end]))
        if body[i] == _CHECK:
            if end != length + 1:
                raise PacketError("check-not-last")
            _verify(records[-1][1], body[1:i])
        i = end
    if not records:
        raise PacketError("length")
    return _settings(records)


def _verify(check, records):
    """The CRC-32 that the vendor's check should have been."""
    if len(check) != 4 or crc32(records) & 0xFFFFFFFF != int.from_bytes(check, "big"):
        raise PacketError("check")


def _settings(records):
    """Records to settings. Nothing is stored here; settings.py has its own rules."""
    kinds = [kind for kind, _ in records]
    checked = kinds[-1] == _CHECK
    out = {}
    if checked:
        out["checked"] = True
    if _CLEAR in kinds:
        if len(kinds) - checked != 1 or records[0][1]:
            raise PacketError("clear-with-others")
        out["clear"] = True
        return out
    if _WPS in kinds:
        raise PacketError("wps")  # MicroPython has no WPS
    if not checked:
        _rules(kinds)
    if _NETWORK not in kinds and (_PASSWORD in kinds or _STATIC in kinds):
        raise PacketError("network-missing")
    for kind, data in records:
        if kind == _NETWORK:
            out["ssid"] = _text(data, 1, 32)
        elif kind == _PASSWORD:
            out["password"] = _password(data)
        elif kind == _STATIC:
            out["static"] = _static(data)
        elif kind == _PROXY:
            out["proxy"] = _proxy(data)
        elif kind == _ENROL:
            if len(data) != 16:  # parsed and forgotten: the light carries no identity here
                raise PacketError("enrolment")
        elif kind == _UPGRADE:
            out["upgrade"] = _empty(data)
        elif kind == _SERVER:
            out["server"] = _text(data, 0, 255)
        elif kind == _BROKER:
            out["broker"] = _text(data, 0, 255)
        elif kind == _NAME:
            out["name"] = _text(data, 0, 32)
        elif kind == _ADD:
            out["add"] = _empty(data)
    return out


def _rules(kinds):
    """Known records in the order in which a genuine sender sends them."""
    last = -1
    for kind in kinds:
        at = _ORDER.find(bytes((kind,)))
        if at >= 0:
            if at < last:
                raise PacketError("order")
            last = at


def _empty(data):
    if data:
        raise PacketError("record-length")
    return True


def _text(data, least, most):
    if not least <= len(data) <= most:
        raise PacketError("record-length")
    try:
        text = str(data, "utf-8")
    except UnicodeError:
        raise PacketError("not-utf8")
    if "\0" in text:
        raise PacketError("not-utf8")
    return text


def _password(data):
    if len(data) == 64:
        if any(c not in b"0123456789abcdefABCDEF" for c in data):
            raise PacketError("password")
    elif not 8 <= len(data) <= 63:
        raise PacketError("password")
    return _text(data, 8, 64)


def _static(data):
    if len(data) not in (16, 20):
        raise PacketError("static-address")
    return ["%d.%d.%d.%d" % tuple(data[i : i + 4]) for i in range(0, len(data), 4)]


def _proxy(data):
    fields = []
    i = 2
    while i < len(data):
        end = i + 1 + data[i]
        if end > len(data) or len(fields) == 3:
            raise PacketError("proxy")
        fields.append(_text(data[i + 1 : end], 0, 255))
        i = end
    if not fields or not fields[0]:
        raise PacketError("proxy")
    fields += ["", ""]
    return {"server": fields[0], "port": data[0] | data[1] << 8, "user": fields[1], "password": fields[2]}
