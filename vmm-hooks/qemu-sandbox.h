#ifndef VMM_HOOKS_QEMU_SANDBOX_H
#define VMM_HOOKS_QEMU_SANDBOX_H

#include "config.h"
#include "qemu-check.h"
#include "sandbox.h"

/*
 * The sandbox of a guest's QEMU: what is installed, to read; the guest's own files; its
 * device's sockets (LINK_FUNCTIONS, NULL for those that are not there); the network only where it has a network card. Errors stick in
 * the result, which is the caller's to finish.
 */
void qemu_sandbox_init(struct sandbox *sandbox, const struct config_guest *guest,
	const struct qemu_needs *needs, char *const *sockets);

#endif
