"""The owner's message broker: what the device says there, and what it is told (MQTT 3.1.1)."""
