#include "resources.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine-rig.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define UNSPEC VIRTIO_GPU_RESP_ERR_UNSPEC
#define NO_MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER

#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define PAGE RIG_PAGE
#define APERTURE (16 * PAGE)
#define HEAP (64 * PAGE)
#define GUEST (64 * PAGE)

static struct engine_rig rig;

static int setup(void **state) {
	engine_rig_init(&rig, APERTURE, HEAP, GUEST);
	return 0;
}

static int teardown(void **state) {
	engine_rig_finish(&rig);
	return 0;
}

static uint32_t create(uint32_t id, uint32_t width, uint32_t height) {
	uint32_t answer = resources_create_2d(rig.resources, id, XRGB, width, height);
	engine_rig_commit(&rig);
	return answer;
}

static uint32_t unref(uint32_t id) {
	uint32_t answer = resources_unref(rig.resources, id);
	engine_rig_commit(&rig);
	return answer;
}

static uint32_t transfer(uint32_t id, struct gpu_rect rect, uint64_t offset) {
	return resources_transfer(rig.resources, id, &rect, offset, &rig.memory);
}

static const uint8_t *picture(uint32_t id) {
	return rig.slice.map + engine_rig_record(&rig, id)->storage;
}

static uint32_t count(void) {
	uint32_t count;
	uint64_t bytes;
	resources_usage(rig.resources, &count, &bytes);
	return count;
}

static uint64_t bytes(void) {
	uint32_t count;
	uint64_t bytes;
	resources_usage(rig.resources, &count, &bytes);
	return bytes;
}

static void storage_lies_in_the_heap_on_pages_of_its_own(void **state) {
	uint64_t last = APERTURE;
	for (uint32_t id = 1; id <= 8; id++) {
		assert_int_equal(create(id, 33, 33), OK); // 4356 bytes
		uint64_t storage = engine_rig_record(&rig, id)->storage;
		assert_int_equal(storage % PAGE, 0);
		assert_int_equal(storage, last);
		last = storage + 2 * PAGE;
	}
	assert_int_equal(count(), 8);
	assert_int_equal(bytes(), 8 * 2 * PAGE);
}

static void ids_that_are_0_or_twice_there_are_refused(void **state) {
	assert_int_equal(create(0, 1, 1), BAD_RESOURCE);
	assert_int_equal(create(5, 1, 1), OK);
	assert_int_equal(create(5, 1, 1), BAD_RESOURCE);
	assert_int_equal(unref(6), BAD_RESOURCE);
	assert_int_equal(unref(5), OK);
	assert_int_equal(unref(5), BAD_RESOURCE);
	assert_int_equal(unref(0), BAD_RESOURCE);
	assert_int_equal(create(5, 1, 1), OK);
	assert_int_equal(create(UINT32_MAX, 1, 1), OK);
	assert_int_equal(count(), 2);
}

static void no_command_finds_a_resource_that_is_not_there(void **state) {
	struct virtio_gpu_mem_entry *room;
	const struct gpu_rect rect = {0, 0, 1, 1};
	struct damage_boxes boxes;
	struct scanout scanout;
	uint32_t pixels[RESOURCES_CURSOR_SIZE * RESOURCES_CURSOR_SIZE];
	const uint32_t ids[] = {0, 2, UINT32_MAX};
	assert_int_equal(create(1, 1, 1), OK);
	for (size_t i = 0; i < 3; i++) {
		uint32_t id = ids[i];
		assert_int_equal(resources_reserve(rig.resources, id, 1, &room), BAD_RESOURCE);
		assert_int_equal(resources_attach(rig.resources, id), BAD_RESOURCE);
		assert_int_equal(resources_detach(rig.resources, id), BAD_RESOURCE);
		assert_int_equal(transfer(id, rect, 0), BAD_RESOURCE);
		assert_int_equal(resources_flush(rig.resources, id, &rect, &boxes), BAD_RESOURCE);
		assert_int_equal(
			resources_scanout(rig.resources, id, &rect, &scanout), BAD_RESOURCE);
		assert_int_equal(resources_cursor(rig.resources, id, pixels), BAD_RESOURCE);
	}
}

