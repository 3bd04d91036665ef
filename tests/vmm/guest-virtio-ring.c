#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "guest-virtio.h"

/* In a slot. */
#define RESPONSE_OFFSET VIRTIO_GUEST_REQUEST_MAX
#define TABLE_OFFSET (VIRTIO_GUEST_REQUEST_MAX + VIRTIO_GUEST_RESPONSE_MAX)

static int complain(struct virtio_guest *guest, const char *complaint) {
	guest->complaint = complaint;
	return -EPROTO;
}

static bool has(const struct virtio_guest *guest, unsigned feature) {
	return (guest->features >> feature & 1) != 0;
}

/* The word behind each ring, for EVENT_IDX. */
static volatile uint16_t *used_event(const struct virtio_guest_queue *queue) {
	return &queue->avail->ring[queue->size];
}

static volatile uint16_t *avail_event(const struct virtio_guest_queue *queue) {
	return (volatile uint16_t *)&queue->used->ring[queue->size];
}

/* Requests. */

static int find_slot(struct virtio_guest_queue *queue) {
	for (unsigned i = 0; i < queue->slots_len; i++) {
		unsigned slot = (queue->next_slot + i) % queue->slots_len;
		if (!queue->slots[slot].busy) {
			queue->next_slot = slot + 1;
			return (int)slot;
		}
	}
	return -EBUSY;
}

static uint64_t slot_address(const struct virtio_guest_queue *queue, unsigned slot) {
	return queue->slots_address + (uint64_t)slot * VIRTIO_GUEST_SLOT_SIZE;
}

/* Its parts, one descriptor each. Returns how many. */
static unsigned describe(
	const struct virtio_guest_request *request, uint64_t address, struct vring_desc *ret) {
	unsigned n = 0;
	ret[n++] = (struct vring_desc){.addr = address, .len = request->size};
	if (request->payload_size > 0) {
		ret[n++] =
			(struct vring_desc){.addr = request->payload, .len = request->payload_size};
	}
	if (request->response_size > 0) {
		ret[n++] = (struct vring_desc){
			.addr = address + RESPONSE_OFFSET,
			.len = request->response_size,
			.flags = VRING_DESC_F_WRITE,
		};
	}
	return n;
}

/* Writes a chain, where the queue has its place for the slot's. Returns its head. */
static uint16_t write_chain(struct virtio_guest *guest, struct virtio_guest_queue *queue,
	unsigned slot, struct vring_desc *chain, unsigned n) {
	bool indirect = has(guest, VIRTIO_RING_F_INDIRECT_DESC);
	uint64_t table = slot_address(queue, slot) + TABLE_OFFSET;
	uint16_t head = (uint16_t)(indirect ? slot : slot * VIRTIO_GUEST_CHAIN_MAX);
	for (unsigned i = 0; i + 1 < n; i++) {
		chain[i].flags |= VRING_DESC_F_NEXT;
		chain[i].next = (uint16_t)((indirect ? 0 : head) + i + 1);
	}
	struct vring_desc *to = indirect ? virtio_guest_at(guest, table, sizeof(*chain) * n)
					 : (struct vring_desc *)&queue->desc[head];
	memcpy(to, chain, sizeof(*chain) * n);
	if (indirect) {
		const struct vring_desc outer = {
			.addr = table,
			.len = (uint32_t)sizeof(*chain) * n,
			.flags = VRING_DESC_F_INDIRECT,
		};
		memcpy((void *)&queue->desc[head], &outer, sizeof(outer));
	}
	return head;
}

int virtio_guest_submit(
	struct virtio_guest *guest, unsigned index, const struct virtio_guest_request *request) {
	struct virtio_guest_queue *queue = &guest->queues[index];
	int slot = find_slot(queue);
	if (slot < 0) {
		return slot;
	}
	uint64_t address = slot_address(queue, (unsigned)slot);
	memcpy(virtio_guest_at(guest, address, VIRTIO_GUEST_SLOT_SIZE), request->bytes,
		request->size);
	struct vring_desc chain[VIRTIO_GUEST_CHAIN_MAX];
	unsigned n = describe(request, address, chain);
	uint16_t head = write_chain(guest, queue, (unsigned)slot, chain, n);
	queue->slots[slot] = (struct virtio_guest_slot){true, request->response_size};
	queue->in_flight++;
	queue->submitted++;
	queue->avail->ring[queue->offered % queue->size] = head;
	queue->offered++;
	__atomic_store_n(&queue->avail->idx, queue->offered, __ATOMIC_RELEASE);
	return slot;
}

int virtio_guest_notify(struct virtio_guest *guest, unsigned index) {
	const struct virtio_guest_part *part = &guest->notify;
	uint32_t offset = guest->notify_multiplier * index;
	guest->queues[index].notifies++;
	if (!guest->options.posted) {
		return virtio_guest_write(guest, part, offset, index, 2);
	}
	struct {
		struct vfu_region_access access;
		uint16_t queue;
	} body = {{part->offset + offset, part->region, 2}, (uint16_t)index};
	return vmm_send(guest->vmm, VFU_REGION_WRITE, VFU_NO_REPLY, &body, sizeof(body.access) + 2,
		NULL, 0);
}

