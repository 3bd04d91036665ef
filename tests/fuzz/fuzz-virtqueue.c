#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ring.h>
#include <sys/mman.h>

#include "fd.h"
#include "memfd.h"
#include "virtqueue.h"

/*
 * A virtqueue whose rings, descriptors and tables the input writes, in memory of two maps that
 * touch, one that is read-only, and holes. The device pops, answers, commits, publishes and
 * dies at any point. Nothing outside of the maps is reached, and nothing read-only written.
 */

#define PAGE 4096
#define PART (8 * PAGE)
#define FILE_SIZE (6 * PART)
#define BASE UINT64_C(0x10000) // guest address of the first map
#define CANARY 0xc5
#define STEPS_MAX 512

/* Where the rings lie by default, and what chains are made of. */
#define DESC BASE
#define DRIVER (BASE + PAGE)
#define DEVICE (BASE + PART - 16) // across the two maps
#define TABLE (BASE + 2 * PAGE)
#define HEADS_MAX 64

/* Guest memory: parts 0, 2 and 4 of the file; the rest of the file is nobody's. */
static const struct vfio_user_dma_map maps[] = {
	{32, DMA_READ | DMA_WRITE, 0, BASE, PART},
	{32, DMA_READ | DMA_WRITE, 2 * PART, BASE + PART, PART},
	{32, DMA_READ, 4 * PART, BASE + 4 * PART, PART},
};

struct rig {
	struct fuzz_input *input;
	struct dma dma;
	struct device_state_dma table;
	struct keep keep;
	struct device_state_queue state, committed;
	struct virtqueue queue;
	struct virtqueue_chain chain;
	uint64_t features;
	uint16_t heads[HEADS_MAX]; // popped and not pushed
	unsigned heads_len;
	bool broken; // it was, at the last look
};

static int file_fd = -1;
static uint8_t *file;

static void add_map(struct rig *rig, unsigned index) {
	int fd = fcntl(file_fd, F_DUPFD_CLOEXEC, 0);
	int error = dma_add(&rig->dma, &maps[index], &fd);
	FUZZ_CHECK(error == 0 || error == -EEXIST);
	fd_close(fd);
}

static void make_memory(void) {
	if (file_fd < 0) {
		file_fd = memfd_create_sealed("guest", FILE_SIZE);
		FUZZ_CHECK(file_fd >= 0);
		file = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file_fd, 0);
		FUZZ_CHECK(file != MAP_FAILED);
	}
	memset(file, 0, FILE_SIZE);
	for (unsigned part = 1; part < 6; part++) {
		memset(file + part * PART, part == 2 ? 0 : CANARY, PART);
	}
}

/* Only what the device may write has changed. */
static void check_canaries(void) {
	static const unsigned parts[] = {1, 3, 4, 5};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const uint8_t *part = file + parts[i] * PART;
		FUZZ_CHECK(part[0] == CANARY && memcmp(part, part + 1, PART - 1) == 0);
	}
}

/* The driver's view: within the two maps that it writes; NULL elsewhere. */
static void *at(uint64_t address, size_t size) {
	uint64_t offset = address - BASE;
	if (offset >= 2 * PART || size > 2 * PART - offset ||
		(offset < PART && size > PART - offset)) {
		return NULL;
	}
	return file + offset + (offset >= PART ? PART : 0);
}

static void put(uint64_t address, const void *bytes, size_t size) {
	void *to = at(address, size);
	if (to != NULL) {
		memcpy(to, bytes, size);
	}
}

static void put16(uint64_t address, uint16_t value) {
	put(address, &value, sizeof(value));
}

/* In a map, at the edge of one, in a hole, or anywhere. */
static uint64_t pick_address(struct fuzz_input *input) {
	uint8_t how = fuzz_u8(input);
	static const uint64_t edges[] = {BASE, BASE + PART, BASE + 2 * PART, BASE + 4 * PART,
		BASE + 5 * PART, 0, TABLE, DESC};
	if (how < 0x80) {
		return BASE + fuzz_u16(input) % (2 * PART);
	}
	if (how < 0xf0) {
		return edges[how % 8] + (uint64_t)(int8_t)fuzz_u8(input);
	}
	return fuzz_u64(input);
}

static uint32_t pick_length(struct fuzz_input *input) {
	uint8_t length = fuzz_u8(input);
	if (length < 0xc0) {
		return length;
	}
	return length < 0xf0 ? fuzz_u16(input) : fuzz_u32(input);
}

