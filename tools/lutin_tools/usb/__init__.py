"""A board at hand, on a serial line: its console, and MicroPython behind it."""
