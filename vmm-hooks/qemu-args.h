#ifndef VMM_HOOKS_QEMU_ARGS_H
#define VMM_HOOKS_QEMU_ARGS_H

#include <stdbool.h>

#include "config.h"
#include "device-link.h"

/* What QEMU's command line needs besides the guest's file. Borrowed strings. */
struct qemu_context {
	const char
		*sockets[LINK_FUNCTIONS]; // where the guest's device listens for each function that
					  // it has; NULL: it has not
	const char *firmware_code;        // OVMF's code; NULL for BIOS
	const char *firmware_vars;        // this guest's writable copy of its variables
	const char *option_rom;           // the GPU's for BIOS; NULL for none or one of QEMU's
	const char *disk_format;          // "raw" or "qcow2"; ignored without a disk
	bool kvm;
	int qmp_fd; // in QEMU: the socket on which it takes QMP connections
};

/*
 * QEMU's command line for a guest: a pure function of its arguments. The ids of the functions
 * in QEMU's device tree are link_function_name()s. Returns 0 and a
 * NULL-terminated array (words_free() it); -EINVAL where the guest's extra arguments
 * have a quote without its end, -ENOMEM.
 */
int qemu_args_build(
	const struct config_guest *guest, const struct qemu_context *context, char ***ret_argv);

#endif
