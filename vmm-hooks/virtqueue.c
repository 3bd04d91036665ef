#include "virtqueue.h"

#include <linux/virtio_ring.h>
#include <string.h>

#include "checked.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))

void virtqueue_init(struct virtqueue *queue, struct device_state_queue *state,
	const struct dma *dma, uint64_t features) {
	*queue = (struct virtqueue){
		.state = state,
		.dma = dma,
		.indirect = (features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC)) != 0,
		.event_idx = (features & FEATURE(VIRTIO_RING_F_EVENT_IDX)) != 0,
	};
}

static bool break_queue(struct virtqueue *queue, const char *why) {
	queue->broken = true;
	queue->why = why;
	return false;
}

static bool miss(struct virtqueue *queue, const char *why) {
	if (dma_settled(queue->dma)) {
		return break_queue(queue, why);
	}
	queue->waits = true;
	return false;
}

/* Words of a ring are aligned to their size, so that none lies across two maps. */
static void *reach(
	struct virtqueue *queue, uint64_t address, uint64_t length, enum dma_access access) {
	void *host = dma_resolve(queue->dma, address, length, access);
	if (host == NULL) {
		miss(queue, "a part of it does not lie in memory");
	}
	return host;
}

/* What the state says may have come from a driver, or from an earlier process gone bad. */
static bool usable(struct virtqueue *queue) {
	const struct device_state_queue *state = queue->state;
	if (queue->broken || state->enabled == 0) {
		return false;
	}
	if (state->size == 0 || state->size > VIRTQUEUE_SIZE_MAX ||
		(state->size & (state->size - 1)) != 0) {
		return break_queue(queue, "its size is impossible");
	}
	uint64_t end;
	if (state->desc % VRING_DESC_ALIGN_SIZE != 0 ||
		state->driver % VRING_AVAIL_ALIGN_SIZE != 0 ||
		state->device % VRING_USED_ALIGN_SIZE != 0 ||
		!checked_add(state->desc, UINT64_C(16) * state->size, &end) ||
		!checked_add(state->driver, UINT64_C(2) * state->size + 6, &end) ||
		!checked_add(state->device, UINT64_C(8) * state->size + 6, &end)) {
		return break_queue(queue, "its addresses are impossible");
	}
	return true;
}

/* The driver's index, with all that it has written before it. */
static bool read_index(struct virtqueue *queue, uint16_t *ret_waiting) {
	const uint16_t *index = reach(queue,
		queue->state->driver + offsetof(struct vring_avail, idx), sizeof(*index), DMA_READ);
	if (index == NULL) {
		return false;
	}
	uint16_t waiting = __atomic_load_n(index, __ATOMIC_ACQUIRE) - queue->state->available;
	if (waiting > queue->state->size) {
		return break_queue(queue, "its available index jumps");
	}
	*ret_waiting = waiting;
	return true;
}

bool virtqueue_pending(struct virtqueue *queue) {
	uint16_t waiting = 0;
	return usable(queue) && (!read_index(queue, &waiting) || waiting > 0);
}

/* virtio 1.3, 2.7.10: by flag, or by the index from which on the driver notifies. */
static bool write_flags(struct virtqueue *queue, uint16_t flags) {
	uint16_t *at = reach(queue, queue->state->device + offsetof(struct vring_used, flags),
		sizeof(*at), DMA_WRITE);
	if (at != NULL) {
		__atomic_store_n(at, flags, __ATOMIC_RELAXED);
	}
	return at != NULL;
}

static bool write_event(struct virtqueue *queue, uint16_t index) {
	const struct device_state_queue *state = queue->state;
	uint16_t *at = reach(queue,
		state->device + offsetof(struct vring_used, ring) +
			sizeof(struct vring_used_elem) * (uint64_t)state->size,
		sizeof(*at), DMA_WRITE);
	if (at != NULL) {
		__atomic_store_n(at, index, __ATOMIC_RELAXED);
	}
	return at != NULL;
}

/* Asks to be told of the chain after those that wait, and looks whether it has come before that
 * was seen. */
static bool ask(struct virtqueue *queue, uint16_t *ret_waiting) {
	uint16_t next = queue->state->available + *ret_waiting;
	if (!(queue->event_idx ? write_event(queue, next) : write_flags(queue, 0))) {
		return false;
	}
	queue->quiet = false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return read_index(queue, ret_waiting);
}

