"""A NOR flash chip that keeps the real one's rules, and breaks in the real one's ways.

Erasing sets a whole sector to ones; writing can only clear bits. The power can be cut at any
operation (an erase, or a write within one page), and sectors can wear out. Common to
MicroPython and CPython.
"""

SECTOR = 4096
PAGE = 256

TORN = ("before", "start", "middle", "noise", "end")  # how much of the cut operation happened
WEAR = (
    "stuck",  # some bits no longer change, and nobody is told
    "error",  # erase and write raise OSError; what is there can still be read
    "stale",  # erase does nothing, and nobody is told; writes still clear bits
    "frozen",  # neither erase nor write does anything, and nobody is told
)


class PowerCut(BaseException):
    """The power went. Not an Exception: no firmware may catch it."""


class NorMisuse(AssertionError):
    """A write would have set a bit: the real chip stores something else and says nothing."""


class _InFile:
    """Cells in a file, none of them in RAM. The file ends where the last sector in use does."""

    def __init__(self, size, path):
        self._size = size
        try:
            self._file = open(path, "r+b")  # noqa: SIM115 (it stays open)
        except OSError:
            self._file = open(path, "w+b")  # noqa: SIM115
        self._end = self._file.seek(0, 2)
        if self._end > size:
            raise ValueError("%s is larger than the flash" % path)

    def __len__(self):
        return self._size

    def __getitem__(self, where):
        buf = bytearray((self._size if where.stop is None else where.stop) - (where.start or 0))
        self.read(where.start or 0, buf)
        return bytes(buf)

    def read(self, address, buf):
        """Fill buf; what was never written is all ones."""
        got = 0
        if address < self._end:
            self._file.seek(address)
            got = self._file.readinto(buf)
        if got < len(buf):
            buf[got:] = b"\xff" * (len(buf) - got)

    def __setitem__(self, where, data):
        address = where.start or 0
        self._grow(address + len(data))
        self._file.seek(address)
        self._file.write(data)
        self._file.flush()

    def _grow(self, end):
        """A file that is written behind its end is filled up with zeros: ones go there first."""
        end += -end % SECTOR
        while self._end < end:
            size = SECTOR - self._end % SECTOR
            self._file.seek(self._end)
            self._file.write(b"\xff" * size)
            self._end += size


