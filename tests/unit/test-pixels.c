/* Where a length of the layout covers how many pixels of an output. */
#include "pixels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static void ends_are_rounded_as_the_scene_does(void **state) {
	static const struct {
		int at, length;
		float scale;
		int pixels;
	} cases[] = {
		{0, 100, 1, 100},
		{7, 100, 2, 200},
		{0, 683, 1.5f, 1025},
		{1, 683, 1.5f, 1024},
		{-1, 683, 1.5f, 1025},
		{1, 1, 1.25f, 2},
		{2, 1, 1.25f, 1},
		{3, 5, 0.5f, 2},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(pixels_covered(cases[i].at, cases[i].length, cases[i].scale),
			cases[i].pixels);
	}
}

static void picture_that_fits_somewhere_is_wanted(void **state) {
	assert_int_equal(pixels_wanted(683, 1024, 1.5f), 1024);
	assert_int_equal(pixels_wanted(683, 1025, 1.5f), 1025);
	assert_int_equal(pixels_wanted(683, 1026, 1.5f), 1025);
	assert_int_equal(pixels_wanted(683, 640, 1.5f), 1025);
	assert_int_equal(pixels_wanted(512, 1024, 2), 1024);
	assert_int_equal(pixels_wanted(512, 1023, 2), 1024);
	assert_int_equal(pixels_wanted(512, 0, 2), 1024);
}

/* Whatever a user does with a window, at the scales that screens have what its guest is asked
 * for can be shown pixel by pixel, near to where the user wants it. */
static void every_wanted_size_has_a_place_nearby(void **state) {
	for (int n = 60; n <= 360; n += n == 160 ? 2 : n == 162 ? 6 : n == 156 ? 4 : 6) {
		const float scale = (float)n / 120;
		for (int length = 48; length < 3000; length += 37) {
			int wanted = pixels_wanted(length, 0, scale);
			for (int at = -40; at < 2000; at += 173) {
				int place = pixels_snap(at, length, wanted, scale);
				if (pixels_covered(place, length, scale) != wanted) {
					fail_msg("no place for %d at %d, scale %d/120", length, at,
						n);
				}
			}
		}
	}
}

static void whole_scales_move_nothing(void **state) {
	for (int scale = 1; scale <= 4; scale++) {
		for (int at = -3; at < 100; at++) {
			int wanted = pixels_wanted(333, 0, (float)scale);
			assert_int_equal(pixels_snap(at, 333, wanted, (float)scale), at);
		}
	}
}

static void place_stays_where_there_is_no_better_one(void **state) {
	assert_int_equal(pixels_snap(77, 100, 640, 1.5f), 77);
	assert_int_equal(pixels_snap(77, 100, 199, 2), 77);
}

static void nearest_place_is_taken(void **state) {
	assert_int_equal(pixels_snap(100, 683, 1025, 1.5f), 100);
	assert_int_equal(pixels_snap(101, 683, 1024, 1.5f), 101);
	assert_int_equal(abs(pixels_snap(100, 683, 1024, 1.5f) - 100), 1);
}

static void nearest_pixel_is_taken(void **state) {
	// Of three pixels one has a place from which 11 of the layout cover 16.
	for (int pixel = 4; pixel < 100; pixel++) {
		int at = pixels_snap_to(pixel, 11, 16, 1.5f);
		assert_int_equal(pixels_covered(at, 11, 1.5f), 16);
		assert_in_range(pixels_covered(0, at, 1.5f) - pixel + 1, 0, 2);
	}
	assert_int_equal(pixels_snap_to(50, 8, 16, 2), 25);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_are_rounded_as_the_scene_does),
		cmocka_unit_test(picture_that_fits_somewhere_is_wanted),
		cmocka_unit_test(every_wanted_size_has_a_place_nearby),
		cmocka_unit_test(whole_scales_move_nothing),
		cmocka_unit_test(place_stays_where_there_is_no_better_one),
		cmocka_unit_test(nearest_place_is_taken),
		cmocka_unit_test(nearest_pixel_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
