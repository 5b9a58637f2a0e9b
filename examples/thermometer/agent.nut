// The imp's other half: keeps the setpoint, and is the web's door to it.

device.on("hello", function(_) {
    local kept = server.load();
    if ("setpoint" in kept) device.send("setpoint", kept.setpoint);
});

latest <- null;
device.on("temperature", function(value) {
    latest = value;
});

http.onrequest(function(request, response) {
    if ("setpoint" in request.query) {
        local value = request.query.setpoint.tofloat();
        server.save({ "setpoint": value });
        device.send("setpoint", value);
    }
    response.send(200, http.jsonencode(latest));
});
