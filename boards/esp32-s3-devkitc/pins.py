"""Which pin is what on the ESP32-S3-DevKitC-1."""

NAME = "esp32-s3-devkitc"

LED = "ws2812"  # or "bicolour", "single"
LED_PINS = (48, 38)  # the same light on each: which one has the LED depends on the board's revision
LED_LIT = 1  # the level that lights it
SENSOR = 4
BUTTON = 0

FREE = {  # for applications
    "IO1": 1,
    "IO2": 2,
    "IO5": 5,
    "IO6": 6,
    "IO7": 7,
    "IO8": 8,
    "IO9": 9,
    "IO10": 10,
    "IO11": 11,
    "IO12": 12,
    "IO13": 13,
    "IO14": 14,
    "IO15": 15,
    "IO16": 16,
    "IO17": 17,
    "IO18": 18,
    "IO21": 21,
    "IO39": 39,
    "IO40": 40,
    "IO41": 41,
    "IO42": 42,
    "IO47": 47,
}
