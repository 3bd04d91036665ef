#ifndef GUEST_BRIDGE_VIRTIO_GPU_H
#define GUEST_BRIDGE_VIRTIO_GPU_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "damage-boxes.h"
#include "device-link.h"
#include "device-store.h"
#include "dma.h"
#include "scanout.h"
#include "virtio-pci.h"

/*
 * The GPU behind virtio's registers (virtio 1.3, 5.7): takes commands from its two queues,
 * has them carried out, and answers. A command is one transaction, see virtqueue.h.
 *
 * Commands are carried out as they come, so that the newest picture is always there. What
 * keeps a guest at the screen's rate are the answers to its flushes: they are held until the
 * compositor took the frame. A guest that waits for fences then waits for that; one that
 * does not fills its queue and gets room for one flush a frame.
 */

struct virtio_gpu;

struct virtio_gpu_ops {
	/* True while a message of the VMM is handled and not committed: nothing may be
	 * committed. virtio_gpu_resume() follows. */
	bool (*busy)(void *data);
	/* True while no pixel of any head can be seen. */
	bool (*hidden)(void *data);
	/* As those of the bridge. */
	void (*scanout_changed)(void *data, unsigned head);
	void (*keep)(void *data, unsigned head);
	void (*flipped)(void *data, unsigned head, const struct damage_boxes *boxes);
	void (*flushed)(void *data, unsigned head, const struct damage_boxes *boxes);
	void (*set_cursor)(void *data, const uint32_t *pixels, uint32_t hot_x, uint32_t hot_y);
	void (*reset_cursor)(void *data);
};

struct virtio_gpu_setup {
	sd_event *event;
	struct device_store *store;
	const struct slice *slice;
	struct irq *irq;
	struct pci_function *pci;
	const struct link_setup *link; // outlives the GPU
	int udmabuf;                   // /dev/udmabuf, borrowed, or -1
	uint8_t bar;                   // where virtio's window lies
	uint32_t offset;               // in it
	const struct virtio_gpu_ops *ops;
	void *data;
};

#define VIRTIO_GPU_VECTORS 3 // MSI-X: the configuration and two queues

/* Goes on from the state. setup is copied. Returns 0 or -ENOMEM. */
int virtio_gpu_create(struct virtio_gpu **ret, const struct virtio_gpu_setup *setup);

/* Accepts NULL. */
void virtio_gpu_destroy(struct virtio_gpu *gpu);

/* Its registers: for a PCI description, and for accesses. */
struct virtio_pci *virtio_gpu_pci(struct virtio_gpu *gpu);

/* The guest's memory, which outlives the GPU, is there: the queues are worked on. */
void virtio_gpu_start(struct virtio_gpu *gpu, const struct dma *dma);

/* Everything as at power-on. */
void virtio_gpu_reset(struct virtio_gpu *gpu);

/* The driver has taken the screen over: heads show what its scanouts say. */
bool virtio_gpu_took_over(const struct virtio_gpu *gpu);
void virtio_gpu_get_scanout(struct virtio_gpu *gpu, unsigned head, struct scanout *ret);

/* The bridge's frame and resized; virtio_gpu_resume() once busy() is over. */
void virtio_gpu_frame(struct virtio_gpu *gpu, unsigned head);
void virtio_gpu_resized(struct virtio_gpu *gpu, unsigned head, uint32_t width, uint32_t height,
	uint32_t refresh, uint32_t scale);
void virtio_gpu_plugged(struct virtio_gpu *gpu, unsigned head, bool plugged);
void virtio_gpu_resume(struct virtio_gpu *gpu);

#endif
