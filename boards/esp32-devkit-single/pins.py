"""Which pin is what on the ESP32 DevKit V1 with its one LED."""

NAME = "esp32-devkit-single"

LED = "single"  # or "bicolour", "ws2812"
LED_PINS = (2,)  # bicolour: red, green; single and ws2812: one
LED_LIT = 1  # the level that lights it
SENSOR = 34
BUTTON = 0

FREE = {  # for applications
    "D4": 4,
    "D13": 13,
    "D14": 14,
    "RX2": 16,
    "TX2": 17,
    "D18": 18,
    "D19": 19,
    "D21": 21,
    "D22": 22,
    "D23": 23,
    "D25": 25,
    "D26": 26,
    "D27": 27,
    "D32": 32,
    "D33": 33,
    "D35": 35,
    "VP": 36,
    "VN": 39,
}
