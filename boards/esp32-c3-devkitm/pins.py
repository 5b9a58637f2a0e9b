"""Which pin is what on the ESP32-C3-DevKitM-1."""

NAME = "esp32-c3-devkitm"

LED = "ws2812"  # or "bicolour", "single"
LED_PINS = (8,)  # bicolour: red, green; single and ws2812: one
LED_LIT = 1  # the level that lights it
SENSOR = 3
BUTTON = 9

FREE = {  # for applications
    "IO0": 0,
    "IO1": 1,
    "IO4": 4,
    "IO5": 5,
    "IO6": 6,
    "IO7": 7,
    "IO10": 10,
}
