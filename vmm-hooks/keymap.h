#ifndef VMM_HOOKS_KEYMAP_H
#define VMM_HOOKS_KEYMAP_H

#include <stdint.h>

/* QEMU's name (QKeyCode, qapi/ui.json) of a Linux KEY_* code; NULL where it has none. */
const char *keymap_qcode(uint32_t code);

/* QEMU's name (InputButton) of a Linux BTN_* code of a mouse; NULL where it has none. */
const char *keymap_button(uint32_t code);

#endif
