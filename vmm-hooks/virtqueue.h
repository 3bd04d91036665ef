#ifndef VMM_HOOKS_VIRTQUEUE_H
#define VMM_HOOKS_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "device-state.h"
#include "dma.h"

/*
 * A split virtqueue, the device's side (virtio 1.3, 2.7). Everything in guest memory is read
 * once, into locals, and those are checked; a queue whose driver breaks the rules is said to
 * be broken, and stays so until it is reset.
 *
 * Memory that is not there breaks the queue as well, but not while the VMM remaps memory
 * (dma_settled()): then the queue waits, with nothing taken and nothing lost. Whoever owns it
 * looks again after the next message of the VMM, and DMA_SETTLE_USEC later.
 *
 * The order that lets a process die anywhere: pop a chain, act, write the answer, push the
 * used element, commit the state (device_store_commit()), publish. Before the commit the
 * guest has seen nothing and the next process does the same again; after it, only the
 * publishing is repeated, which harms nothing.
 */

#define VIRTQUEUE_SIZE_MAX 256
#define VIRTQUEUE_SEGMENTS_MAX 1024 // of one chain, after resolving

struct virtqueue {
	struct device_state_queue *state; // borrowed
	const struct dma *dma;            // borrowed
	bool indirect, event_idx;         // features that were negotiated
	bool quiet;                       // the driver was asked for no notifications
	bool waits;                       // for memory, since the last pop or push
	bool broken;
	const char *why; // it is, for the log
};

/* One chain of descriptors, resolved to host memory: valid until a message of the VMM is
 * handled. The guest may change what lies there at any time. */
struct virtqueue_chain {
	uint16_t head;
	unsigned readable, writable; // segments of each kind
	uint64_t readable_size, writable_size;
	struct iovec segments[VIRTQUEUE_SEGMENTS_MAX]; // first the readable ones
};

/* Goes on with what state says. */
void virtqueue_init(struct virtqueue *queue, struct device_state_queue *state,
	const struct dma *dma, uint64_t features);

/* True where the driver has made something available, or the queue waits or breaks at a look. */
bool virtqueue_pending(struct virtqueue *queue);

/*
 * True where the driver has made at least n chains available; otherwise it is asked to tell of
 * the next one, so that no notification is lost. False as well where the queue waits, is broken
 * or not enabled.
 */
bool virtqueue_has(struct virtqueue *queue, unsigned n);

/* True where the driver has asked for no interrupts: it looks for itself now and then, as firmware
 * does. */
bool virtqueue_is_polled(const struct virtqueue *queue);

/*
 * Takes the next chain. Returns true with *ret; false where there is none, or the queue waits,
 * is broken or not enabled. Before it says that there is none, it asks the driver to tell of the
 * next one (avail_event, or the flag), so that no notification is lost.
 */
bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *ret);

/* Puts back the chain that was popped last, of which nothing was done yet: the queue waits. */
void virtqueue_put_back(struct virtqueue *queue);

/* Copies out of the readable part, or into the writable one. Return the bytes copied: fewer
 * where the part ends. */
size_t virtqueue_read(const struct virtqueue_chain *chain, uint64_t offset, void *ret, size_t size);
size_t virtqueue_write(
	const struct virtqueue_chain *chain, uint64_t offset, const void *bytes, size_t size);

/*
 * Gives a chain back, in any order; the guest sees it after virtqueue_publish(). False where
 * the queue is broken, or waits: then it is to be tried again. That of a chain which was popped
 * since the last message of the VMM does not wait.
 */
bool virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written);

/*
 * Shows the guest all that was pushed and committed. True where it wants an interrupt. Where
 * the queue waits, or a process died, the next call does it.
 */
bool virtqueue_publish(struct virtqueue *queue);

#endif
