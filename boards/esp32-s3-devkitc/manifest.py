# esp32-s3-devkitc, made from board.toml by `lutin board make`.
include("../frozen/manifest.py")  # noqa: F821