/* A queue that is worked on needs no notifications; with an event index there are none. */
static void ask_for_quiet(struct virtqueue *queue) {
	if (!queue->event_idx && !queue->quiet) {
		queue->quiet = write_flags(queue, VRING_USED_F_NO_NOTIFY);
	}
}

/* The next used element: which chain, and how many bytes. */
static bool reach_used(struct virtqueue *queue, uint32_t *ret[2]) {
	const struct device_state_queue *state = queue->state;
	uint64_t at = state->device + offsetof(struct vring_used, ring) +
		sizeof(struct vring_used_elem) * (uint64_t)(state->used % state->size);
	ret[0] = reach(queue, at, sizeof(uint32_t), DMA_WRITE);
	ret[1] = reach(queue, at + sizeof(uint32_t), sizeof(uint32_t), DMA_WRITE);
	return ret[0] != NULL && ret[1] != NULL;
}

static bool read_head(struct virtqueue *queue, uint16_t *ret) {
	const struct device_state_queue *state = queue->state;
	const uint16_t *at = reach(queue,
		state->driver + offsetof(struct vring_avail, ring) +
			sizeof(uint16_t) * (uint64_t)(state->available % state->size),
		sizeof(*at), DMA_READ);
	if (at == NULL) {
		return false;
	}
	uint16_t head = __atomic_load_n(at, __ATOMIC_RELAXED);
	if (head >= state->size) {
		return break_queue(queue, "a chain begins outside of its table");
	}
	*ret = head;
	return true;
}

