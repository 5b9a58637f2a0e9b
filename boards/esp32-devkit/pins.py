"""Which pin is what on the ESP32-DevKitC with a red and a green LED."""

NAME = "esp32-devkit"

LED = "bicolour"  # or "single", "ws2812"
LED_PINS = (25, 26)  # bicolour: red, green; single and ws2812: one
LED_LIT = 1  # the level that lights it
SENSOR = 34
BUTTON = 0

FREE = {  # for applications
    "IO4": 4,
    "IO13": 13,
    "IO14": 14,
    "IO18": 18,
    "IO19": 19,
    "IO21": 21,
    "IO22": 22,
    "IO23": 23,
    "IO27": 27,
    "IO32": 32,
    "IO33": 33,
    "IO35": 35,
    "VP": 36,
    "VN": 39,
}
