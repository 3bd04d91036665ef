/*
 * A guest's picture in its own memory: a descriptor for the compositor, as a dma-buf where it
 * takes that and as shared memory elsewhere. Here a memfd stands for it.
 */
#include "bridge-rig.h"

#include <drm_fourcc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "memfd.h"

#define STRIDE (RIG_WIDTH * 4 + 64)
#define OFFSET 128
#define SIZE (1u << 20)
#define BLOBS 6

struct blobs {
	struct rig rig;
	int fds[BLOBS];
	uint8_t *bytes[BLOBS];
};

/* The rig's head shows a blob; the bridge is not told. */
static void use(struct blobs *b, unsigned number) {
	const struct scanout_blob blob = {.serial = number + 1,
		.size = SIZE,
		.fd = b->fds[number],
		.bytes = b->bytes[number]};
	assert_true(scanout_compute_blob(&blob, SCANOUT_XRGB8888, RIG_WIDTH, RIG_HEIGHT, STRIDE,
		OFFSET, &b->rig.head->scanout));
}

static void start(struct blobs *b, enum fake_dmabufs dmabufs) {
	const struct rig_setup setup = {.fake = {.dmabufs = dmabufs}};
	for (unsigned i = 0; i < BLOBS; i++) {
		b->fds[i] = memfd_create_sealed("blob", SIZE);
		b->bytes[i] = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, b->fds[i], 0);
		assert_true(b->bytes[i] != MAP_FAILED);
		memset(b->bytes[i], (int)i + 1, SIZE);
	}
	rig_init_with(&b->rig, &setup);
	use(b, 0);
	bridge_scanout_changed(b->rig.bridge, 0);
	RIG_UNTIL(&b->rig, b->rig.fake.head->commits == 1);
	rig_assert_damage(&b->rig, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	rig_spin(&b->rig, 5);
}

static void finish(struct blobs *b) {
	rig_finish(&b->rig);
	for (unsigned i = 0; i < BLOBS; i++) {
		munmap(b->bytes[i], SIZE);
		close(b->fds[i]);
	}
}

static void assert_shared_memory(struct blobs *b, unsigned number) {
	rig_assert_picture(&b->rig, WL_SHM_FORMAT_XRGB8888, STRIDE);
	uint8_t *row = b->bytes[number] + OFFSET + STRIDE;
	memset(row, 0x77, 16);
	assert_memory_equal(rig_shown_row(&b->rig, 1), row, RIG_WIDTH * 4);
}

static void a_blob_is_shared_memory_where_dma_bufs_are_unknown(void **state) {
	struct blobs b;
	start(&b, FAKE_DMABUFS_UNKNOWN);
	assert_shared_memory(&b, 0);
	finish(&b);
	// Nobody says there that rows follow each other.
	start(&b, FAKE_DMABUFS_IMPLICIT);
	assert_shared_memory(&b, 0);
	assert_int_equal(b.rig.fake.dmabufs.asked, 0);
	finish(&b);
}

static void a_blob_is_a_dma_buf_where_one_is_taken(void **state) {
	struct blobs b;
	start(&b, FAKE_DMABUFS_TAKEN);
	const struct fake_dmabufs_seen *seen = &b.rig.fake.dmabufs;
	assert_null(fake_picture(b.rig.fake.head));
	assert_int_equal(seen->taken, 1);
	assert_int_equal(seen->offset, OFFSET);
	assert_int_equal(seen->stride, STRIDE);
	assert_true(seen->modifier == DRM_FORMAT_MOD_LINEAR);
	assert_int_equal(seen->format, DRM_FORMAT_XRGB8888);
	assert_int_equal(seen->width, RIG_WIDTH);
	assert_int_equal(seen->height, RIG_HEIGHT);
	rig_flush(&b.rig, 0, 0, 0, 1, 1);
	finish(&b);
}

static void a_dma_buf_that_is_refused_is_shared_memory(void **state) {
	struct blobs b;
	start(&b, FAKE_DMABUFS_REFUSED);
	assert_shared_memory(&b, 0);
	assert_int_equal(b.rig.fake.dmabufs.asked, 1);
	b.bytes[0][OFFSET]++;
	rig_flush(&b.rig, 0, 0, 0, 9, 9);
	RIG_UNTIL(&b.rig, b.rig.fake.head->commits == 2);
	assert_ptr_equal(b.rig.fake.head->buffer, b.rig.fake.head->last_buffer);
	assert_int_equal(b.rig.fake.dmabufs.asked, 1);
	finish(&b);
}