/* From here on the compiler may not look at the guest's copy again. */
static void copy_once(void *ret, const void *from, size_t size) {
	memcpy(ret, from, size);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* A table of descriptors that is walked: the queue's own, or an indirect one. */
struct table {
	uint64_t address;
	uint32_t size; // descriptors
	bool indirect;
};

static bool read_descriptor(struct virtqueue *queue, const struct table *table, uint32_t index,
	struct vring_desc *ret) {
	uint64_t address;
	if (!checked_add(table->address, (uint64_t)index * sizeof(*ret), &address)) {
		return break_queue(queue, "a table of descriptors does not lie in memory");
	}
	// An indirect table may begin anywhere: its descriptors can lie across two maps.
	uint8_t *to = (uint8_t *)ret;
	for (uint64_t left = sizeof(*ret); left > 0;) {
		uint64_t some = left;
		const void *from = dma_resolve_some(queue->dma, address, &some, DMA_READ);
		if (from == NULL) {
			return miss(queue, "a table of descriptors does not lie in memory");
		}
		copy_once(to, from, some);
		to += some;
		address += some;
		left -= some;
	}
	return true;
}

/* Where maps touch, a buffer may lie in several of them. */
static bool add_segments(struct virtqueue *queue, struct virtqueue_chain *chain,
	const struct vring_desc *descriptor, enum dma_access access) {
	uint64_t address = descriptor->addr;
	for (uint64_t left = descriptor->len; left > 0;) {
		uint64_t some = left;
		void *host = dma_resolve_some(queue->dma, address, &some, access);
		unsigned n = chain->readable + chain->writable;
		if (host == NULL) {
			return miss(queue, "a buffer does not lie in memory");
		}
		if (n == VIRTQUEUE_SEGMENTS_MAX) {
			return break_queue(queue, "a chain is too long");
		}
		chain->segments[n] = (struct iovec){.iov_base = host, .iov_len = some};
		*(access == DMA_WRITE ? &chain->writable : &chain->readable) += 1;
		address += some; // ends in a map, so that it wraps only behind the last byte
		left -= some;
	}
	return true;
}

static bool add_buffer(struct virtqueue *queue, struct virtqueue_chain *chain,
	const struct vring_desc *descriptor) {
	bool writable = (descriptor->flags & VRING_DESC_F_WRITE) != 0;
	if (!writable && chain->writable_size > 0) {
		return break_queue(queue, "a readable buffer follows a writable one");
	}
	*(writable ? &chain->writable_size : &chain->readable_size) += descriptor->len;
	if (chain->readable_size + chain->writable_size > UINT32_MAX) {
		return break_queue(queue, "a chain is longer than 2^32 bytes");
	}
	return add_segments(queue, chain, descriptor, writable ? DMA_WRITE : DMA_READ);
}

/* virtio 1.3, 2.7.5.3: the last of the queue's own descriptors may stand for a table. */
static bool read_indirect(struct virtqueue *queue, const struct table *table,
	const struct vring_desc *descriptor, struct table *ret) {
	uint32_t size = descriptor->len / sizeof(*descriptor);
	if (!queue->indirect || table->indirect) {
		return break_queue(queue, "an indirect table is not allowed there");
	}
	if ((descriptor->flags & VRING_DESC_F_NEXT) != 0 || size == 0 ||
		size > VIRTQUEUE_SEGMENTS_MAX || descriptor->len % sizeof(*descriptor) != 0) {
		return break_queue(queue, "an indirect table has an impossible length");
	}
	*ret = (struct table){descriptor->addr, size, true};
	return true;
}

/* A chain visits no descriptor of a table twice: one that is longer is a loop. */
static bool walk(struct virtqueue *queue, struct virtqueue_chain *chain, const struct table *table,
	uint32_t index) {
	for (uint32_t visited = 0; visited < table->size; visited++) {
		struct vring_desc descriptor;
		if (!read_descriptor(queue, table, index, &descriptor)) {
			return false;
		}
		if ((descriptor.flags & VRING_DESC_F_INDIRECT) != 0) {
			struct table inner; // and no further
			return read_indirect(queue, table, &descriptor, &inner) &&
				walk(queue, chain, &inner, 0);
		}
		if (!add_buffer(queue, chain, &descriptor)) {
			return false;
		}
		if ((descriptor.flags & VRING_DESC_F_NEXT) == 0) {
			return true;
		}
		index = descriptor.next;
		if (index >= table->size) {
			return break_queue(queue, "a chain leads out of its table");
		}
	}
	return break_queue(queue, "a chain has no end");
}

/* Reads the next chain; the answer will have its place, or nothing is begun. */
static bool read_chain(struct virtqueue *queue, struct virtqueue_chain *ret) {
	const struct table table = {queue->state->desc, queue->state->size, false};
	uint32_t *used[2];
	ret->readable = ret->writable = 0;
	ret->readable_size = ret->writable_size = 0;
	return reach_used(queue, used) && read_head(queue, &ret->head) &&
		walk(queue, ret, &table, ret->head);
}

bool virtqueue_has(struct virtqueue *queue, unsigned n) {
	uint16_t waiting;
	queue->waits = false;
	if (!usable(queue) || !read_index(queue, &waiting)) {
		return false;
	}
	return waiting >= n || (ask(queue, &waiting) && waiting >= n);
}

/* The descriptor with which a later chain begins; NULL where there is none. */
static const void *peek_head(struct virtqueue *queue, uint16_t later) {
	const struct device_state_queue *state = queue->state;
	uint64_t at = (uint16_t)(state->available + later) % state->size;
	const uint16_t *head = dma_resolve(queue->dma,
		state->driver + offsetof(struct vring_avail, ring) + sizeof(*head) * at,
		sizeof(*head), DMA_READ);
	if (head == NULL) {
		return NULL;
	}
	uint64_t index = __atomic_load_n(head, __ATOMIC_RELAXED) % state->size;
	return dma_resolve(queue->dma, state->desc + sizeof(struct vring_desc) * index,
		sizeof(struct vring_desc), DMA_READ);
}

/* What the descriptor speaks of that perhaps lies there. */
static const void *peek_buffer(struct virtqueue *queue, const void *at) {
	struct vring_desc descriptor;
	if (at == NULL) {
		return NULL;
	}
	copy_once(&descriptor, at, sizeof(descriptor));
	return dma_resolve(queue->dma, descriptor.addr, sizeof(descriptor), DMA_READ);
}

/*
 * A driver has written its chains on another processor, so that every step to a command waits
 * for memory: descriptor, table, command. While this chain is worked on, each of the next ones
 * is brought one step nearer. Nothing counts that is read for that.
 */
static void ask_ahead(struct virtqueue *queue, uint16_t waiting) {
	if (waiting > 3) {
		__builtin_prefetch(peek_head(queue, 3));
	}
	if (waiting > 2) {
		__builtin_prefetch(peek_buffer(queue, peek_head(queue, 2)));
	}
	if (waiting > 1) {
		const void *table = peek_buffer(queue, peek_head(queue, 1));
		__builtin_prefetch(peek_buffer(queue, table));
	}
}

bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *ret) {
	uint16_t waiting;
	queue->waits = false;
	if (!usable(queue) || !read_index(queue, &waiting) ||
		(waiting == 0 && (!ask(queue, &waiting) || waiting == 0))) {
		return false;
	}
	ask_for_quiet(queue);
	if (!read_chain(queue, ret)) {
		return false;
	}
	ask_ahead(queue, waiting);
	queue->state->available++;
	return true;
}