static struct vring_desc pick_descriptor(struct fuzz_input *input) {
	return (struct vring_desc){
		.addr = pick_address(input),
		.len = pick_length(input),
		.flags = fuzz_u8(input),
		.next = fuzz_u8(input),
	};
}

static void offer(struct rig *rig, uint16_t head) {
	const void *index = at(rig->state.driver + 2, 2);
	uint16_t size = rig->state.size;
	if (index != NULL && size != 0) {
		uint16_t now;
		memcpy(&now, index, sizeof(now));
		put16(rig->state.driver + 4 + 2 * (uint64_t)(now % size), head);
		put16(rig->state.driver + 2, now + 1);
	}
}

static bool in_memory(struct rig *rig, const struct iovec *segment, bool writable) {
	for (size_t i = 0; i < rig->table.count; i++) {
		const struct device_state_map *map = &rig->table.maps[i];
		const uint8_t *host = rig->dma.hosts[i], *from = segment->iov_base;
		if (from >= host && from < host + map->size &&
			segment->iov_len <= map->size - (size_t)(from - host)) {
			return !writable || (map->access & DMA_WRITE) != 0;
		}
	}
	return false;
}

static void check_chain(struct rig *rig) {
	const struct virtqueue_chain *chain = &rig->chain;
	uint64_t readable = 0, writable = 0;
	FUZZ_CHECK(chain->head < rig->state.size);
	FUZZ_CHECK(chain->readable + chain->writable <= VIRTQUEUE_SEGMENTS_MAX);
	for (unsigned i = 0; i < chain->readable + chain->writable; i++) {
		bool write = i >= chain->readable;
		FUZZ_CHECK(chain->segments[i].iov_len > 0);
		FUZZ_CHECK(in_memory(rig, &chain->segments[i], write));
		*(write ? &writable : &readable) += chain->segments[i].iov_len;
	}
	FUZZ_CHECK(readable == chain->readable_size && writable == chain->writable_size);
	FUZZ_CHECK(readable + writable <= UINT32_MAX);
}

/* Reads all of it, writes all of it, and no byte more. */
static void carry_out(struct rig *rig) {
	static uint8_t bytes[1 << 16];
	const struct virtqueue_chain *chain = &rig->chain;
	uint64_t offset = fuzz_u8(rig->input);
	size_t done = virtqueue_read(chain, offset, bytes, sizeof(bytes));
	uint64_t there = chain->readable_size > offset ? chain->readable_size - offset : 0;
	FUZZ_CHECK(done == (there < sizeof(bytes) ? there : sizeof(bytes)));
	size_t size = fuzz_u8(rig->input);
	done = virtqueue_write(chain, offset, bytes, size);
	there = chain->writable_size > offset ? chain->writable_size - offset : 0;
	FUZZ_CHECK(done == (there < size ? there : size));
}

static void step_pop(struct rig *rig) {
	uint16_t before = rig->state.available;
	bool pending = virtqueue_pending(&rig->queue);
	bool popped = virtqueue_pop(&rig->queue, &rig->chain);
	FUZZ_CHECK((uint16_t)(rig->state.available - before) == popped);
	FUZZ_CHECK(pending || !popped);
	FUZZ_CHECK(!pending || popped || rig->queue.broken || rig->queue.waits);
	if (popped) {
		check_chain(rig);
		carry_out(rig);
		if (rig->heads_len < HEADS_MAX) {
			rig->heads[rig->heads_len++] = rig->chain.head;
		}
	}
}

static void step_push(struct rig *rig) {
	uint16_t before = rig->state.used;
	bool pushed = rig->heads_len > 0 &&
		virtqueue_push(&rig->queue, rig->heads[0], fuzz_u8(rig->input));
	FUZZ_CHECK((uint16_t)(rig->state.used - before) == pushed);
	if (pushed) {
		memmove(rig->heads, rig->heads + 1, --rig->heads_len * sizeof(rig->heads[0]));
	}
}

static void step_publish(struct rig *rig) {
	uint16_t used = rig->state.used;
	bool news = rig->state.used != rig->state.signalled;
	bool wanted = virtqueue_publish(&rig->queue);
	FUZZ_CHECK(rig->state.used == used && (news || !wanted));
	const void *index = at(rig->state.device + 2, 2);
	if (news && rig->state.signalled == used && index != NULL) {
		FUZZ_CHECK(memcmp(index, &used, sizeof(used)) == 0);
	}
}

/* Another process goes on with what was committed. */
static void step_die(struct rig *rig) {
	rig->state = rig->committed;
	rig->heads_len = 0;
	rig->broken = false;
	virtqueue_init(&rig->queue, &rig->state, &rig->dma, rig->features);
}