static void a_picture_larger_than_the_slice_is_out_of_memory(void **state) {
	assert_int_equal(create(1, 16384, 16384), NO_MEMORY); // 1 GiB
	assert_int_equal(create(1, 1024, 64), OK);            // all of the heap
	assert_int_equal(create(2, 1, 1), NO_MEMORY);
	assert_int_equal(unref(1), OK);
	assert_int_equal(create(2, 1024, 65), NO_MEMORY);
	assert_int_equal(count(), 0);
	assert_int_equal(bytes(), 0);
}

static void impossible_pictures_are_refused(void **state) {
	const uint32_t sizes[][2] = {{0, 1}, {1, 0}, {16385, 1}, {1, 16385}, {65536, 65536},
		{0x40000001, 1}, {UINT32_MAX, UINT32_MAX}};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(create(1, sizes[i][0], sizes[i][1]), BAD_PARAMETER);
	}
	assert_int_equal(resources_create_2d(rig.resources, 1, 5, 1, 1), BAD_PARAMETER);
	assert_int_equal(count(), 0);
}

static void tiny_resources_run_into_their_number(void **state) {
	struct engine_rig large;
	engine_rig_init(&large, PAGE, (DEVICE_STATE_RESOURCES_MAX + 8) * (uint64_t)PAGE, PAGE);
	uint32_t id = 1;
	while (resources_create_2d(large.resources, id, XRGB, 1, 1) == OK) {
		engine_rig_commit(&large);
		id++;
	}
	assert_int_equal(id - 1, DEVICE_STATE_RESOURCES_MAX);
	assert_int_equal(resources_create_2d(large.resources, id, XRGB, 1, 1), NO_MEMORY);
	assert_int_equal(resources_unref(large.resources, 1000), OK);
	engine_rig_commit(&large);
	assert_int_equal(resources_create_2d(large.resources, id, XRGB, 1, 1), OK);
	engine_rig_commit(&large);
	engine_rig_restart(&large);
	uint32_t count;
	uint64_t bytes;
	resources_usage(large.resources, &count, &bytes);
	assert_int_equal(count, DEVICE_STATE_RESOURCES_MAX);
	assert_int_equal(bytes, DEVICE_STATE_RESOURCES_MAX * PAGE);
	engine_rig_finish(&large);
}

/* CVE-2021-3545, CVE-2022-0175: memory that was somebody's is not the next one's picture. */
static void a_new_picture_is_black_whatever_was_there(void **state) {
	for (uint32_t id = 1; id < 100; id++) {
		assert_int_equal(create(id, 64, 64), OK);
		uint8_t *pixels = rig.slice.map + engine_rig_record(&rig, id)->storage;
		for (unsigned i = 0; i < 64 * 64 * 4; i++) {
			assert_int_equal(pixels[i], 0);
		}
		memset(pixels, 0xa5, 64 * 64 * 4);
		assert_int_equal(unref(id), OK);
	}
}

static void a_backing_that_makes_no_sense_is_refused(void **state) {
	const struct {
		struct virtio_gpu_mem_entry entries[3];
		uint32_t count;
	} cases[] = {
		{{{RIG_GUEST_BASE, 0, 0}}, 1},
		{{{RIG_GUEST_BASE, PAGE, 0}, {RIG_GUEST_BASE, 0, 0}}, 2},
		{{{UINT64_MAX, 1, 0}}, 1},
		{{{UINT64_MAX - 4094, PAGE, 0}}, 1},
		{{{0, UINT32_MAX, 0}, {0, 1, 0}}, 2},
		{{{0, 0x80000000, 0}, {0, 0x40000000, 0}, {0, 0x40000000, 0}}, 3},
	};
	assert_int_equal(create(1, 32, 32), OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(engine_rig_attach(&rig, 1, cases[i].entries, cases[i].count),
			BAD_PARAMETER);
		assert_int_equal(engine_rig_record(&rig, 1)->backing_count, 0);
		assert_int_equal(transfer(1, (struct gpu_rect){0, 0, 1, 1}, 0), BAD_PARAMETER);
	}
	const struct virtio_gpu_mem_entry most = {.addr = 0, .length = UINT32_MAX};
	assert_int_equal(engine_rig_attach(&rig, 1, &most, 1), OK);
}

