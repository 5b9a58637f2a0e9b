// How many bytecodes have been executed: `bytecodes.count()`. py/vm.c counts them (see build.sh).

#include "py/runtime.h"

unsigned int lutin_bytecodes;

static mp_obj_t bytecodes_count(void) {
    // A small int, so that to ask takes no memory; it wraps like ticks do.
    return MP_OBJ_NEW_SMALL_INT(lutin_bytecodes & 0x3fffffff);
}
static MP_DEFINE_CONST_FUN_OBJ_0(bytecodes_count_obj, bytecodes_count);

static const mp_rom_map_elem_t bytecodes_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_bytecodes) },
    { MP_ROM_QSTR(MP_QSTR_count), MP_ROM_PTR(&bytecodes_count_obj) },
};
static MP_DEFINE_CONST_DICT(bytecodes_globals, bytecodes_table);

const mp_obj_module_t bytecodes_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&bytecodes_globals,
};

MP_REGISTER_MODULE(MP_QSTR_bytecodes, bytecodes_module);
