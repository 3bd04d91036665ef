#include "virtqueue.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"
#include "memfd.h"

/*
 * Guest memory: two maps that touch each other, of parts of the file that do not; a gap; a map
 * that the device may only read, and one without memory.
 */
#define PAGE 4096
#define PART (16 * PAGE)
#define FIRST 0x100000
#define SECOND (FIRST + PART)
#define GAP (SECOND + PART)
#define READ_ONLY 0x200000
#define NO_FILE 0x300000

#define SIZE 8
#define DESC FIRST
#define DRIVER (FIRST + 0x1000)
#define DEVICE (FIRST + 0x2000)
#define TABLE (FIRST + 0x3000) // an indirect one
#define DATA (FIRST + 0x8000)

#define INDIRECT (UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX (UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX)

#define N VRING_DESC_F_NEXT
#define W VRING_DESC_F_WRITE
#define I VRING_DESC_F_INDIRECT

static struct dma dma;
static struct device_state_dma table;
static struct keep keep;
static int ram;
static uint8_t *file;
static struct device_state_queue state;
static struct virtqueue queue;
static struct virtqueue_chain chain;

static void add_map(
	uint64_t address, uint64_t size, uint64_t offset, uint32_t access, bool memory) {
	const struct vfio_user_dma_map map = {32, access, offset, address, size};
	int fd = memory ? dup(ram) : -1;
	assert_int_equal(dma_add(&dma, &map, memory ? &fd : NULL), 0);
	fd_close(fd);
}

/* The driver's view of a guest address. */
static void *at(uint64_t address) {
	uint64_t offset = address - FIRST;
	return file + (address >= SECOND ? offset + PART : offset);
}

static struct vring_desc *desc(unsigned index) {
	return (struct vring_desc *)at(DESC) + index;
}

static struct vring_avail *avail(void) {
	return at(DRIVER);
}

static struct vring_used *used(void) {
	return at(DEVICE);
}

static uint16_t *used_event(void) {
	return &avail()->ring[SIZE];
}

static uint16_t *avail_event(void) {
	return (uint16_t *)&used()->ring[SIZE];
}

static void start(uint64_t features) {
	state = (struct device_state_queue){
		.desc = DESC, .driver = DRIVER, .device = DEVICE, .size = SIZE, .enabled = 1};
	memset(file, 0, 4 * PART);
	virtqueue_init(&queue, &state, &dma, features);
}

static int set_up(void **unused) {
	ram = memfd_create_sealed("ram", 4 * PART);
	file = mmap(NULL, 4 * PART, PROT_READ | PROT_WRITE, MAP_SHARED, ram, 0);
	table.count = 0;
	keep_init(&keep, LINK_FUNCTION_GPU, -1);
	if (dma_init(&dma, &table, &keep) < 0) {
		return -1;
	}
	add_map(FIRST, PART, 0, DMA_READ | DMA_WRITE, true);
	add_map(SECOND, PART, 2 * PART, DMA_READ | DMA_WRITE, true);
	add_map(READ_ONLY, PAGE, 0, DMA_READ, true);
	add_map(NO_FILE, PAGE, 0, DMA_READ | DMA_WRITE, false);
	start(0);
	return 0;
}

static int tear_down(void **unused) {
	dma_finish(&dma);
	keep_finish(&keep);
	munmap(file, 4 * PART);
	close(ram);
	return 0;
}

static void offer(uint16_t head) {
	avail()->ring[avail()->idx % SIZE] = head;
	avail()->idx++;
}

/* A chain of one readable buffer. */
static void offer_one(uint16_t head) {
	*desc(head) = (struct vring_desc){DATA, 4, 0, 0};
	offer(head);
}