static void entries_of_all_resources_are_bounded(void **state) {
	struct virtio_gpu_mem_entry *entries = calloc(GPU_BACKING_ENTRIES_MAX, sizeof(*entries));
	struct virtio_gpu_mem_entry *room;
	for (uint32_t i = 0; i < GPU_BACKING_ENTRIES_MAX; i++) {
		entries[i].addr = RIG_GUEST_BASE + i * 2;
		entries[i].length = 1;
	}
	for (uint32_t id = 1; id <= 5; id++) {
		assert_int_equal(create(id, 1, 1), OK);
		assert_int_equal(engine_rig_attach(&rig, id, entries, GPU_BACKING_ENTRIES_MAX),
			id < 5 ? OK : NO_MEMORY);
	}
	assert_int_equal(engine_rig_attach(&rig, 5, entries, 1), NO_MEMORY);
	assert_int_equal(resources_detach(rig.resources, 2), OK);
	engine_rig_commit(&rig);
	assert_int_equal(engine_rig_attach(&rig, 5, entries, GPU_BACKING_ENTRIES_MAX), OK);
	assert_int_equal(resources_reserve(rig.resources, 2, 0, &room), BAD_PARAMETER);
	assert_int_equal(resources_reserve(rig.resources, 2, GPU_BACKING_ENTRIES_MAX + 1, &room),
		BAD_PARAMETER);
	assert_int_equal(resources_reserve(rig.resources, 2, UINT32_MAX, &room), BAD_PARAMETER);
	free(entries);
}

static void neighbouring_entries_become_one(void **state) {
	struct virtio_gpu_mem_entry entries[] = {
		{RIG_GUEST_BASE, PAGE, 7},
		{RIG_GUEST_BASE + PAGE, PAGE, 7},
		{RIG_GUEST_BASE + 5 * PAGE, PAGE, 7},
		{RIG_GUEST_BASE + 6 * PAGE, 100, 7},
		{RIG_GUEST_BASE + 2 * PAGE, PAGE, 7},
	};
	assert_int_equal(create(1, 32, 32), OK);
	assert_int_equal(engine_rig_attach(&rig, 1, entries, 5), OK);
	const struct device_state_resource *record = engine_rig_record(&rig, 1);
	const struct device_state_backing *at = &rig.file->store.backing[record->backing_first];
	assert_int_equal(record->backing_count, 3);
	assert_int_equal(at[0].length, 2 * PAGE);
	assert_int_equal(at[1].address, RIG_GUEST_BASE + 5 * PAGE);
	assert_int_equal(at[1].length, PAGE + 100);
	assert_int_equal(at[2].length, PAGE);
	// What merging has freed serves the next one.
	assert_int_equal(create(2, 32, 32), OK);
	assert_int_equal(engine_rig_attach(&rig, 2, entries, 1), OK);
	assert_int_equal(engine_rig_record(&rig, 2)->backing_first, record->backing_first + 3);
}

static void a_backing_is_detached_before_the_next_one(void **state) {
	assert_int_equal(create(1, 32, 32), OK);
	assert_int_equal(resources_detach(rig.resources, 1), UNSPEC);
	assert_int_equal(engine_rig_attach_all(&rig, 1, PAGE), OK);
	assert_int_equal(engine_rig_attach_all(&rig, 1, PAGE), UNSPEC);
	rig.guest[0] = 0x11;
	assert_int_equal(transfer(1, (struct gpu_rect){0, 0, 32, 32}, 0), OK);
	assert_int_equal(resources_detach(rig.resources, 1), OK);
	engine_rig_commit(&rig);
	// The picture stays; only new transfers have nowhere to come from.
	assert_int_equal(picture(1)[0], 0x11);
	assert_int_equal(transfer(1, (struct gpu_rect){0, 0, 1, 1}, 0), BAD_PARAMETER);
	assert_int_equal(resources_detach(rig.resources, 1), UNSPEC);
	assert_int_equal(engine_rig_attach_all(&rig, 1, PAGE), OK);
}

