#include "device-state.h"

#include <stddef.h>

static const char *const names[TRAP_CLASS_COUNT] = {
	[TRAP_CONFIG_READ] = "config-read",
	[TRAP_CONFIG_WRITE] = "config-write",
	[TRAP_MODE_SET] = "mode-set",
	[TRAP_FLIP] = "flip",
	[TRAP_DISPI_READ] = "dispi-read",
	[TRAP_DISPI_WRITE] = "dispi-write",
	[TRAP_EDID_READ] = "edid-read",
	[TRAP_PALETTE] = "palette",
	[TRAP_QEXT] = "qext",
	[TRAP_VRAM] = "vram",
	[TRAP_OTHER] = "other",
};

const char *trap_class_name(enum trap_class trap) {
	return (unsigned)trap < TRAP_CLASS_COUNT ? names[trap] : NULL;
}

int trap_class_privileged(enum trap_class trap) {
	return trap == TRAP_CONFIG_WRITE || trap == TRAP_MODE_SET;
}
