#include "resources-blobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine-rig.h"

/* Where there is no udmabuf blobs are copied; tests/mock/test-blob.c has the rest. */

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define NO_MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER

#define PAGE RIG_PAGE
#define APERTURE PAGE
#define HEAP (8 * PAGE)
#define GUEST (16 * PAGE)

static struct engine_rig rig;

/* 30 pixels of each row of 32. */
static const struct gpu_layout layout = {
	.format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
	.width = 30,
	.height = 16,
	.stride = 128,
	.offset = 64,
};
static const struct gpu_rect whole = {0, 0, 30, 16};

static int setup(void **state) {
	engine_rig_init(&rig, APERTURE, HEAP, GUEST);
	return 0;
}

static int teardown(void **state) {
	engine_rig_finish(&rig);
	return 0;
}

static uint32_t create(uint32_t id, uint64_t size, uint32_t backing) {
	const struct virtio_gpu_mem_entry entry = {.addr = RIG_GUEST_BASE, .length = backing};
	uint32_t answer = engine_rig_create_blob(&rig, id, size, &entry, 1);
	engine_rig_commit(&rig);
	return answer;
}

static uint32_t show(uint32_t id, const struct gpu_layout *how) {
	uint32_t answer = resources_show_blob(rig.resources, id, how);
	if (answer == OK) {
		resources_refresh(rig.resources, id, &(struct gpu_rect){0, 0, 1, 1});
	}
	engine_rig_commit(&rig);
	return answer;
}

static uint64_t heap_used(void) {
	uint32_t count;
	uint64_t bytes;
	resources_usage(rig.resources, &count, &bytes);
	return bytes;
}

static void a_blob_has_no_storage_until_it_is_copied(void **state) {
	assert_int_equal(create(1, 4 * PAGE, 4 * PAGE), OK);
	assert_int_equal(heap_used(), 0);
	assert_true(resources_is_blob(rig.resources, 1));
	assert_false(resources_is_mapped(rig.resources, 1));
	assert_int_equal(show(1, &layout), OK);
	assert_int_equal(heap_used(), PAGE);
	assert_int_equal(show(1, &layout), OK);
	assert_int_equal(heap_used(), PAGE);
	assert_int_equal(resources_unref(rig.resources, 1), OK);
	assert_int_equal(heap_used(), 0);
	assert_false(resources_is_blob(rig.resources, 1));
}

static void what_a_flush_copies_is_what_the_layout_says(void **state) {
	struct scanout scanout;
	struct damage_boxes boxes;
	for (unsigned i = 0; i < GUEST; i++) {
		rig.guest[i] = (uint8_t)(i * 7 + i / 256);
	}
	assert_int_equal(create(1, 4 * PAGE, 4 * PAGE), OK);
	assert_int_equal(show(1, &layout), OK);
	resources_refresh(rig.resources, 1, &whole);
	assert_int_equal(resources_scanout(rig.resources, 1, &whole, &scanout), OK);
	for (uint32_t y = 0; y < 16; y++) {
		assert_memory_equal(rig.slice.map + scanout.offset + y * scanout.stride,
			rig.guest + 64 + y * 128, 30 * 4);
	}
	assert_int_equal(resources_flush(rig.resources, 1, &whole, &boxes), OK);
	assert_int_equal(boxes.len, 1);
	resources_refresh(rig.resources, 1, &whole);
	assert_int_equal(resources_flush(rig.resources, 1, &whole, &boxes), OK);
	assert_int_equal(boxes.len, 0);
}

static void blobs_larger_than_their_backing_are_refused(void **state) {
	assert_int_equal(create(1, PAGE + 1, PAGE), BAD_PARAMETER);
	assert_int_equal(create(1, 0, PAGE), BAD_PARAMETER);
	assert_int_equal(create(1, UINT64_MAX, PAGE), BAD_PARAMETER);
	assert_int_equal(create(0, PAGE, PAGE), BAD_RESOURCE);
	assert_int_equal(create(1, PAGE, PAGE), OK);
	assert_int_equal(create(1, PAGE, PAGE), BAD_RESOURCE);
	// Nor can they get a smaller one.
	assert_int_equal(resources_detach(rig.resources, 1), OK);
	engine_rig_commit(&rig);
	assert_int_equal(show(1, &layout), BAD_PARAMETER);
	assert_int_equal(engine_rig_attach_all(&rig, 1, PAGE - 1), BAD_PARAMETER);
	assert_int_equal(engine_rig_attach_all(&rig, 1, PAGE), OK);
	assert_int_equal(show(1, &layout), OK);
}

