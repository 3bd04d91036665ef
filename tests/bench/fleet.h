#ifndef TESTS_FLEET_H
#define TESTS_FLEET_H

#include "guest-gpu.h"
#include "session.h"

/*
 * Many guests in one session: mullion headless at 60 Hz, mulliond and the devices as they are,
 * and in each QEMU's place the mock VMM with a driver of virtio-gpu. Their windows lie side by
 * side, so that all can be seen.
 */

#define FLEET_MAX SESSION_GUESTS_MAX

struct fleet_guest {
	struct vmm vmm;
	struct virtio_guest virtio;
	struct guest_gpu_picture picture;
	pid_t device; // mullion-device
	uint64_t flushes, answered;
};

struct fleet {
	struct session session;
	unsigned len;
	struct fleet_guest *guests; // owned
};

/* Starts len guests with pictures of width x height, and waits until all are shown. Leaves the
 * program where that cannot be done. */
void fleet_start(
	struct fleet *fleet, unsigned len, const char *output, uint32_t width, uint32_t height);
void fleet_finish(struct fleet *fleet);

/* Draws and flushes, without waiting for the answers; takes those that have come. flush: the
 * rectangle that is transferred and flushed. Returns 0 or -errno. */
int fleet_draw(struct fleet *fleet, unsigned guest, struct guest_gpu_rect draw,
	struct guest_gpu_rect flush, uint32_t colour);

/* Frames of all guests that were shown. */
int64_t fleet_frames(struct fleet *fleet);

/* Processor time of all devices, and of mullion, so far, in us. */
int64_t fleet_devices_cpu(const struct fleet *fleet);
int64_t fleet_mullion_cpu(const struct fleet *fleet);

/* Memory of a process that is its own, in KiB; -1 where that cannot be told. */
long fleet_own_memory(pid_t pid);

#endif
