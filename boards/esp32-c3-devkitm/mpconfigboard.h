// esp32-c3-devkitm, made from board.toml by `lutin board make`.
#define MICROPY_HW_BOARD_NAME "lutin esp32-c3-devkitm"
#define MICROPY_HW_MCU_NAME "ESP32-C3"
// The console is on both of the board's ways in.
#define MICROPY_HW_ENABLE_UART_REPL (1)