static void a_chain_is_read_and_answered(void **unused) {
	memcpy(at(DATA), "mul", 3);
	memcpy(at(DATA + 100), "lion", 4);
	*desc(5) = (struct vring_desc){DATA, 3, N, 2};
	*desc(2) = (struct vring_desc){DATA + 100, 4, N, 7};
	*desc(7) = (struct vring_desc){DATA + 200, 2, N | W, 0};
	*desc(0) = (struct vring_desc){DATA + 300, 6, W, 0};
	assert_false(virtqueue_pending(&queue));
	offer(5);
	assert_true(virtqueue_pending(&queue));
	assert_true(virtqueue_pop(&queue, &chain));
	assert_int_equal(chain.head, 5);
	assert_int_equal(chain.readable, 2);
	assert_int_equal(chain.readable_size, 7);
	assert_int_equal(chain.writable, 2);
	assert_int_equal(chain.writable_size, 8);
	char bytes[16] = {0};
	assert_int_equal(virtqueue_read(&chain, 0, bytes, sizeof(bytes)), 7);
	assert_string_equal(bytes, "mullion");
	assert_int_equal(virtqueue_read(&chain, 2, bytes, 3), 3);
	assert_memory_equal(bytes, "lli", 3);
	assert_int_equal(virtqueue_read(&chain, 7, bytes, 1), 0);
	assert_int_equal(virtqueue_read(&chain, UINT64_MAX, bytes, 1), 0);
	assert_int_equal(virtqueue_write(&chain, 1, "answered", 8), 7);
	assert_memory_equal(at(DATA + 201), "a", 1);
	assert_memory_equal(at(DATA + 300), "nswere", 6);
	assert_true(virtqueue_push(&queue, chain.head, 8));
	assert_int_equal(used()->idx, 0); // not yet
	assert_true(virtqueue_publish(&queue));
	assert_int_equal(used()->idx, 1);
	assert_int_equal(used()->ring[0].id, 5);
	assert_int_equal(used()->ring[0].len, 8);
	assert_false(virtqueue_pop(&queue, &chain));
	assert_false(queue.broken);
}

static void a_queue_that_is_not_enabled_does_nothing(void **unused) {
	offer_one(0);
	state.enabled = 0;
	assert_false(virtqueue_pending(&queue));
	assert_false(virtqueue_pop(&queue, &chain));
	assert_false(virtqueue_push(&queue, 0, 0));
	assert_false(virtqueue_publish(&queue));
	assert_false(queue.broken);
}

static void assert_breaks(const char *name) {
	struct device_state_queue before = state;
	bool popped = virtqueue_pop(&queue, &chain);
	if (popped || !queue.broken || queue.why == NULL) {
		fail_msg("%s: %s", name, popped ? "taken" : "not broken");
	}
	// For good, and without a trace.
	avail()->idx = state.available;
	offer_one(0);
	assert_false(virtqueue_pending(&queue));
	assert_false(virtqueue_pop(&queue, &chain));
	assert_false(virtqueue_push(&queue, 0, 0));
	assert_false(virtqueue_publish(&queue));
	assert_memory_equal(&before, &state, sizeof(state));
	assert_int_equal(used()->idx, 0);
}

