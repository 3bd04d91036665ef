#include "device-state.h"

#include <string.h>

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
	[TRAP_VIRTIO_CONFIG] = "virtio-config",
	[TRAP_VIRTIO_NOTIFY] = "virtio-notify",
	[TRAP_VIRTIO_ISR] = "virtio-isr",
	[TRAP_COMMAND_MODE_SET] = "command-mode-set",
	[TRAP_COMMAND_MEMORY] = "command-memory",
	[TRAP_COMMAND_QUERY] = "command-query",
	[TRAP_COMMAND_DRAW] = "command-draw",
	[TRAP_COMMAND_CURSOR] = "command-cursor",
	[TRAP_COMMAND_REFUSED] = "command-refused",
};

const char *trap_class_name(enum trap_class trap) {
	return (unsigned)trap < TRAP_CLASS_COUNT ? names[trap] : NULL;
}

int trap_class_privileged(enum trap_class trap) {
	return trap == TRAP_CONFIG_WRITE || trap == TRAP_MODE_SET || trap == TRAP_VIRTIO_CONFIG ||
		trap == TRAP_COMMAND_MODE_SET || trap == TRAP_COMMAND_MEMORY;
}

/* A device that commits without end must not hold up its reader. */
#define READ_TRIES 16

bool device_state_valid(const struct device_state_file *file) {
	return file->magic == DEVICE_STATE_MAGIC && file->version == DEVICE_STATE_VERSION &&
		file->size == sizeof(*file);
}

bool device_state_read(const struct device_state_file *file, struct device_state_view *ret) {
	if (!device_state_valid(file)) {
		return false;
	}
	for (unsigned i = 0; i < READ_TRIES; i++) {
		uint64_t commit = __atomic_load_n(&file->commit, __ATOMIC_ACQUIRE);
		memcpy(&ret->state, &file->slots[commit % 2].state, sizeof(ret->state));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&file->commit, __ATOMIC_RELAXED) == commit) {
			break;
		}
	}
	ret->looks = __atomic_load_n(&file->live.looks, __ATOMIC_RELAXED);
	ret->commits = __atomic_load_n(&file->live.commits, __ATOMIC_RELAXED);
	return true;
}
