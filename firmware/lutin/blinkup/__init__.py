"""BlinkUp: light samples -> pulses -> symbols -> packet -> settings. No hardware in here."""
