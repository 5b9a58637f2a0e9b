"""Which pin is what on the ESP32 DevKit V1 with its one LED."""

NAME = "esp32-devkit-single"

LED = "single"  # or "bicolour", "ws2812"
LED_PINS = (2,)  # bicolour: red, green; single and ws2812: one
LED_LIT = 1  # the level that lights it
SENSOR = 34
BUTTON = 0
