#include "scanout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "memfd.h"

#define APERTURE (4u << 20)
#define LIMIT (6u << 20)

static struct slice slice;

static int set_up(void **state) {
	return slice_init(&slice, memfd_create_sealed("slice", LIMIT), 0, LIMIT, APERTURE);
}

static int tear_down(void **state) {
	slice_finish(&slice);
	return 0;
}

static void only_what_lies_in_the_aperture_is_scanned_out(void **state) {
	const struct {
		enum scanout_format format;
		uint32_t width, height;
		uint64_t stride, offset;
		bool valid;
	} cases[] = {
		{SCANOUT_XRGB8888, 1024, 1024, 4096, 0, true}, // all of it
		{SCANOUT_XRGB8888, 1024, 1024, 4096, 1, false},
		{SCANOUT_XRGB8888, 1024, 1025, 4096, 0, false}, // the heap lies there
		{SCANOUT_XRGB8888, 1, 1, 4, APERTURE - 4, true},
		{SCANOUT_XRGB8888, 1, 1, 4, APERTURE - 3, false},
		{SCANOUT_XRGB8888, 1, 1, 4, APERTURE, false},
		{SCANOUT_XRGB8888, 1, 1, 4, UINT64_MAX, false},
		{SCANOUT_XRGB8888, 1, 1, 4, UINT64_MAX - 3, false},
		{SCANOUT_C8, 2048, 2048, 2048, 0, true},
		{SCANOUT_C8, 2048, 2048, 2047, 0, false},
		{SCANOUT_RGB888, 1024, 1024, 3072, 1u << 20, true},
		{SCANOUT_RGB888, 1024, 1024, 3072, (1u << 20) + 1, false},
		{SCANOUT_RGB565, 640, 480, 1279, 0, false},
		{SCANOUT_XRGB1555, 640, 480, 1280, 0, true},
		{SCANOUT_XRGB8888, 0, 480, 4096, 0, false},
		{SCANOUT_XRGB8888, 640, 0, 4096, 0, false},
		{SCANOUT_C8, SCANOUT_MAX_SIZE, 256, SCANOUT_MAX_SIZE, 0, true},
		{SCANOUT_C8, SCANOUT_MAX_SIZE + 1, 1, SCANOUT_MAX_SIZE + 1, 0, false},
		{SCANOUT_C8, 1, SCANOUT_MAX_SIZE + 1, 1, 0, false},
		{SCANOUT_XRGB8888, UINT32_MAX, UINT32_MAX, UINT64_MAX, 0, false},
		{SCANOUT_XRGB8888, 0x40000001, 1, 4, 0, false},
		{SCANOUT_XRGB8888, 16, 2, UINT64_MAX, 0, false},
		{SCANOUT_XRGB8888, 16, 2, UINT64_C(1) << 32, 0, false},
		{SCANOUT_XRGB8888, 16, 16384, UINT32_MAX, 0, false},
		{SCANOUT_NONE, 16, 16, 64, 0, false},
		{99, 16, 16, 64, 0, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct scanout before = {SCANOUT_RGB565, 1, 2, 3, 4};
		struct scanout scanout = before;
		assert_int_equal(
			scanout_compute(&slice, slice.aperture, cases[i].format, cases[i].width,
				cases[i].height, cases[i].stride, cases[i].offset, &scanout),
			cases[i].valid);
		if (!cases[i].valid) {
			assert_true(scanout_equal(&scanout, &before));
			continue;
		}
		assert_int_equal(scanout.width, cases[i].width);
		assert_int_equal(scanout.stride, cases[i].stride);
		assert_int_equal(scanout.offset, cases[i].offset);
	}
}

static void the_last_row_counts_to_its_last_pixel(void **state) {
	struct scanout scanout;
	// 1023 strides and one row of 16 pixels end where the aperture ends.
	uint64_t offset = 4096 - 64;
	assert_true(scanout_compute(
		&slice, slice.aperture, SCANOUT_XRGB8888, 16, 1024, 4096, offset, &scanout));
	assert_false(scanout_compute(
		&slice, slice.aperture, SCANOUT_XRGB8888, 16, 1024, 4096, offset + 1, &scanout));
}

static void a_slice_without_memory_shows_nothing(void **state) {
	struct slice closed = {.limit = LIMIT, .aperture = APERTURE, .fd = -1};
	struct scanout scanout;
	assert_false(scanout_compute(&closed, closed.aperture, SCANOUT_C8, 1, 1, 1, 0, &scanout));
}

static void scanouts_differ_in_any_field(void **state) {
	const struct scanout one = {SCANOUT_C8, 1, 2, 3, 4};
	const struct scanout others[] = {
		{SCANOUT_RGB565, 1, 2, 3, 4},
		{SCANOUT_C8, 9, 2, 3, 4},
		{SCANOUT_C8, 1, 9, 3, 4},
		{SCANOUT_C8, 1, 2, 9, 4},
		{SCANOUT_C8, 1, 2, 3, 9},
	};
	assert_true(scanout_equal(&one, &one));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_false(scanout_equal(&one, &others[i]));
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_lies_in_the_aperture_is_scanned_out),
		cmocka_unit_test(the_last_row_counts_to_its_last_pixel),
		cmocka_unit_test(a_slice_without_memory_shows_nothing),
		cmocka_unit_test(scanouts_differ_in_any_field),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
