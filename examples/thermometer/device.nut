// A thermometer with a setpoint, as it would be on an imp: a TMP36 on pin 9, a heater's relay on pin 8.

const PERIOD = 60.0;

sensor <- hardware.pin9;
sensor.configure(ANALOG_IN);
heater <- hardware.pin8;
heater.configure(DIGITAL_OUT, 0);
setpoint <- 20.0;

function temperature() {
    local volts = sensor.read() / 65535.0 * hardware.voltage();
    return (volts - 0.5) * 100.0;
}

function measure() {
    imp.wakeup(PERIOD, measure);
    local now = temperature();
    heater.write(now < setpoint ? 1 : 0);
    server.log(format("%.1f degrees, setpoint %.1f", now, setpoint));
    agent.send("temperature", { "now": now, "setpoint": setpoint, "heating": heater.read() });
}

agent.on("setpoint", function(value) {
    setpoint = value;
    server.log(format("new setpoint %.1f", setpoint));
});

server.onshutdown(function(reason) {
    // Not while it heats: ask again in ten minutes.
    if (reason == SHUTDOWN_NEWSQUIRREL && heater.read()) {
        imp.wakeup(600.0, server.restart);
    } else {
        server.restart();
    }
});

agent.send("hello", null);
measure();