int virtio_guest_kick(struct virtio_guest *guest, unsigned index) {
	struct virtio_guest_queue *queue = &guest->queues[index];
	uint16_t before = queue->notified;
	queue->notified = queue->offered;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	bool wanted = has(guest, VIRTIO_RING_F_EVENT_IDX)
		? vring_need_event(*avail_event(queue), queue->offered, before) != 0
		: (queue->used->flags & VRING_USED_F_NO_NOTIFY) == 0;
	return wanted ? virtio_guest_notify(guest, index) : 0;
}

/* Responses. */

int virtio_guest_take(
	struct virtio_guest *guest, unsigned index, struct virtio_guest_response *ret) {
	struct virtio_guest_queue *queue = &guest->queues[index];
	uint16_t waiting = __atomic_load_n(&queue->used->idx, __ATOMIC_ACQUIRE) - queue->seen;
	if (waiting == 0) {
		return 0;
	}
	if (waiting > queue->in_flight) {
		return complain(guest, "more was used than is in flight");
	}
	uint32_t id = queue->used->ring[queue->seen % queue->size].id;
	uint32_t size = queue->used->ring[queue->seen % queue->size].len;
	uint32_t step = has(guest, VIRTIO_RING_F_INDIRECT_DESC) ? 1 : VIRTIO_GUEST_CHAIN_MAX;
	uint32_t slot = id / step;
	if (id % step != 0 || slot >= queue->slots_len || !queue->slots[slot].busy) {
		return complain(guest, "a chain was used that is not in flight");
	}
	if (size > queue->slots[slot].response_size) {
		return complain(guest, "a response is longer than its room");
	}
	queue->seen++;
	queue->in_flight--;
	queue->slots[slot].busy = false;
	*ret = (struct virtio_guest_response){
		.slot = slot,
		.size = size,
		.bytes = virtio_guest_at(guest, slot_address(queue, slot) + RESPONSE_OFFSET, size),
	};
	return 1;
}

/* Takes one; where there is none, asks for an interrupt and looks again. */
static int take_or_ask(
	struct virtio_guest *guest, unsigned index, struct virtio_guest_response *ret) {
	struct virtio_guest_queue *queue = &guest->queues[index];
	int taken = virtio_guest_take(guest, index, ret);
	if (taken != 0 || guest->options.poll) {
		return taken;
	}
	*used_event(queue) = queue->seen;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return virtio_guest_take(guest, index, ret);
}

static bool drain(int fd) {
	uint64_t count;
	return read(fd, &count, sizeof(count)) == sizeof(count);
}

/* The pin's handler: what it was is told by ISR, whose reading lets go of the pin. */
static void handle_intx(struct virtio_guest *guest) {
	if (!drain(guest->config_interrupt)) {
		return;
	}
	uint8_t isr = (uint8_t)virtio_guest_read(guest, &guest->isr, 0, 1);
	guest->config_changed |= (isr & VIRTIO_PCI_ISR_CONFIG) != 0;
	vmm_set_irqs(
		guest->vmm, VFU_IRQ_DATA_NONE | VFU_IRQ_ACTION_UNMASK, VFU_IRQ_INTX, 0, 1, NULL, 0);
}

/* One interrupt at most of each kind. */
static void wait_interrupt(struct virtio_guest *guest, int fd, int timeout_msec) {
	struct pollfd fds[] = {
		{.fd = guest->config_interrupt, .events = POLLIN},
		{.fd = fd, .events = POLLIN},
	};
	if (poll(fds, 2, timeout_msec) <= 0) {
		return;
	}
	if (guest->options.intx) {
		handle_intx(guest);
	} else if (drain(guest->config_interrupt)) {
		guest->config_changed = true;
	}
	if (fds[1].revents != 0) {
		drain(fd);
	}
}

bool virtio_guest_config_changed(struct virtio_guest *guest, int timeout_msec) {
	if (!guest->config_changed) {
		wait_interrupt(guest, -1, timeout_msec);
	}
	bool changed = guest->config_changed;
	guest->config_changed = false;
	return changed;
}

static bool needs_reset(struct virtio_guest *guest) {
	return (virtio_guest_status(guest) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0;
}

int virtio_guest_wait(
	struct virtio_guest *guest, unsigned index, struct virtio_guest_response *ret) {
	struct virtio_guest_queue *queue = &guest->queues[index];
	uint64_t end = clock_usec() + VMM_TIMEOUT_MSEC * USEC_PER_MSEC;
	for (;;) {
		int taken = take_or_ask(guest, index, ret);
		if (taken != 0) {
			return taken < 0 ? taken : 0;
		}
		uint64_t now = clock_usec();
		if (now >= end) {
			return needs_reset(guest) ? -EIO : -ETIMEDOUT;
		}
		if (guest->options.poll) {
			sched_yield();
			continue;
		}
		bool told = guest->config_changed;
		wait_interrupt(guest, queue->interrupt, (int)((end - now) / USEC_PER_MSEC) + 1);
		queue->interrupts++;
		if (guest->config_changed && !told && needs_reset(guest)) {
			return -EIO;
		}
	}
}

int virtio_guest_call(struct virtio_guest *guest, unsigned queue,
	const struct virtio_guest_request *request, struct virtio_guest_response *ret) {
	if (guest->queues[queue].in_flight > 0) {
		return -EBUSY;
	}
	int error = virtio_guest_submit(guest, queue, request);
	if (error >= 0) {
		error = virtio_guest_kick(guest, queue);
	}
	return error < 0 ? error : virtio_guest_wait(guest, queue, ret);
}
