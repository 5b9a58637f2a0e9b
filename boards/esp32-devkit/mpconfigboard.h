// esp32-devkit, made from board.toml by `lutin board make`.
#define MICROPY_HW_BOARD_NAME "lutin esp32-devkit"
#define MICROPY_HW_MCU_NAME "ESP32"
