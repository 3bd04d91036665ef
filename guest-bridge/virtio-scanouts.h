#ifndef GUEST_BRIDGE_VIRTIO_SCANOUTS_H
#define GUEST_BRIDGE_VIRTIO_SCANOUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "flip-chain.h"
#include "gpu-command.h"
#include "resources-blobs.h"

/*
 * What the heads scan out, and which of it has changed on the screen. Functions that carry
 * out a command return its answer, as those of resources.h.
 */

struct virtio_scanouts_ops {
	void (*changed)(void *data, unsigned head); // altogether
	/* What is shown can be read for the last time; changed follows. */
	void (*going)(void *data, unsigned head);
	/* boxes in pixels of the scanout; may be none. Those of a flip are shown with the flush
	 * that follows. */
	void (*flipped)(void *data, unsigned head, const struct damage_boxes *boxes);
	void (*flushed)(void *data, unsigned head, const struct damage_boxes *boxes);
};

struct virtio_scanouts {
	struct device_state_gpu *state; // borrowed
	struct resources *resources;    // borrowed
	unsigned heads;
	const struct virtio_scanouts_ops *ops;
	void *data;
	struct flip_chain chains[DEVICE_STATE_HEADS];
};

void virtio_scanouts_init(struct virtio_scanouts *scanouts, struct device_state_gpu *state,
	struct resources *resources, unsigned heads, const struct virtio_scanouts_ops *ops,
	void *data);

/* As at power-on: the screen is no longer the driver's. */
void virtio_scanouts_reset(struct virtio_scanouts *scanouts);

/* SET_SCANOUT */
uint32_t virtio_scanouts_set(struct virtio_scanouts *scanouts, unsigned head, uint32_t resource,
	const struct gpu_rect *rect);

/* SET_SCANOUT_BLOB, of a resource other than 0. */
uint32_t virtio_scanouts_set_blob(struct virtio_scanouts *scanouts, unsigned head,
	uint32_t resource, const struct gpu_layout *layout, const struct gpu_rect *rect);

/* After resources_start(), in a process that goes on from a state: shows the blobs of before,
 * or turns off what cannot be shown. */
void virtio_scanouts_start(struct virtio_scanouts *scanouts);

/* RESOURCE_FLUSH. ret_heads: those that show the resource, bit n for head n. */
uint32_t virtio_scanouts_flush(struct virtio_scanouts *scanouts, uint32_t resource,
	const struct gpu_rect *rect, uint32_t *ret_heads);

/* A resource, or the memory that a blob is, is about to go: where it is shown the last
 * picture stays, as a copy. */
void virtio_scanouts_forget(struct virtio_scanouts *scanouts, uint32_t resource);

/* What a head scans out; SCANOUT_NONE where that is nothing. */
void virtio_scanouts_get(
	const struct virtio_scanouts *scanouts, unsigned head, struct scanout *ret);

#endif