static void a_room_that_is_not_attached_is_taken_back(void **state) {
	struct virtio_gpu_mem_entry *room;
	assert_int_equal(create(1, 32, 32), OK);
	assert_int_equal(create(2, 32, 32), OK);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(
			resources_reserve(rig.resources, 1, GPU_BACKING_ENTRIES_MAX, &room), OK);
	}
	// Attached by another, or after its resource is gone, or twice: nothing.
	assert_int_equal(resources_attach(rig.resources, 2), BAD_RESOURCE);
	assert_int_equal(unref(1), OK);
	assert_int_equal(resources_attach(rig.resources, 1), BAD_RESOURCE);
	assert_int_equal(engine_rig_attach_all(&rig, 2, PAGE), OK);
	assert_int_equal(resources_attach(rig.resources, 2), BAD_RESOURCE);
}

static void rectangles_outside_are_refused(void **state) {
	const struct gpu_rect outside[] = {
		{0, 0, 33, 1},
		{0, 0, 1, 33},
		{32, 0, 1, 1},
		{0, 32, 1, 1},
		{31, 31, 2, 1},
		{UINT32_MAX, 0, 0, 0},
		{UINT32_MAX, 0, 1, 1},
		{0, UINT32_MAX, 1, 1},
		{1, 1, UINT32_MAX, UINT32_MAX},
	};
	struct damage_boxes boxes;
	struct scanout scanout = {.width = 77};
	assert_int_equal(create(1, 32, 32), OK);
	assert_int_equal(engine_rig_attach_all(&rig, 1, 2 * PAGE), OK);
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		assert_int_equal(transfer(1, outside[i], 0), BAD_PARAMETER);
		assert_int_equal(
			resources_flush(rig.resources, 1, &outside[i], &boxes), BAD_PARAMETER);
		assert_int_equal(
			resources_scanout(rig.resources, 1, &outside[i], &scanout), BAD_PARAMETER);
	}
	assert_int_equal(scanout.width, 77);
}

static void bytes_outside_of_the_backing_are_refused(void **state) {
	const struct {
		struct gpu_rect rect;
		uint64_t offset;
		uint32_t answer;
	} cases[] = {
		{{0, 0, 32, 32}, 0, OK}, {{0, 0, 32, 32}, 1, BAD_PARAMETER},
		{{0, 0, 1, 1}, PAGE - 4, OK}, {{0, 0, 1, 1}, PAGE - 3, BAD_PARAMETER},
		{{0, 0, 1, 1}, PAGE, BAD_PARAMETER}, {{0, 0, 1, 1}, UINT64_MAX, BAD_PARAMETER},
		{{0, 0, 1, 1}, UINT64_MAX - 3, BAD_PARAMETER}, {{0, 0, 1, 32}, 124, OK},
		{{0, 0, 1, 32}, 125, BAD_PARAMETER}, {{0, 0, 2, 32}, 124, BAD_PARAMETER},
		{{5, 5, 0, 0}, UINT64_MAX, OK}, // nothing is read
	};
	assert_int_equal(create(1, 32, 32), OK);
	assert_int_equal(engine_rig_attach_all(&rig, 1, PAGE), OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(transfer(1, cases[i].rect, cases[i].offset), cases[i].answer);
	}
}

static void a_scanout_shows_the_part_that_was_asked_for(void **state) {
	assert_int_equal(create(1, 20, 10), OK);
	struct scanout scanout;
	const struct gpu_rect rect = {3, 2, 17, 8};
	assert_int_equal(resources_scanout(rig.resources, 1, &rect, &scanout), OK);
	assert_int_equal(scanout.width, 17);
	assert_int_equal(scanout.height, 8);
	assert_int_equal(scanout.stride, 80);
	assert_int_equal(scanout.offset, APERTURE + 2 * 80 + 3 * 4);
	assert_true(scanout.flushed);
	const struct gpu_rect empty = {0, 0, 0, 1};
	assert_int_equal(resources_scanout(rig.resources, 1, &empty, &scanout), BAD_PARAMETER);
}

