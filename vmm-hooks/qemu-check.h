#ifndef VMM_HOOKS_QEMU_CHECK_H
#define VMM_HOOKS_QEMU_CHECK_H

#include <stdbool.h>

#include "config.h"

/* What a guest's machine needs from this host, found before anything is started. */
struct qemu_needs {
	char *program;             // owned: QEMU's path
	const char *disk_format;   // "qcow2" or "raw"
	const char *firmware_code; // NULL for BIOS
	char *firmware_vars;       // owned; NULL for BIOS
	char *option_rom;          // owned; the GPU's for BIOS, NULL for none or one of QEMU's
	bool kvm;
};

/*
 * Finds everything and makes the guest's own copy of the firmware's variables. Returns 0;
 * or -1 with one line of reason (see refuse()), *ret then needs no finish.
 */
int qemu_check(const struct config_guest *guest, struct qemu_needs *ret, char **ret_reason);

/* Safe on a zeroed one. */
void qemu_needs_finish(struct qemu_needs *needs);

#endif
