"""Which pin is what on the ESP32-S3-DevKitC-1."""

NAME = "esp32-s3-devkitc"

LED = "ws2812"  # or "bicolour", "single"
LED_PINS = (48, 38)  # the same light on each: which one has the LED depends on the board's revision
LED_LIT = 1  # the level that lights it
SENSOR = 4
BUTTON = 0