static void chains_against_the_rules_break_the_queue(void **unused) {
	const struct {
		const char *name;
		uint16_t head;
		struct vring_desc descriptors[3];
	} cases[] = {
		{"head out of the table", SIZE, {{0}}},
		{"head far out", UINT16_MAX, {{0}}},
		{"next out of the table", 0, {{DATA, 4, N, SIZE}}},
		{"next far out", 0, {{DATA, 4, N, UINT16_MAX}}},
		{"a descriptor that follows itself", 0, {{DATA, 4, N, 0}}},
		{"a loop", 0, {{DATA, 4, N, 1}, {DATA, 4, N, 2}, {DATA, 4, N, 1}}},
		{"an empty loop", 0, {{DATA, 0, N, 1}, {DATA, 0, N, 0}}},
		{"readable after writable", 0, {{DATA, 4, N | W, 1}, {DATA, 4, 0, 0}}},
		{"indirect, not negotiated", 0, {{TABLE, 16, I, 0}}},
		{"buffer in a gap", 0, {{GAP, 1, 0, 0}}},
		{"buffer that ends in a gap", 0, {{GAP - 4, 8, 0, 0}}},
		{"buffer that begins in a gap", 0, {{FIRST - 4, 8, W, 0}}},
		{"buffer at 0", 0, {{0, 1, W, 0}}},
		{"buffer that wraps", 0, {{UINT64_MAX - 3, 8, 0, 0}}},
		{"answer into memory that is read-only", 0, {{READ_ONLY, 4, W, 0}}},
		{"buffer in the device's own BAR", 0, {{NO_FILE, 4, 0, 0}}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(EVENT_IDX);
		memcpy(desc(0), cases[i].descriptors, sizeof(cases[i].descriptors));
		offer(cases[i].head);
		assert_breaks(cases[i].name);
	}
}

static void indirect_tables_against_the_rules_break_the_queue(void **unused) {
	const struct {
		const char *name;
		struct vring_desc outer;
		struct vring_desc inner[2];
	} cases[] = {
		{"length 0", {TABLE, 0, I, 0}, {{DATA, 4, 0, 0}}},
		{"length 8", {TABLE, 8, I, 0}, {{DATA, 4, 0, 0}}},
		{"length 17", {TABLE, 17, I, 0}, {{DATA, 4, 0, 0}}},
		{"length 2^32 - 16", {TABLE, UINT32_MAX - 15, I, 0}, {{DATA, 4, 0, 0}}},
		{"nested", {TABLE, 32, I, 0}, {{TABLE, 16, I, 0}, {DATA, 4, 0, 0}}},
		{"nested later", {TABLE, 32, I, 0}, {{DATA, 4, N, 1}, {TABLE, 16, I, 0}}},
		{"with a next one", {TABLE, 16, I | N, 1}, {{DATA, 4, 0, 0}}},
		{"next out of the table", {TABLE, 32, I, 0}, {{DATA, 4, N, 2}}},
		{"a loop", {TABLE, 32, I, 0}, {{DATA, 4, N, 1}, {DATA, 4, N, 0}}},
		{"in a gap", {GAP, 16, I, 0}, {{0}}},
		{"that ends in a gap", {GAP - 16, 32, I, 0}, {{0}}},
		{"that wraps", {UINT64_MAX - 7, 32, I, 0}, {{0}}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(INDIRECT);
		*desc(0) = cases[i].outer;
		memcpy(at(TABLE), cases[i].inner, sizeof(cases[i].inner));
		*(struct vring_desc *)at(GAP - 16) = (struct vring_desc){DATA, 4, N, 1};
		offer(0);
		assert_breaks(cases[i].name);
	}
}

static void an_available_index_that_jumps_breaks_the_queue(void **unused) {
	const uint16_t jumps[] = {SIZE + 1, 100, 0x8000, UINT16_MAX};
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		start(0);
		avail()->idx = jumps[i];
		assert_true(virtqueue_pending(&queue));
		assert_breaks("a jump");
	}
	start(0);
	for (uint16_t i = 0; i < SIZE; i++) {
		offer_one(i);
	}
	for (uint16_t i = 0; i < SIZE; i++) {
		assert_true(virtqueue_pop(&queue, &chain));
		assert_int_equal(chain.head, i);
	}
	assert_false(virtqueue_pop(&queue, &chain));
}

static void rings_that_cannot_be_break_the_queue(void **unused) {
	const struct {
		const char *name;
		uint64_t desc, driver, device;
		uint16_t size;
	} cases[] = {
		{"size 0", DESC, DRIVER, DEVICE, 0},
		{"size 3", DESC, DRIVER, DEVICE, 3},
		{"size 512", DESC, DRIVER, DEVICE, 2 * VIRTQUEUE_SIZE_MAX},
		{"size 65535", DESC, DRIVER, DEVICE, UINT16_MAX},
		{"odd table", DESC + 8, DRIVER, DEVICE, SIZE},
		{"odd available ring", DESC, DRIVER + 1, DEVICE, SIZE},
		{"odd used ring", DESC, DRIVER, DEVICE + 2, SIZE},
		{"table in a gap", GAP, DRIVER, DEVICE, SIZE},
		{"available ring in a gap", DESC, GAP, DEVICE, SIZE},
		{"used ring in a gap", DESC, DRIVER, GAP, SIZE},
		{"used ring that is read-only", DESC, DRIVER, READ_ONLY, SIZE},
		{"available ring in the own BAR", DESC, NO_FILE, DEVICE, SIZE},
		{"table that wraps", UINT64_MAX - 15, DRIVER, DEVICE, SIZE},
		{"available ring that wraps", DESC, UINT64_MAX - 1, DEVICE, SIZE},
		{"used ring that wraps", DESC, DRIVER, UINT64_MAX - 3, SIZE},
		{"all at 0", 0, 0, 0, SIZE},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(EVENT_IDX);
		offer_one(0);
		state.desc = cases[i].desc;
		state.driver = cases[i].driver;
		state.device = cases[i].device;
		state.size = cases[i].size;
		assert_breaks(cases[i].name);
	}
}

static void a_buffer_across_maps_that_touch_is_split(void **unused) {
	memcpy(at(SECOND - 3), "mul", 3);
	memcpy(at(SECOND), "lion", 4);
	*desc(0) = (struct vring_desc){SECOND - 3, 7, N, 1};
	*desc(1) = (struct vring_desc){SECOND - 1, 2, W, 0};
	offer(0);
	assert_true(virtqueue_pop(&queue, &chain));
	assert_int_equal(chain.readable, 2);
	assert_int_equal(chain.readable_size, 7);
	assert_int_equal(chain.writable, 2);
	char bytes[8] = {0};
	assert_int_equal(virtqueue_read(&chain, 0, bytes, 7), 7);
	assert_string_equal(bytes, "mullion");
	assert_int_equal(virtqueue_write(&chain, 0, "ab", 2), 2);
	assert_memory_equal(at(SECOND - 1), "a", 1);
	assert_memory_equal(at(SECOND), "b", 1);
}

/* The second half of each ring lies in the second map. */
static void rings_across_maps_that_touch_work(void **unused) {
	const struct {
		uint64_t desc, driver, device;
	} cases[] = {
		{SECOND - 2 * sizeof(struct vring_desc), DRIVER, DEVICE},
		{DESC, SECOND - 4 - 4, DEVICE},
		{DESC, DRIVER, SECOND - 4 - 8 - 4}, // one element lies in both
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(0);
		state.desc = cases[i].desc;
		state.driver = cases[i].driver;
		state.device = cases[i].device;
		*(uint16_t *)at(state.driver + 2) = 4;
		for (uint16_t k = 0; k < 4; k++) {
			*(uint16_t *)at(state.driver + 4 + 2 * k) = k;
			*(struct vring_desc *)at(state.desc + 16 * k) =
				(struct vring_desc){DATA, 1 + k, 0, 0};
		}
		for (uint16_t k = 0; k < 4; k++) {
			assert_true(virtqueue_pop(&queue, &chain));
			assert_int_equal(chain.head, k);
			assert_int_equal(chain.readable_size, 1 + k);
			assert_true(virtqueue_push(&queue, k, 70 + k));
			assert_int_equal(*(uint32_t *)at(state.device + 4 + 8 * k), k);
			assert_int_equal(*(uint32_t *)at(state.device + 8 + 8 * k), 70 + k);
		}
	}
}

static void chains_may_end_in_an_indirect_table(void **unused) {
	start(INDIRECT);
	struct vring_desc *inner = at(SECOND - 24); // its second descriptor lies in both maps
	struct vring_desc second = {DATA + 200, 3, W, 0};
	*inner = (struct vring_desc){DATA + 100, 2, N, 1};
	memcpy(at(SECOND - 8), &second, 8);
	memcpy(at(SECOND), (uint8_t *)&second + 8, 8);
	*desc(3) = (struct vring_desc){DATA, 1, N, 4};
	*desc(4) = (struct vring_desc){SECOND - 24, 32, I | W, 0}; // W says nothing here
	offer(3);
	assert_true(virtqueue_pop(&queue, &chain));
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.readable, 2);
	assert_int_equal(chain.readable_size, 3);
	assert_int_equal(chain.writable_size, 3);
	assert_ptr_equal(chain.segments[2].iov_base, dma_resolve(&dma, DATA + 200, 3, DMA_WRITE));
}

