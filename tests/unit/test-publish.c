#include "publish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "input.h"

/* What wl_shm accepts without a protocol error, and pixman and GL can read. */
static void only_layouts_that_wl_shm_takes_fit(void **state) {
	static const struct {
		struct scanout scanout;
		uint64_t pool;
		bool fits;
	} cases[] = {
		{{SCANOUT_XRGB8888, 64, 64, 256, 0}, 64 * 256, true},
		{{SCANOUT_XRGB8888, 64, 64, 256, 0}, 64 * 256 - 1, false},
		{{SCANOUT_XRGB8888, 64, 64, 256, 4}, 64 * 256, false},
		{{SCANOUT_XRGB8888, 64, 64, 256, 4}, 64 * 256 + 4, true},
		{{SCANOUT_XRGB8888, 64, 64, 256, 2}, 1 << 20, false},
		{{SCANOUT_XRGB8888, 64, 64, 258, 0}, 1 << 20, false},
		{{SCANOUT_XRGB8888, 64, 64, 260, 0}, 1 << 20, true},
		{{SCANOUT_RGB565, 65, 64, 130, 0}, 1 << 20, false},
		{{SCANOUT_RGB565, 65, 64, 132, 0}, 1 << 20, true},
		{{SCANOUT_RGB888, 64, 64, 192, 0}, 1 << 20, true},
		{{SCANOUT_RGB888, 64, 64, 196, 0}, 1 << 20, false},
		{{SCANOUT_RGB888, 64, 64, 204, 0}, 1 << 20, true},
		{{SCANOUT_C8, 64, 64, 64, 0}, 1 << 20, true},
		{{SCANOUT_XRGB8888, 64, 16384, 131072, 0}, INT32_MAX, false},
		{{SCANOUT_XRGB8888, 64, 16383, 131072, 0}, INT32_MAX, true},
		{{SCANOUT_XRGB8888, 64, 2, UINT32_MAX - 3, 0}, INT32_MAX, false},
		{{SCANOUT_XRGB8888, 64, 1, 256, UINT64_MAX - 255}, INT32_MAX, false},
		{{SCANOUT_NONE, 0, 0, 0, 0}, 1 << 20, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (publish_layout_fits(&cases[i].scanout, cases[i].pool) != cases[i].fits) {
			fail_msg("case %zu", i);
		}
	}
}

/* A guest finds the pixel by rounding value * size / 32768 down. */
static void every_pixel_of_every_size_can_be_pointed_at(void **state) {
	static const uint32_t sizes[] = {
		1, 2, 3, 640, 799, 800, 1000, 1024, 1366, 1920, 3840, 16384};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (uint32_t pixel = 0; pixel < sizes[i]; pixel++) {
			int32_t value =
				input_scale(wl_fixed_from_int((int)pixel), 0, sizes[i], sizes[i]);
			assert_int_equal((uint64_t)value * sizes[i] / 32768, pixel);
			value = input_scale(
				wl_fixed_from_int((int)pixel) + 128, 0, sizes[i], sizes[i]);
			assert_int_equal((uint64_t)value * sizes[i] / 32768, pixel);
		}
	}
}

static void pointers_outside_stay_at_the_edge(void **state) {
	assert_int_equal(input_scale(INT32_MIN, 0, 1024, 1024), 0);
	assert_int_equal(input_scale(-1, 0, 1024, 1024), 0);
	assert_int_equal(input_scale(wl_fixed_from_int(1024), 0, 1024, 1024), LINK_INPUT_ABS_LIMIT);
	assert_int_equal(input_scale(INT32_MAX, 0, 1, 1), LINK_INPUT_ABS_LIMIT);
	// Of a part: at its own edge.
	assert_int_equal(input_scale(-1, 512, 256, 1024), 16384);
	assert_int_equal(input_scale(INT32_MAX, 512, 256, 1024), 24576);
}

static void every_pixel_of_a_second_head_can_be_pointed_at(void **state) {
	static const uint32_t firsts[] = {1, 640, 1920, 16384}, seconds[] = {1, 1366, 2560};
	for (size_t i = 0; i < 12; i++) {
		uint32_t first = firsts[i / 3], second = seconds[i % 3], span = first + second;
		for (uint32_t pixel = 0; pixel < second; pixel++) {
			int32_t value =
				input_scale(wl_fixed_from_int((int)pixel), first, second, span);
			assert_int_equal((uint64_t)value * span / 32768, first + pixel);
		}
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_layouts_that_wl_shm_takes_fit),
		cmocka_unit_test(every_pixel_of_every_size_can_be_pointed_at),
		cmocka_unit_test(every_pixel_of_a_second_head_can_be_pointed_at),
		cmocka_unit_test(pointers_outside_stay_at_the_edge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
