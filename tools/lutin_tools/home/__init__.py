"""`lutin serve`: releases, a broker, a log of all devices, and a page."""
