# esp32-s3-devkitc for MicroPython's ports/esp32, made from board.toml by `lutin board make`.
set(IDF_TARGET esp32s3)
# How an official build for this chip is configured changes with the version: its own file knows.
include(boards/ESP32_GENERIC_S3/mpconfigboard.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/../frozen/board.cmake)
