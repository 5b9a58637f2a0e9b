"""Starts the device."""

import lutin

lutin.start()
