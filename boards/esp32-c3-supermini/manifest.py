# esp32-c3-supermini, made from board.toml by `lutin board make`.
include("../frozen/manifest.py")  # noqa: F821