/* What an earlier process left, or a driver said before it enabled the queue. */
static void step_garble(struct rig *rig) {
	struct device_state_queue *state = &rig->state;
	uint64_t *const addresses[] = {&state->desc, &state->driver, &state->device};
	uint8_t what = fuzz_u8(rig->input);
	if (what % 5 < 3) {
		*addresses[what % 5] = pick_address(rig->input);
	} else if (what % 5 == 3) {
		state->size = what < 0x80 ? 1 << what % 9 : fuzz_u16(rig->input);
	} else {
		state->available = state->used = state->signalled = fuzz_u16(rig->input);
		put16(state->driver + 2, state->available);
	}
}

static void step_map(struct rig *rig) {
	uint8_t what = fuzz_u8(rig->input);
	const struct vfio_user_dma_map *map = &maps[what % 3];
	if ((what & 0x80) != 0) {
		dma_remove(&rig->dma, map->address, map->size);
		rig->dma.removed = (what & 0x40) != 0 ? 1 : rig->dma.removed; // long ago
	} else {
		add_map(rig, what % 3);
	}
}

static void step_write(struct rig *rig, uint8_t what) {
	struct vring_desc descriptor;
	switch (what % 6) {
	case 0:
		descriptor = pick_descriptor(rig->input);
		put(rig->state.desc + 16 * (uint64_t)(what / 6 % 16), &descriptor,
			sizeof(descriptor));
		break;
	case 1:
		descriptor = pick_descriptor(rig->input);
		put(TABLE + 16 * (uint64_t)(what / 6), &descriptor, sizeof(descriptor));
		break;
	case 2:
		offer(rig, what / 6 % 20);
		break;
	case 3:
		put16(rig->state.driver + 2, fuzz_u16(rig->input));
		break;
	case 4:
		put16(rig->state.driver + (what < 0x80 ? 0 : 4 + 2 * (uint64_t)rig->state.size),
			fuzz_u16(rig->input));
		break;
	default:
		put16(pick_address(rig->input), fuzz_u16(rig->input));
		break;
	}
}

/* Once broken, it does nothing more. */
static void check_broken(struct rig *rig) {
	FUZZ_CHECK(!rig->broken || rig->queue.broken);
	FUZZ_CHECK(!rig->queue.broken || rig->queue.why != NULL);
	rig->broken = rig->queue.broken;
	if (rig->broken) {
		struct device_state_queue before = rig->state;
		FUZZ_CHECK(!virtqueue_pending(&rig->queue));
		FUZZ_CHECK(!virtqueue_pop(&rig->queue, &rig->chain));
		FUZZ_CHECK(!virtqueue_push(&rig->queue, 0, 0));
		FUZZ_CHECK(!virtqueue_publish(&rig->queue));
		FUZZ_CHECK(memcmp(&before, &rig->state, sizeof(before)) == 0);
	}
}

static void step(struct rig *rig) {
	uint8_t what = fuzz_u8(rig->input);
	switch (what % 12) {
	case 0:
	case 1:
		step_pop(rig);
		break;
	case 2:
		step_push(rig);
		break;
	case 3:
		step_publish(rig);
		break;
	case 4:
		rig->committed = rig->state;
		break;
	case 5:
		step_die(rig);
		break;
	case 6:
		step_garble(rig);
		break;
	case 7:
		step_map(rig);
		break;
	default:
		step_write(rig, fuzz_u8(rig->input));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct rig *rig = calloc(1, sizeof(*rig));
	FUZZ_CHECK(rig != NULL);
	make_memory();
	rig->input = &input;
	keep_init(&rig->keep, LINK_FUNCTION_GPU, -1);
	FUZZ_CHECK(dma_init(&rig->dma, &rig->table, &rig->keep) == 0);
	for (unsigned i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		add_map(rig, i);
	}
	uint8_t kind = fuzz_u8(&input);
	rig->features = (uint64_t)(kind & 3) << VIRTIO_RING_F_INDIRECT_DESC;
	rig->committed = (struct device_state_queue){
		.desc = DESC,
		.driver = DRIVER,
		.device = DEVICE,
		.size = 1 << (kind >> 2) % 9,
		.enabled = 1,
	};
	step_die(rig);
	for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
		step(rig);
		check_broken(rig);
	}
	check_canaries();
	dma_finish(&rig->dma);
	keep_finish(&rig->keep);
	free(rig);
	return 0;
}