/* What a flush says is looked at; what it does not say is for a later one. */
static void only_what_has_changed_of_a_flush_is_damage(void **state) {
	struct blobs b;
	start(&b, FAKE_DMABUFS_TAKEN);
	rig_flush(&b.rig, 0, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	RIG_UNTIL(&b.rig, b.rig.head->frames == 1);
	assert_int_equal(b.rig.fake.head->commits, 1);
	b.bytes[0][OFFSET + 20 * STRIDE + 100 * 4]++;
	rig_flush(&b.rig, 0, 200, 100, 10, 10);
	RIG_UNTIL(&b.rig, b.rig.head->frames == 2);
	assert_int_equal(b.rig.fake.head->commits, 1);
	rig_flush(&b.rig, 0, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	RIG_UNTIL(&b.rig, b.rig.fake.head->commits == 2);
	rig_assert_damage(&b.rig, 64, 16, 64, 16);
	assert_int_equal(b.rig.looked, 0);
	finish(&b);
}

/* A flip to the same pixels shows the other buffer, and nothing of it anew. */
static void a_flip_is_damage_where_the_blobs_differ(void **state) {
	const struct damage_boxes all = {.len = 1, .box = {{0, 0, RIG_WIDTH, RIG_HEIGHT}}};
	struct blobs b;
	start(&b, FAKE_DMABUFS_TAKEN);
	memcpy(b.bytes[1], b.bytes[0], SIZE);
	memcpy(b.bytes[2], b.bytes[0], SIZE);
	b.bytes[2][OFFSET]++;
	for (unsigned i = 1; i < 3; i++) {
		use(&b, i);
		bridge_flipped(b.rig.bridge, 0, &all);
		rig_flush(&b.rig, 0, 0, 0, RIG_WIDTH, RIG_HEIGHT);
		RIG_UNTIL(&b.rig, b.rig.fake.head->commits == i + 1);
		rig_spin(&b.rig, 5);
		assert_ptr_not_equal(b.rig.fake.head->buffer, b.rig.fake.head->last_buffer);
		assert_int_equal(b.rig.fake.head->boxes_len, i - 1);
	}
	rig_assert_damage(&b.rig, 0, 0, 64, 16);
	finish(&b);
}

/* A few are remembered; those of before come again, as do those that were forgotten. */
static void a_blob_that_is_shown_again_is_not_asked_for_again(void **state) {
	const struct damage_boxes all = {.len = 1, .box = {{0, 0, RIG_WIDTH, RIG_HEIGHT}}};
	struct blobs b;
	start(&b, FAKE_DMABUFS_TAKEN);
	unsigned commits = 1;
	for (unsigned i = 0; i < 40; i++) {
		unsigned number = i < 20 ? i % 3 : i % BLOBS;
		use(&b, number);
		b.bytes[number][OFFSET]++;
		bridge_flipped(b.rig.bridge, 0, &all);
		rig_flush(&b.rig, 0, 0, 0, RIG_WIDTH, RIG_HEIGHT);
		commits++;
		RIG_UNTIL(&b.rig, b.rig.fake.head->commits == commits);
		rig_spin(&b.rig, 2);
		if (i == 19) {
			assert_int_equal(b.rig.fake.dmabufs.asked, 3);
		}
	}
	assert_true(b.rig.fake.dmabufs.asked > BLOBS);
	finish(&b);
}

/* A guest that turns its screen off and shows something else while it is asked. */
static void a_blob_that_goes_before_the_answer_harms_nobody(void **state) {
	struct blobs b;
	start(&b, FAKE_DMABUFS_TAKEN);
	for (unsigned i = 1; i < BLOBS; i++) {
		use(&b, i);
		bridge_scanout_changed(b.rig.bridge, 0);
		sd_event_run(b.rig.event, 0);
		b.rig.head->scanout = (struct scanout){0};
		bridge_scanout_changed(b.rig.bridge, 0);
		rig_spin(&b.rig, 20);
	}
	rig_set_mode(&b.rig, SCANOUT_XRGB8888, RIG_WIDTH * 4, 0);
	bridge_scanout_changed(b.rig.bridge, 0);
	RIG_UNTIL(&b.rig,
		fake_picture(b.rig.fake.head) != NULL &&
			wl_shm_buffer_get_stride(fake_picture(b.rig.fake.head)) == RIG_WIDTH * 4);
	finish(&b);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blob_is_shared_memory_where_dma_bufs_are_unknown),
		cmocka_unit_test(a_blob_is_a_dma_buf_where_one_is_taken),
		cmocka_unit_test(a_dma_buf_that_is_refused_is_shared_memory),
		cmocka_unit_test(only_what_has_changed_of_a_flush_is_damage),
		cmocka_unit_test(a_flip_is_damage_where_the_blobs_differ),
		cmocka_unit_test(a_blob_that_is_shown_again_is_not_asked_for_again),
		cmocka_unit_test(a_blob_that_goes_before_the_answer_harms_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