void virtqueue_put_back(struct virtqueue *queue) {
	queue->state->available--;
	queue->waits = true;
}

/* The bytes of some segments from offset on, up to size, one piece after the other. */
static size_t copy(const struct iovec *segments, unsigned n, uint64_t offset, uint8_t *ret,
	const uint8_t *bytes, size_t size) {
	size_t done = 0;
	for (unsigned i = 0; i < n && done < size; i++) {
		if (offset >= segments[i].iov_len) {
			offset -= segments[i].iov_len;
			continue;
		}
		size_t some = segments[i].iov_len - offset;
		some = some < size - done ? some : size - done;
		uint8_t *guest = (uint8_t *)segments[i].iov_base + offset;
		if (ret != NULL) {
			copy_once(ret + done, guest, some);
		} else {
			memcpy(guest, bytes + done, some);
		}
		done += some;
		offset = 0;
	}
	return done;
}

size_t virtqueue_read(
	const struct virtqueue_chain *chain, uint64_t offset, void *ret, size_t size) {
	return copy(chain->segments, chain->readable, offset, ret, NULL, size);
}

size_t virtqueue_write(
	const struct virtqueue_chain *chain, uint64_t offset, const void *bytes, size_t size) {
	return copy(chain->segments + chain->readable, chain->writable, offset, NULL, bytes, size);
}

bool virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written) {
	uint32_t *used[2];
	queue->waits = false;
	if (!usable(queue) || !reach_used(queue, used)) {
		return false;
	}
	*used[0] = head;
	*used[1] = written;
	queue->state->used++;
	return true;
}

bool virtqueue_is_polled(const struct virtqueue *queue) {
	if (queue->event_idx || queue->dma == NULL || queue->state->enabled == 0) {
		return false;
	}
	const uint16_t *flags =
		dma_resolve(queue->dma, queue->state->driver + offsetof(struct vring_avail, flags),
			sizeof(*flags), DMA_READ);
	return flags != NULL &&
		(__atomic_load_n(flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT) != 0;
}

/* Whether the driver wants to hear of what was used since the last interrupt. */
static bool wants_interrupt(struct virtqueue *queue) {
	const struct device_state_queue *state = queue->state;
	uint64_t offset = offsetof(struct vring_avail, flags);
	if (queue->event_idx) {
		offset = offsetof(struct vring_avail, ring) +
			sizeof(uint16_t) * (uint64_t)state->size;
	}
	const uint16_t *at = reach(queue, state->driver + offset, sizeof(*at), DMA_READ);
	if (at == NULL) {
		return true; // one too many does no harm
	}
	uint16_t word = __atomic_load_n(at, __ATOMIC_RELAXED);
	return queue->event_idx ? vring_need_event(word, state->used, state->signalled) != 0
				: (word & VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

bool virtqueue_publish(struct virtqueue *queue) {
	struct device_state_queue *state = queue->state;
	if (!usable(queue) || state->used == state->signalled) {
		return false;
	}
	uint16_t *index = reach(
		queue, state->device + offsetof(struct vring_used, idx), sizeof(*index), DMA_WRITE);
	if (index == NULL) {
		return false;
	}
	__atomic_store_n(index, state->used, __ATOMIC_RELEASE);
	// The driver writes what it wants to hear of, then looks at the index.
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	bool wanted = wants_interrupt(queue);
	state->signalled = state->used;
	return wanted;
}