/* Some chains wait, but not enough: the driver tells of the next one. */
static void too_few_chains_are_not_taken_and_the_next_one_is_told_of(void **unused) {
	start(EVENT_IDX);
	assert_false(virtqueue_has(&queue, 1));
	offer(0);
	offer(1);
	assert_true(virtqueue_has(&queue, 2));
	assert_false(virtqueue_has(&queue, 3));
	assert_int_equal(*avail_event(), 2);
	assert_int_equal(state.available, 0);
	start(0);
	used()->flags = VRING_USED_F_NO_NOTIFY;
	offer(0);
	assert_false(virtqueue_has(&queue, 2));
	assert_int_equal(used()->flags, 0);
	avail()->idx = SIZE + 1;
	assert_false(virtqueue_has(&queue, 1));
	assert_true(queue.broken);
}

static void long_indirect_tables_are_bounded(void **unused) {
	const unsigned lengths[] = {SIZE + 1, VIRTQUEUE_SEGMENTS_MAX, VIRTQUEUE_SEGMENTS_MAX + 1};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		start(INDIRECT);
		struct vring_desc *inner = at(SECOND);
		for (unsigned k = 0; k < lengths[i]; k++) {
			bool end = k + 1 == lengths[i];
			inner[k] = (struct vring_desc){DATA, 1, end ? 0 : N, (uint16_t)(k + 1)};
		}
		*desc(0) = (struct vring_desc){SECOND, 16 * lengths[i], I, 0};
		offer(0);
		bool fits = lengths[i] <= VIRTQUEUE_SEGMENTS_MAX;
		assert_int_equal(virtqueue_pop(&queue, &chain), fits);
		assert_int_equal(queue.broken, !fits);
	}
	// Each buffer in two pieces: too many where not even too many descriptors.
	start(INDIRECT);
	struct vring_desc *inner = at(TABLE);
	for (unsigned k = 0; k <= VIRTQUEUE_SEGMENTS_MAX / 2; k++) {
		inner[k] = (struct vring_desc){SECOND - 1, 2, N, (uint16_t)(k + 1)};
	}
	*desc(0) = (struct vring_desc){TABLE, 16 * (VIRTQUEUE_SEGMENTS_MAX / 2 + 1), I, 0};
	offer(0);
	assert_false(virtqueue_pop(&queue, &chain));
	assert_true(queue.broken);
}