class Nor:
    """`sectors` sectors in RAM; or, with a path, in a file alone, written through at every operation."""

    def __init__(self, sectors=8, path=None):
        self.sectors = sectors
        size = sectors * SECTOR
        self.cells = _InFile(size, path) if path else bytearray(b"\xff" * size)
        self.operations = 0  # erases and page writes since the chip was made
        self.erases = [0] * sectors
        self.worn = {}  # sector -> one of WEAR
        self.unreadable = set()  # sectors whose reading raises OSError
        self.lives = 0  # how often the power came back: what knew the chip before is gone
        self._kept = bool(path)
        self._fuse = None
        self._torn = "before"
        self._dead = False

    # What a chip can do

    def read(self, address, buf):
        """Fill buf from address on."""
        self._inside(address, len(buf))
        if self._dead:
            raise PowerCut()
        for sector in self.unreadable or ():
            if address < (sector + 1) * SECTOR and sector * SECTOR < address + len(buf):
                raise OSError(5)
        if self._kept:
            self.cells.read(address, buf)
        else:
            buf[:] = self.cells[address : address + len(buf)]

    def write(self, address, data):
        """Clear bits, page by page; bits cannot be set."""
        self._inside(address, len(data))
        data = bytes(data)
        at = 0
        while at < len(data):
            size = min(len(data) - at, PAGE - (address + at) % PAGE)
            self._write_page(address + at, data[at : at + size])
            at += size

    def erase(self, sector):
        """Set every bit of a sector."""
        self._inside(sector * SECTOR, SECTOR)
        self.erases[sector] += 1
        old = bytes(self.cells[sector * SECTOR : (sector + 1) * SECTOR])
        self._operate(sector, old, b"\xff" * SECTOR, 0, self._torn_erase)

    # What can befall it

    def cut_after(self, n, torn="before"):
        """Let n more operations happen; the one after them is cut as `torn` says."""
        if torn not in TORN:
            raise ValueError(torn)
        self._fuse = n
        self._torn = torn

    def power_on(self):
        """Power is back and stays."""
        self._fuse = None
        self.lives += self._dead
        self._dead = False

    def wear(self, sector, mode="stuck"):
        """From now on the sector fails as `mode` says; what it holds stays readable."""
        if mode not in WEAR:
            raise ValueError(mode)
        self.worn[sector] = mode

    def heal(self, sector):
        """The sector is as good as new."""
        self.worn.pop(sector, None)

    def rot(self, address, mask=0x01):
        """Cells lose what they held."""
        self._store(address, bytes([self.cells[address : address + 1][0] ^ mask]))

    # Inside

    def _inside(self, address, size):
        if address < 0 or address + size > len(self.cells):
            raise ValueError("outside the flash")

    def _write_page(self, address, data):
        sector = address // SECTOR
        old = bytes(self.cells[address : address + len(data)])
        new = _both(old, data)
        # A worn sector may hold anything, and its user cannot know.
        if new != data and sector not in self.worn and not self._dead:
            raise NorMisuse("write at %d would set bits: erase first" % address)
        self._operate(sector, old, new, address % SECTOR, self._torn_write)

    def _operate(self, sector, old, new, offset, torn):
        """Turn old into new, as far as power and wear let it."""
        if self._dead:
            raise PowerCut()
        self.operations += 1
        wear = self.worn.get(sector)
        erasing = torn == self._torn_erase
        if wear == "frozen" or (wear == "stale" and erasing):
            new = old
        elif wear == "stuck":
            new = _stick(old, new, offset)
        cut = self._fuse == 0
        if cut:
            self._dead = True
            if self._torn == "before" or wear == "error":
                new = old
            elif self._torn != "end":
                new = torn(old, new)
        elif self._fuse is not None:
            self._fuse -= 1
        if wear == "error" and not cut:
            raise OSError(5)
        self._store(sector * SECTOR + offset, new)
        if cut:
            raise PowerCut()

    def _torn_erase(self, old, new):
        half = len(old) // 2
        if self._torn == "start":
            # A chip clears every cell before it erases them.
            return bytes(half) + old[half:]
        if self._torn == "middle":
            return new[:half] + old[half:]
        return _either(old, _both(new, self._noise(len(old))))

    def _torn_write(self, old, new):
        if self._torn == "noise":
            return _both(old, _either(new, self._noise(len(old))))
        done = 0 if self._torn == "start" else len(new) // 2
        # The byte at the edge has got only some of its bits.
        edge = bytes([old[done] & (new[done] | 0xF0)])
        return new[:done] + edge + old[done + 1 :]

    def _noise(self, size):
        """Bytes without pattern, the same in every run."""
        x = self.operations * 2654435761 & 0xFFFFFF
        out = bytearray(size)
        for i in range(size):
            x = (x * 1103515245 + 12345) & 0xFFFFFF
            out[i] = x >> 16
        return bytes(out)

    def _store(self, address, data):
        self.cells[address : address + len(data)] = data


def _both(a, b):
    """a & b, byte by byte; as one number it takes no time."""
    return (int.from_bytes(a, "little") & int.from_bytes(b, "little")).to_bytes(len(a), "little")


def _either(a, b):
    """a | b, byte by byte."""
    return (int.from_bytes(a, "little") | int.from_bytes(b, "little")).to_bytes(len(a), "little")


def _stick(old, new, offset):
    """new, with one bit in each of two bytes out of three failing: the first kind reads 0 for
    ever, the second can be cleared no more."""
    out = bytearray(new)
    for i in range(len(out)):
        place = offset + i
        bit = 1 << (place * 5 & 7)
        if place % 3 == 0:
            out[i] &= 0xFF ^ bit
        elif place % 3 == 1:
            out[i] |= old[i] & bit
    return bytes(out)
