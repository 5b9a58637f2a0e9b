"""`neopixel` as the ESP32 port has it: a string of WS2812 whose light the world can see."""

from sim import world


class NeoPixel:
    """n pixels of bpp bytes on a pin; nothing is lit before write()."""

    def __init__(self, pin, n, bpp=3, timing=1):
        self.pin = pin
        self.n = n
        self.bpp = bpp
        self.timing = timing
        self._pixels = [(0,) * bpp] * n

    def __len__(self):
        return self.n

    def __setitem__(self, i, colour):
        if len(colour) != self.bpp:
            raise ValueError("colour")
        self._pixels[i] = tuple(colour)

    def __getitem__(self, i):
        return self._pixels[i]

    def fill(self, colour):
        """All pixels the same."""
        for i in range(self.n):
            self[i] = colour

    def write(self):
        """Send the colours to the pixels."""
        world.pixels[self.pin.id] = self._pixels[0][:3]
        world.changed("led")