/* Never touched, so that it takes no memory. */
static void chains_over_2_to_the_32_bytes_break_the_queue(void **unused) {
	const uint64_t part = UINT64_C(1) << 30, base = UINT64_C(1) << 32;
	const struct vfio_user_dma_map map = {32, DMA_READ | DMA_WRITE, 0, base, part};
	int fd = memfd_create_sealed("large", part);
	assert_int_equal(dma_add(&dma, &map, &fd), 0);
	for (uint32_t less = 0; less < 2; less++) {
		start(0);
		for (uint16_t i = 0; i < 4; i++) {
			*desc(i) = (struct vring_desc){base, (uint32_t)part, N | W, i + 1};
		}
		desc(0)->flags = N;
		*desc(3) = (struct vring_desc){base, (uint32_t)part - less, W, 0};
		offer(0);
		assert_int_equal(virtqueue_pop(&queue, &chain), less);
		assert_int_equal(queue.broken, !less);
	}
}

static void empty_buffers_are_nothing(void **unused) {
	*desc(0) = (struct vring_desc){GAP, 0, N | W, 1};
	*desc(1) = (struct vring_desc){DATA, 4, N, 2};
	*desc(2) = (struct vring_desc){0, 0, 0, 0};
	offer(0);
	assert_true(virtqueue_pop(&queue, &chain));
	assert_int_equal(chain.readable, 1);
	assert_int_equal(chain.writable, 0);
	assert_int_equal(virtqueue_write(&chain, 0, "x", 1), 0);
}

