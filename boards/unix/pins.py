"""Which pin is what on the simulated board."""

NAME = "unix"

LED = "bicolour"
LED_RED = 25
LED_GREEN = 26
LED_LIT = 1
SENSOR = 34
BUTTON = 0