static void layouts_outside_of_a_blob_are_refused(void **state) {
	struct gpu_layout wrong = layout;
	assert_int_equal(create(1, 64 + 15 * 128 + 30 * 4, PAGE), OK);
	assert_int_equal(show(1, &layout), OK);
	wrong.offset += 4;
	assert_int_equal(show(1, &wrong), BAD_PARAMETER);
	wrong = layout;
	wrong.height++;
	assert_int_equal(show(1, &wrong), BAD_PARAMETER);
	wrong = layout;
	wrong.stride += 4;
	assert_int_equal(show(1, &wrong), BAD_PARAMETER);
	wrong = (struct gpu_layout){layout.format, 1, 1, (GPU_RESOURCE_SIZE_MAX + 1) * 4, 0};
	assert_int_equal(show(1, &wrong), BAD_PARAMETER);
	assert_int_equal(show(2, &layout), BAD_RESOURCE);
	assert_int_equal(resources_create_2d(rig.resources, 3, layout.format, 30, 16), OK);
	engine_rig_commit(&rig);
	assert_int_equal(show(3, &layout), BAD_PARAMETER);
}

static void commands_that_are_not_a_blobs_are_refused(void **state) {
	struct scanout scanout;
	assert_int_equal(create(1, PAGE, PAGE), OK);
	assert_int_equal(resources_scanout(rig.resources, 1, &whole, &scanout), BAD_PARAMETER);
	assert_int_equal(
		resources_scanout_blob(rig.resources, 1, &layout, &whole, &scanout), BAD_RESOURCE);
}

/* Linux sends them, too; wherever they say it is, nothing happens. */
static void transfers_to_a_blob_do_nothing(void **state) {
	const struct gpu_rect far = {UINT32_MAX, UINT32_MAX, 0, 0};
	struct scanout scanout;
	assert_int_equal(create(1, PAGE, PAGE), OK);
	assert_int_equal(resources_transfer(rig.resources, 1, &far, UINT64_MAX, &rig.memory), OK);
	assert_int_equal(show(1, &layout), OK);
	memset(rig.guest, 0x55, PAGE);
	assert_int_equal(resources_transfer(rig.resources, 1, &whole, 0, &rig.memory), OK);
	assert_int_equal(resources_scanout(rig.resources, 1, &whole, &scanout), OK);
	assert_int_equal(rig.slice.map[scanout.offset + 128], 0);
	resources_refresh(rig.resources, 1, &whole);
	assert_int_equal(rig.slice.map[scanout.offset + 128], 0x55);
}

static void a_full_heap_leaves_what_was_shown(void **state) {
	struct scanout before, after;
	assert_int_equal(create(1, 16 * PAGE, 16 * PAGE), OK);
	assert_int_equal(show(1, &layout), OK);
	assert_int_equal(resources_scanout(rig.resources, 1, &whole, &before), OK);
	const struct gpu_layout large = {layout.format, 1024, 8, 4096, 0};
	assert_int_equal(show(1, &large), NO_MEMORY);
	assert_int_equal(resources_scanout(rig.resources, 1, &whole, &after), OK);
	assert_true(scanout_equal(&before, &after));
	assert_int_equal(heap_used(), PAGE);
}

static void a_later_process_goes_on_with_the_copy(void **state) {
	struct scanout before, after;
	rig.guest[64] = 0x77;
	assert_int_equal(create(1, 4 * PAGE, 4 * PAGE), OK);
	assert_int_equal(create(2, 4 * PAGE, 4 * PAGE), OK);
	assert_int_equal(show(1, &layout), OK);
	assert_int_equal(resources_scanout(rig.resources, 1, &whole, &before), OK);
	engine_rig_restart(&rig);
	assert_int_equal(resources_scanout(rig.resources, 1, &whole, &after), OK);
	assert_true(scanout_equal(&before, &after));
	assert_int_equal(rig.slice.map[after.offset], 0x77);
	assert_int_equal(show(2, &layout), OK);
	assert_int_equal(heap_used(), 2 * PAGE);
}

static void records_of_blobs_that_make_no_sense_are_dropped(void **state) {
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(create(1, PAGE, PAGE), OK);
		struct device_state_resource *record =
			(struct device_state_resource *)engine_rig_record(&rig, 1);
		switch (i) {
		case 0:
			record->blob = UINT64_C(1) << 32;
			break;
		case 1:
			record->blob = PAGE + 1;
			break;
		case 2:
			record->width = 1;
			break;
		case 3:
			record->copied = 1;
			break;
		case 4:
			record->offset = 4;
			break;
		}
		engine_rig_restart(&rig);
		assert_false(resources_is_blob(rig.resources, 1));
		assert_int_equal(heap_used(), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_blob_has_no_storage_until_it_is_copied),
		TEST(what_a_flush_copies_is_what_the_layout_says),
		TEST(blobs_larger_than_their_backing_are_refused),
		TEST(layouts_outside_of_a_blob_are_refused),
		TEST(commands_that_are_not_a_blobs_are_refused),
		TEST(transfers_to_a_blob_do_nothing),
		TEST(a_full_heap_leaves_what_was_shown),
		TEST(a_later_process_goes_on_with_the_copy),
		TEST(records_of_blobs_that_make_no_sense_are_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