static void one_head_twice_is_answered_twice(void **unused) {
	offer_one(3);
	offer_one(3);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(virtqueue_pop(&queue, &chain));
		assert_int_equal(chain.head, 3);
		assert_true(virtqueue_push(&queue, 3, i));
	}
	virtqueue_publish(&queue);
	assert_int_equal(used()->idx, 2);
	assert_int_equal(used()->ring[1].len, 1);
}

static void indices_wrap_at_65536(void **unused) {
	start(EVENT_IDX);
	state.available = state.used = state.signalled = 65530;
	avail()->idx = used()->idx = 65530;
	for (unsigned i = 0; i < 3 * SIZE; i++) {
		*used_event() = used()->idx;
		offer_one(i % SIZE);
		assert_true(virtqueue_pop(&queue, &chain));
		assert_int_equal(chain.head, i % SIZE);
		assert_true(virtqueue_push(&queue, chain.head, i));
		assert_true(virtqueue_publish(&queue));
		assert_int_equal(used()->idx, (uint16_t)(65530 + i + 1));
		assert_int_equal(used()->ring[(65530 + i) % SIZE].len, i);
		assert_false(virtqueue_pop(&queue, &chain));
		assert_int_equal(*avail_event(), (uint16_t)(65530 + i + 1));
	}
	assert_false(queue.broken);
}

