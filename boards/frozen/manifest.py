# ruff: noqa: F821 (the names come from MicroPython's makemanifest)
# What a MicroPython of our own has frozen in it: the factory release, and what the official builds have.

# Not boards/manifest.py of the port: it brings the _boot.py that waits for ever at a damaged filesystem.
freeze("$(PORT_DIR)/modules", ("flashbdev.py",))
include("$(MPY_DIR)/extmod/asyncio")
require("bundle-networking")
require("dht")
require("ds18x20")
require("neopixel")
require("onewire")
require("umqtt.robust")
require("umqtt.simple")

module("_boot.py")
# A frozen boot.py and main.py run in place of files of these names, which an update never writes either.
module("boot.py", base_path="../../firmware")
module("main.py", base_path="../../firmware")
package("lutin", base_path="../../firmware")
# The filesystem's own pins.py goes first.
module("pins.py", base_path="$(BOARD_DIR)")
