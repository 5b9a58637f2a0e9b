# esp32-devkit for MicroPython's ports/esp32, made from board.toml by `lutin board make`.
set(IDF_TARGET esp32)
# How an official build for this chip is configured changes with the version: its own file knows.
include(boards/ESP32_GENERIC/mpconfigboard.cmake)
list(APPEND SDKCONFIG_DEFAULTS boards/ESP32_GENERIC/sdkconfig.ota)
include(${CMAKE_CURRENT_LIST_DIR}/../frozen/board.cmake)