/* Blue, green, red and alpha of a pixel, in memory. */
static const struct {
	uint32_t format;
	enum scanout_format scanout;
	uint8_t bytes[4];
	uint32_t argb;
} formats[] = {
	{VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, SCANOUT_XRGB8888, {1, 2, 3, 4}, 0x04030201},
	{VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, SCANOUT_XRGB8888, {1, 2, 3, 4}, 0x04030201},
	{VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, SCANOUT_BGRX8888, {4, 3, 2, 1}, 0x04030201},
	{VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, SCANOUT_BGRX8888, {4, 3, 2, 1}, 0x04030201},
	{VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, SCANOUT_XBGR8888, {3, 2, 1, 4}, 0x04030201},
	{VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, SCANOUT_XBGR8888, {3, 2, 1, 4}, 0x04030201},
	{VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, SCANOUT_RGBX8888, {4, 1, 2, 3}, 0x04030201},
	{VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, SCANOUT_RGBX8888, {4, 1, 2, 3}, 0x04030201},
};

static void every_format_has_its_colours(void **state) {
	static uint32_t pixels[RESOURCES_CURSOR_SIZE * RESOURCES_CURSOR_SIZE];
	const struct gpu_rect all = {0, 0, 64, 64};
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		assert_int_equal(
			resources_create_2d(rig.resources, 1, formats[i].format, 64, 64), OK);
		engine_rig_commit(&rig);
		struct scanout scanout;
		assert_int_equal(resources_scanout(rig.resources, 1, &all, &scanout), OK);
		assert_int_equal(scanout.format, formats[i].scanout);
		for (unsigned n = 0; n < 64 * 64; n++) {
			memcpy(rig.slice.map + scanout.offset + n * 4, formats[i].bytes, 4);
		}
		assert_int_equal(resources_cursor(rig.resources, 1, pixels), OK);
		assert_int_equal(pixels[0], formats[i].argb);
		assert_int_equal(pixels[64 * 64 - 1], formats[i].argb);
		assert_int_equal(unref(1), OK);
	}
}

/* CVE-2021-4206, CVE-2021-4207: the size of a cursor is nobody's choice. */
static void cursors_of_other_sizes_are_refused(void **state) {
	static uint32_t pixels[RESOURCES_CURSOR_SIZE * RESOURCES_CURSOR_SIZE];
	const uint32_t sizes[][2] = {{63, 64}, {64, 63}, {65, 64}, {1, 1}, {64, 128}, {128, 32}};
	pixels[0] = 77;
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(create(i + 1, sizes[i][0], sizes[i][1]), OK);
		assert_int_equal(resources_cursor(rig.resources, i + 1, pixels), BAD_PARAMETER);
	}
	assert_int_equal(pixels[0], 77);
}

static void a_flush_shows_what_was_noted_there(void **state) {
	struct damage_boxes boxes;
	assert_int_equal(create(1, 64, 64), OK);
	assert_int_equal(engine_rig_attach_all(&rig, 1, 64 * 64 * 4), OK);
	const struct gpu_rect all = {0, 0, 64, 64}, top = {0, 0, 64, 20}, none = {7, 7, 0, 0};
	memset(rig.guest, 0x22, 64 * 64 * 4);
	assert_int_equal(transfer(1, all, 0), OK);
	assert_int_equal(resources_flush(rig.resources, 1, &none, &boxes), OK);
	assert_int_equal(boxes.len, 0);
	assert_int_equal(resources_flush(rig.resources, 1, &top, &boxes), OK);
	assert_int_equal(boxes.len, 1);
	assert_int_equal(boxes.box[0].height, 20);
	assert_int_equal(resources_flush(rig.resources, 1, &top, &boxes), OK);
	assert_int_equal(boxes.len, 0);
	assert_int_equal(resources_flush(rig.resources, 1, &all, &boxes), OK);
	assert_int_equal(boxes.len, 1);
	assert_int_equal(boxes.box[0].y, 20);
	assert_int_equal(boxes.box[0].height, 44);
	// The screen has something else there, and beyond the picture.
	struct damage_boxes other = {.len = 1, .box = {{60, 60, 100, 100}}};
	resources_note(rig.resources, 1, &other);
	resources_note(rig.resources, 2, &other);
	assert_int_equal(resources_flush(rig.resources, 1, &all, &boxes), OK);
	assert_int_equal(boxes.len, 1);
	assert_int_equal(boxes.box[0].x, 60);
	assert_int_equal(boxes.box[0].width, 4);
	assert_int_equal(boxes.box[0].height, 4);
	// Nothing has changed since.
	assert_int_equal(transfer(1, all, 0), OK);
	assert_int_equal(resources_flush(rig.resources, 1, &all, &boxes), OK);
	assert_int_equal(boxes.len, 0);
}

