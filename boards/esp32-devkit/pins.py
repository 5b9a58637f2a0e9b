"""Which pin is what on the ESP32-DevKitC with a red and a green LED."""

NAME = "esp32-devkit"

LED = "bicolour"  # or "single", "ws2812"
LED_PINS = (25, 26)  # bicolour: red, green; single and ws2812: one
LED_LIT = 1  # the level that lights it
SENSOR = 34
BUTTON = 0
