"""A thermometer with a setpoint: a TMP36 on IO32, a heater's relay on IO18.

Set it: mosquitto_pub -t lutin/<id>/in/setpoint -m 21.5
Hear it: mosquitto_sub -t lutin/<id>/out/temperature
"""

from machine import ADC, Pin

PERIOD = 60  # s


async def main(imp):
    """Set everything up; handlers and timers do the rest."""
    sensor = ADC(imp.pin("IO32"), atten=ADC.ATTN_11DB)
    heater = imp.pin("IO18", Pin.OUT, value=0)

    def measure():
        imp.wakeup(PERIOD, measure)
        now = (sensor.read_uv() / 1000000 - 0.5) * 100
        setpoint = imp.settings.get("setpoint", 20.0)
        heater(now < setpoint)
        imp.light("R1-15" if heater() else None)
        imp.log("%.1f degrees, setpoint %.1f" % (now, setpoint))
        imp.send("temperature", {"now": now, "setpoint": setpoint, "heating": bool(heater())})

    def new_setpoint(value):
        if isinstance(value, (int, float)) and 5 <= value <= 30:
            imp.settings["setpoint"] = value
            imp.settings.save()
            imp.log("new setpoint %.1f" % value)
        else:
            imp.log("no setpoint: %r" % value, "warn")

    imp.on("setpoint", new_setpoint)
    imp.update_ready(lambda number: 600 if heater() else 0)  # not while it heats
    measure()
