# esp32-devkit-single, made from board.toml by `lutin board make`.
include("../frozen/manifest.py")  # noqa: F821
