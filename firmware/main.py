"""Starts the device; and the board anew if the device cannot go on. No update rewrites this file."""

import gc
import sys

import boot  # before anything has taken the memory that this needs

try:
    import lutin

    lutin.start()
    raise RuntimeError("the release has ended")
except (KeyboardInterrupt, SystemExit):
    raise  # a person at the console, or a restart
except BaseException as e:
    sys.print_exception(e)

gc.collect()
boot.borrow("crashed")
