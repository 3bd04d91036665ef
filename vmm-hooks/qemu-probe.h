#ifndef VMM_HOOKS_QEMU_PROBE_H
#define VMM_HOOKS_QEMU_PROBE_H

#include <systemd/sd-event.h>

/* Asks a QEMU, without waiting for it, whether it has the vfio-user-pci device. */
struct qemu_probe;

/* reason is NULL where it has; else one line for the user. */
typedef void (*qemu_probe_func)(void *data, const char *reason);

/*
 * Asks `program -device help`, for at most ten seconds; an answer that was good is
 * remembered for as long as the file stays the same. Several are asked, and answer, in
 * the order of their creation, each when the one before is destroyed. done() comes once,
 * from the event loop; the probe may be destroyed there, before and after. Returns 0 or
 * -errno.
 */
int qemu_probe_create(struct qemu_probe **ret, sd_event *event, const char *program,
	qemu_probe_func done, void *data);

/* Accepts NULL. */
void qemu_probe_destroy(struct qemu_probe *probe);

#endif
