"""Which pin is what on the ESP32-C3 SuperMini."""

NAME = "esp32-c3-supermini"

LED = "single"  # or "bicolour", "ws2812"
LED_PINS = (8,)  # bicolour: red, green; single and ws2812: one
LED_LIT = 0  # the level that lights it
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
    "IO20": 20,
    "IO21": 21,
}
