"""Which pin is what on the ESP32-C3 SuperMini."""

NAME = "esp32-c3-supermini"

LED = "single"  # or "bicolour", "ws2812"
LED_PINS = (8,)  # bicolour: red, green; single and ws2812: one
LED_LIT = 0  # the level that lights it
SENSOR = 3
BUTTON = 9
