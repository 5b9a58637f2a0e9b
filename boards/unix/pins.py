"""Which pin is what on the simulated board."""

NAME = "unix"

LED = "bicolour"  # or "single", "ws2812"
LED_PINS = (25, 26)  # bicolour: red, green; single and ws2812: one
LED_LIT = 1  # the level that lights it
SENSOR = 34
BUTTON = 0