static void the_driver_is_asked_to_notify_only_when_idle(void **unused) {
	used()->flags = 0x55;
	offer_one(0);
	offer_one(1);
	assert_true(virtqueue_pop(&queue, &chain));
	assert_int_equal(used()->flags, VRING_USED_F_NO_NOTIFY);
	assert_true(virtqueue_pop(&queue, &chain));
	assert_int_equal(used()->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(virtqueue_pop(&queue, &chain));
	assert_int_equal(used()->flags, 0);
	// A later process does not know what this one has asked for.
	used()->flags = VRING_USED_F_NO_NOTIFY;
	virtqueue_init(&queue, &state, &dma, 0);
	assert_false(virtqueue_pop(&queue, &chain));
	assert_int_equal(used()->flags, 0);
	start(EVENT_IDX);
	offer_one(0);
	*avail_event() = 0x7777;
	assert_true(virtqueue_pop(&queue, &chain));
	assert_int_equal(*avail_event(), 0x7777);
	assert_false(virtqueue_pop(&queue, &chain));
	assert_int_equal(*avail_event(), 1);
	assert_int_equal(used()->flags, 0);
}

static atomic_bool stop;

/* A driver that offers a chain only where it was asked to notify, as Linux decides it. */
static void *offer_when_idle(void *data) {
	unsigned *notified = data;
	for (uint16_t i = 0; i < 20000; i++) {
		while (__atomic_load_n(&used()->idx, __ATOMIC_ACQUIRE) != i) {
			if (atomic_load(&stop)) {
				return NULL;
			}
		}
		*desc(0) = (struct vring_desc){DATA, 4, 0, 0};
		avail()->ring[i % SIZE] = 0;
		__atomic_store_n(&avail()->idx, (uint16_t)(i + 1), __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		uint16_t event = __atomic_load_n(avail_event(), __ATOMIC_RELAXED);
		if (vring_need_event(event, (uint16_t)(i + 1), i)) {
			__atomic_add_fetch(notified, 1, __ATOMIC_SEQ_CST);
		}
	}
	return NULL;
}

/* The device looks only after a notification: were one lost, both would wait for ever. */
static void no_notification_is_lost(void **unused) {
	start(EVENT_IDX);
	unsigned notified = 0, seen = 0;
	pthread_t thread;
	atomic_store(&stop, false);
	assert_false(virtqueue_pop(&queue, &chain));
	assert_int_equal(pthread_create(&thread, NULL, offer_when_idle, &notified), 0);
	unsigned done = 0;
	for (uint64_t idle = 0; done < 20000 && idle < UINT64_C(4000000000); idle++) {
		unsigned now = __atomic_load_n(&notified, __ATOMIC_SEQ_CST);
		if (now == seen) {
			continue;
		}
		seen = now;
		idle = 0;
		while (virtqueue_pop(&queue, &chain)) {
			assert_true(virtqueue_push(&queue, chain.head, 0));
			virtqueue_publish(&queue);
			done++;
		}
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(done, 20000);
	assert_false(queue.broken);
}

static void push_many(unsigned n) {
	for (unsigned i = 0; i < n; i++) {
		assert_true(virtqueue_push(&queue, 0, 0));
	}
}

static void interrupts_come_where_the_driver_wants_them(void **unused) {
	const struct {
		uint16_t old, event;
		unsigned pushed;
		bool wanted;
	} cases[] = {
		{0, 0, 1, true},
		{0, 1, 1, false},
		{0, 1, 2, true},
		{0, 1, 3, true},
		{5, 4, 3, false}, // that one was told of before
		{5, 5, 1, true},
		{65535, 65535, 1, true},
		{65534, 0, 2, false},
		{65534, 0, 3, true},
		{65534, 65535, 3, true},
		{65534, 65533, 3, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(EVENT_IDX);
		state.used = state.signalled = cases[i].old;
		*used_event() = cases[i].event;
		push_many(cases[i].pushed);
		assert_int_equal(virtqueue_publish(&queue), cases[i].wanted);
		assert_false(virtqueue_publish(&queue)); // nothing new
	}
	start(0);
	avail()->flags = VRING_AVAIL_F_NO_INTERRUPT;
	push_many(1);
	assert_false(virtqueue_publish(&queue));
	assert_int_equal(used()->idx, 1);
	avail()->flags = 0;
	push_many(1);
	assert_true(virtqueue_publish(&queue));
}

/* The process dies after the commit and before it has shown anything; then right after. */
static void a_later_process_publishes_again(void **unused) {
	offer_one(0);
	offer_one(1);
	assert_true(virtqueue_pop(&queue, &chain));
	assert_true(virtqueue_push(&queue, chain.head, 7));
	struct device_state_queue committed = state;
	for (unsigned i = 0; i < 2; i++) {
		state = committed;
		virtqueue_init(&queue, &state, &dma, 0);
		assert_true(virtqueue_publish(&queue));
		assert_int_equal(used()->idx, 1);
		assert_int_equal(used()->ring[0].len, 7);
	}
	assert_true(virtqueue_pop(&queue, &chain));
	assert_int_equal(chain.head, 1);
}

/* And before the commit: the next process does the command again. */
static void an_uncommitted_chain_is_taken_again(void **unused) {
	offer_one(6);
	struct device_state_queue committed = state;
	for (unsigned i = 0; i < 2; i++) {
		state = committed;
		virtqueue_init(&queue, &state, &dma, 0);
		assert_false(virtqueue_publish(&queue));
		assert_int_equal(used()->idx, 0);
		assert_true(virtqueue_pop(&queue, &chain));
		assert_int_equal(chain.head, 6);
		assert_true(virtqueue_push(&queue, chain.head, 0));
	}
}

/* A VMM whose firmware opens a window takes all memory away, and gives it back at once. */
static void memory_that_is_being_remapped_is_waited_for(void **unused) {
	offer_one(0);
	offer_one(1);
	assert_true(virtqueue_pop(&queue, &chain));
	struct device_state_queue before = state;
	assert_int_equal(dma_remove(&dma, FIRST, PART), 0);
	assert_true(virtqueue_pending(&queue));
	assert_false(virtqueue_pop(&queue, &chain));
	assert_true(queue.waits);
	assert_false(virtqueue_publish(&queue));
	assert_true(queue.waits);
	assert_false(virtqueue_push(&queue, 0, 0));
	assert_true(queue.waits);
	assert_false(queue.broken);
	assert_memory_equal(&before, &state, sizeof(state));
	add_map(FIRST, PART, 0, DMA_READ | DMA_WRITE, true);
	assert_true(virtqueue_push(&queue, 0, 0));
	assert_int_equal(dma_remove(&dma, FIRST, PART), 0);
	assert_false(virtqueue_publish(&queue));
	assert_true(queue.waits);
	add_map(FIRST, PART, 0, DMA_READ | DMA_WRITE, true);
	assert_true(virtqueue_publish(&queue));
	assert_int_equal(used()->idx, 1);
	assert_true(virtqueue_pop(&queue, &chain));
	assert_false(queue.waits);
	assert_int_equal(chain.head, 1);
}

static void memory_that_stays_away_breaks_the_queue(void **unused) {
	offer_one(0);
	assert_int_equal(dma_remove(&dma, FIRST, PART), 0);
	dma.removed -= DMA_SETTLE_USEC; // long ago
	assert_false(virtqueue_pop(&queue, &chain));
	assert_true(queue.broken);
	assert_false(queue.waits);
}

/* Changes one descriptor between what is allowed and what is not, all the time. */
static void *flip(void *data) {
	volatile struct vring_desc *victim = data;
	while (!atomic_load(&stop)) {
		victim->addr = GAP - 64;
		victim->len = 64;
		victim->flags = N;
		victim->addr = DATA;
		victim->len = PART;
		victim->flags = W;
	}
	return NULL;
}

static bool in_memory(const struct iovec *segment) {
	for (size_t i = 0; i < table.count; i++) {
		const uint8_t *host = dma.hosts[i], *from = segment->iov_base;
		if (host != NULL && from >= host && from < host + table.maps[i].size) {
			return segment->iov_len <= table.maps[i].size - (size_t)(from - host);
		}
	}
	return false;
}

static void words_that_change_while_they_are_read_stay_in_memory(void **unused) {
	pthread_t thread;
	unsigned taken = 0;
	atomic_store(&stop, false);
	*desc(1) = (struct vring_desc){DATA, 4, W, 0};
	assert_int_equal(pthread_create(&thread, NULL, flip, desc(0)), 0);
	for (unsigned i = 0; i < 50000; i++) {
		state.available = 0;
		avail()->idx = 1;
		desc(0)->next = 1;
		virtqueue_init(&queue, &state, &dma, 0);
		if (!virtqueue_pop(&queue, &chain)) {
			assert_true(queue.broken);
			continue;
		}
		taken++;
		uint64_t size = 0;
		for (unsigned k = 0; k < chain.readable + chain.writable; k++) {
			size += chain.segments[k].iov_len;
			assert_true(in_memory(&chain.segments[k]));
		}
		assert_int_equal(size, chain.readable_size + chain.writable_size);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_true(taken > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_chain_is_read_and_answered),
		TEST(a_queue_that_is_not_enabled_does_nothing),
		TEST(chains_against_the_rules_break_the_queue),
		TEST(indirect_tables_against_the_rules_break_the_queue),
		TEST(an_available_index_that_jumps_breaks_the_queue),
		TEST(rings_that_cannot_be_break_the_queue),
		TEST(a_buffer_across_maps_that_touch_is_split),
		TEST(rings_across_maps_that_touch_work),
		TEST(chains_may_end_in_an_indirect_table),
		TEST(too_few_chains_are_not_taken_and_the_next_one_is_told_of),
		TEST(long_indirect_tables_are_bounded),
		TEST(chains_over_2_to_the_32_bytes_break_the_queue),
		TEST(empty_buffers_are_nothing),
		TEST(one_head_twice_is_answered_twice),
		TEST(indices_wrap_at_65536),
		TEST(the_driver_is_asked_to_notify_only_when_idle),
		TEST(no_notification_is_lost),
		TEST(interrupts_come_where_the_driver_wants_them),
		TEST(a_later_process_publishes_again),
		TEST(an_uncommitted_chain_is_taken_again),
		TEST(memory_that_is_being_remapped_is_waited_for),
		TEST(memory_that_stays_away_breaks_the_queue),
		TEST(words_that_change_while_they_are_read_stay_in_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
