#ifndef GUEST_BRIDGE_GPU_COMMANDS_H
#define GUEST_BRIDGE_GPU_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "device-store.h"
#include "dma.h"
#include "gpu-command.h"
#include "log.h"
#include "virtio-scanouts.h"
#include "virtqueue.h"

/* What a decoded command of the guest does. */

struct gpu_commands {
	struct device_store *store;       // borrowed
	const struct slice *slice;        // borrowed
	struct resources *resources;      // borrowed
	struct virtio_scanouts *scanouts; // borrowed
	const struct dma *dma;            // borrowed
	const char *name;                 // borrowed: the guest's
	unsigned heads;
	bool blobs; // the driver has accepted VIRTIO_GPU_F_RESOURCE_BLOB
	/* As bridge_set_cursor(). */
	void (*set_cursor)(void *data, const uint32_t *pixels, uint32_t hot_x, uint32_t hot_y);
	void *data;
	struct log_limit refused;
};

/* What is written back for a command. */
union gpu_answer {
	struct virtio_gpu_ctrl_hdr header;
	struct virtio_gpu_resp_display_info display_info;
	struct virtio_gpu_resp_edid edid;
};

/*
 * Decodes the command in a chain of the control queue, or of the cursor's, carries it out and
 * counts it. Returns the type of its answer, VIRTIO_GPU_RESP_*, whose body is then in *ret.
 * ret_flushed: the heads, bit n for head n, for whose next frame the answer is to wait.
 */
uint32_t gpu_commands_do(struct gpu_commands *commands, bool cursor_queue,
	const struct virtqueue_chain *chain, struct gpu_command *ret_command, union gpu_answer *ret,
	uint32_t *ret_flushed);

/* Whether a command of the control queue would read pages that are not in memory now. */
bool gpu_commands_lack_memory(struct gpu_commands *commands, const struct virtqueue_chain *chain);

/* The guest's memory, for who reads it beyond a command. */
struct guest_memory gpu_commands_memory(struct gpu_commands *commands);

/* Shows the cursor that the state holds. */
void gpu_commands_show_cursor(struct gpu_commands *commands);

#endif
