# esp32-c3-devkitm, made from board.toml by `lutin board make`.
include("../frozen/manifest.py")  # noqa: F821
