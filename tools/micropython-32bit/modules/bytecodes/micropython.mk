SRC_USERMOD_C += $(USERMOD_DIR)/bytecodes.c
