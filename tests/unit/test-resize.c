#include "resize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START UINT64_C(1000000)

static void set(struct resize *resize, uint32_t width, uint32_t height, uint64_t now) {
	const struct resize_size size = {width, height, 60000, 120};
	resize_set(resize, &size, now);
}

/* 800x600 is known. */
static struct resize resize_start(void) {
	struct resize resize;
	resize_init(&resize);
	assert_int_equal(resize_due(&resize), PACE_NEVER);
	set(&resize, 800, 600, START);
	assert_true(resize_due(&resize) <= START);
	struct resize_size told = resize_take(&resize);
	assert_int_equal(told.width, 800);
	assert_int_equal(told.height, 600);
	assert_int_equal(told.refresh, 60000);
	assert_int_equal(told.scale, 120);
	assert_int_equal(resize_due(&resize), PACE_NEVER);
	return resize;
}

static void the_first_size_is_told_at_once(void **state) {
	resize_start();
}

static void only_the_size_that_stays_is_told(void **state) {
	struct resize resize = resize_start();
	uint64_t now = START;
	for (uint32_t i = 1; i <= 100; i++) {
		now += 10000;
		set(&resize, 800 + i, 600 + i, now);
		assert_int_equal(resize_due(&resize), now + RESIZE_SETTLE);
	}
	assert_int_equal(resize_take(&resize).width, 900);
	assert_int_equal(resize_due(&resize), PACE_NEVER);
}

static void a_size_that_comes_back_is_not_told(void **state) {
	struct resize resize = resize_start();
	set(&resize, 801, 600, START);
	set(&resize, 800, 600, START + 1);
	assert_int_equal(resize_due(&resize), PACE_NEVER);
}

static void impossible_sizes_say_nothing(void **state) {
	struct resize resize = resize_start();
	set(&resize, 16385, 600, START);
	set(&resize, 800, UINT32_MAX, START);
	set(&resize, 0, 600, START);
	set(&resize, 800, 0, START);
	set(&resize, 0, 0, START);
	assert_int_equal(resize_due(&resize), PACE_NEVER);
	set(&resize, 801, 600, START);
	set(&resize, 0, 0, START + 1);
	assert_int_equal(resize_due(&resize), START + RESIZE_SETTLE);
}

static void another_refresh_rate_or_scale_is_told(void **state) {
	struct resize resize = resize_start();
	const struct resize_size faster = {800, 600, 144000, 120}, larger = {800, 600, 60000, 240};
	resize_set(&resize, &faster, START);
	assert_int_not_equal(resize_due(&resize), PACE_NEVER);
	assert_int_equal(resize_take(&resize).refresh, 144000);
	resize_set(&resize, &larger, START);
	assert_int_equal(resize_take(&resize).scale, 240);
}

static void full_screen_and_its_end_are_told_at_once(void **state) {
	struct resize resize = resize_start();
	// Whichever of the two comes first.
	resize_set_fullscreen(&resize, true, START);
	assert_int_equal(resize_due(&resize), PACE_NEVER);
	set(&resize, 1920, 1080, START);
	assert_true(resize_due(&resize) <= START);
	resize_take(&resize);
	set(&resize, 800, 600, START);
	assert_int_equal(resize_due(&resize), START + RESIZE_SETTLE);
	resize_set_fullscreen(&resize, false, START);
	assert_true(resize_due(&resize) <= START);
	resize_take(&resize);
	set(&resize, 801, 600, START);
	assert_int_equal(resize_due(&resize), START + RESIZE_SETTLE);
}

static void full_screen_in_the_same_size_is_over_when_the_user_resizes(void **state) {
	struct resize resize = resize_start();
	resize_set_fullscreen(&resize, true, START);
	set(&resize, 800, 600, START);
	set(&resize, 801, 600, START);
	assert_int_equal(resize_due(&resize), START + RESIZE_SETTLE);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_size_is_told_at_once),
		cmocka_unit_test(only_the_size_that_stays_is_told),
		cmocka_unit_test(a_size_that_comes_back_is_not_told),
		cmocka_unit_test(impossible_sizes_say_nothing),
		cmocka_unit_test(another_refresh_rate_or_scale_is_told),
		cmocka_unit_test(full_screen_and_its_end_are_told_at_once),
		cmocka_unit_test(full_screen_in_the_same_size_is_over_when_the_user_resizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
