# esp32-c3-supermini for MicroPython's ports/esp32, made from board.toml by `lutin board make`.
set(IDF_TARGET esp32c3)
# How an official build for this chip is configured changes with the version: its own file knows.
include(boards/ESP32_GENERIC_C3/mpconfigboard.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/../frozen/board.cmake)