static void what_lies_around_a_flush_is_kept(void **state) {
	const struct gpu_rect middle = {20, 10, 20, 10};
	const struct gpu_rect around[] = {
		{0, 0, 64, 10}, {0, 10, 20, 10}, {40, 10, 24, 10}, {0, 20, 64, 12}};
	struct damage_boxes boxes;
	assert_int_equal(create(1, 64, 32), OK);
	assert_int_equal(resources_flush(rig.resources, 1, &middle, &boxes), OK);
	assert_int_equal(boxes.len, 1);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(resources_flush(rig.resources, 1, &around[i], &boxes), OK);
		assert_int_equal(boxes.len, 1);
		assert_memory_equal(&boxes.box[0], &around[i], sizeof(around[i]));
	}
	const struct gpu_rect all = {0, 0, 64, 32};
	assert_int_equal(resources_flush(rig.resources, 1, &all, &boxes), OK);
	assert_int_equal(boxes.len, 0);
}

static void of_a_new_resource_all_is_noted(void **state) {
	const struct gpu_rect all = {0, 0, 64, 32};
	struct damage_boxes boxes;
	assert_int_equal(create(1, 64, 32), OK);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(resources_flush(rig.resources, 1, &all, &boxes), OK);
		assert_int_equal(boxes.len, 1);
		assert_int_equal(boxes.box[0].width, 64);
		assert_int_equal(boxes.box[0].height, 32);
		// Also of one whose process has died: what it had shown is not known.
		engine_rig_restart(&rig);
	}
}

static void a_reset_leaves_nothing(void **state) {
	for (uint32_t id = 1; id <= 3; id++) {
		assert_int_equal(create(id, 64, 64), OK);
		assert_int_equal(engine_rig_attach_all(&rig, id, PAGE), OK);
	}
	resources_clear(rig.resources);
	engine_rig_commit(&rig);
	assert_int_equal(count(), 0);
	assert_int_equal(bytes(), 0);
	assert_int_equal(unref(1), BAD_RESOURCE);
	engine_rig_restart(&rig);
	assert_int_equal(count(), 0);
	assert_int_equal(create(1, 1024, 64), OK); // all of the heap
	assert_int_equal(engine_rig_attach_all(&rig, 1, PAGE), OK);
	assert_int_equal(engine_rig_record(&rig, 1)->backing_first, 0);
}

static void a_reset_that_was_not_committed_never_was(void **state) {
	assert_int_equal(create(1, 64, 64), OK);
	resources_clear(rig.resources);
	engine_rig_restart(&rig);
	assert_int_equal(count(), 1);
	assert_int_equal(unref(1), OK);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(storage_lies_in_the_heap_on_pages_of_its_own),
		TEST(ids_that_are_0_or_twice_there_are_refused),
		TEST(no_command_finds_a_resource_that_is_not_there),
		TEST(a_picture_larger_than_the_slice_is_out_of_memory),
		TEST(impossible_pictures_are_refused),
		TEST(tiny_resources_run_into_their_number),
		TEST(a_new_picture_is_black_whatever_was_there),
		TEST(a_backing_that_makes_no_sense_is_refused),
		TEST(entries_of_all_resources_are_bounded),
		TEST(neighbouring_entries_become_one),
		TEST(a_backing_is_detached_before_the_next_one),
		TEST(a_room_that_is_not_attached_is_taken_back),
		TEST(rectangles_outside_are_refused),
		TEST(bytes_outside_of_the_backing_are_refused),
		TEST(a_scanout_shows_the_part_that_was_asked_for),
		TEST(every_format_has_its_colours),
		TEST(cursors_of_other_sizes_are_refused),
		TEST(a_flush_shows_what_was_noted_there),
		TEST(what_lies_around_a_flush_is_kept),
		TEST(of_a_new_resource_all_is_noted),
		TEST(a_reset_leaves_nothing),
		TEST(a_reset_that_was_not_committed_never_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
