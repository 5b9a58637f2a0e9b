"""Starts the device; and the board anew if the device cannot go on. No update rewrites this file."""

import sys

try:
    import lutin

    lutin.start()
    raise RuntimeError("the release has ended")
except (KeyboardInterrupt, SystemExit):
    raise  # a person at the console, or a restart
except BaseException as e:
    sys.print_exception(e)
    import boot

    boot.borrow("crashed")
