#include "placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#define TITLE 27

static const struct place screen = {0, 0, 1920, 1080};

static bool inside(const struct place *area, const struct place *place) {
	return place->x >= area->x && place->y >= area->y &&
		place->x + place->width <= area->x + area->width &&
		place->y + place->height <= area->y + area->height;
}

static bool overlap(const struct place *a, const struct place *b) {
	return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height &&
		b->y < a->y + a->height;
}

static struct place put(
	const struct place *area, const struct place *taken, size_t n, int width, int height) {
	struct place place = {.width = width, .height = height};
	placement_find(area, taken, n, TITLE, width, height, &place.x, &place.y);
	return place;
}

static void the_first_window_lies_in_the_top_left_corner(void **state) {
	struct place first = put(&screen, NULL, 0, 1032, 799);
	assert_true(inside(&screen, &first));
	assert_in_range(first.x, 0, 64);
	assert_in_range(first.y, 0, 64);
}

static void two_guests_lie_side_by_side(void **state) {
	struct place first = put(&screen, NULL, 0, 1032, 799);
	struct place second = put(&screen, &first, 1, 808, 631);
	assert_true(inside(&screen, &second));
	assert_false(overlap(&first, &second));
}

static void a_title_stays_visible_where_windows_must_overlap(void **state) {
	struct place taken[2];
	taken[0] = put(&screen, NULL, 0, 1608, 931);
	taken[1] = put(&screen, taken, 1, 1608, 931);
	assert_true(inside(&screen, &taken[1]));
	struct place bar = {taken[0].x, taken[0].y, taken[0].width, TITLE};
	assert_false(overlap(&bar, &taken[1]));
}

static void no_two_windows_lie_exactly_on_each_other(void **state) {
	struct place taken[8];
	for (size_t i = 0; i < 8; i++) {
		taken[i] = put(&screen, taken, i, 1032, 799);
		for (size_t j = 0; j < i; j++) {
			assert_false(taken[i].x == taken[j].x && taken[i].y == taken[j].y);
		}
	}
}

static void a_window_larger_than_the_screen_shows_its_title(void **state) {
	struct place big = put(&screen, NULL, 0, 3000, 2000);
	assert_int_equal(big.x, 0);
	assert_int_equal(big.y, 0);
}

static void a_screen_elsewhere_in_the_layout_is_used(void **state) {
	const struct place second = {1920, 200, 1280, 720};
	struct place window = put(&second, NULL, 0, 640, 480);
	assert_true(inside(&second, &window));
}

static void more_windows_than_are_looked_at_are_no_harm(void **state) {
	struct place taken[PLACEMENT_WINDOWS + 8];
	for (size_t i = 0; i < PLACEMENT_WINDOWS + 8; i++) {
		taken[i] = (struct place){(int)i * 3, (int)i * 3, 400, 300};
	}
	struct place window = put(&screen, taken, PLACEMENT_WINDOWS + 8, 400, 300);
	assert_true(inside(&screen, &window));
}

static void shrinking_keeps_the_aspect_and_never_enlarges(void **state) {
	int width = 1024, height = 768;
	placement_shrink(1920, 1080, &width, &height);
	assert_int_equal(width, 1024);
	assert_int_equal(height, 768);
	width = 1920;
	height = 1080;
	placement_shrink(960, 2000, &width, &height);
	assert_int_equal(width, 960);
	assert_int_equal(height, 540);
	width = 16384;
	height = 1;
	placement_shrink(100, 100, &width, &height);
	assert_int_equal(width, 100);
	assert_int_equal(height, 1);
}

static void full_screen_is_centred_with_its_aspect(void **state) {
	struct place place = placement_centre(&screen, 1024, 768);
	assert_int_equal(place.width, 1440);
	assert_int_equal(place.height, 1080);
	assert_int_equal(place.x, 240);
	assert_int_equal(place.y, 0);
	place = placement_centre(&screen, 1920, 1080);
	assert_int_equal(place.width, 1920);
	assert_int_equal(place.height, 1080);
	assert_int_equal(place.x, 0);
	place = placement_centre(&screen, 1920, 800);
	assert_int_equal(place.width, 1920);
	assert_int_equal(place.height, 800);
	assert_int_equal(place.y, 140);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_window_lies_in_the_top_left_corner),
		cmocka_unit_test(two_guests_lie_side_by_side),
		cmocka_unit_test(a_title_stays_visible_where_windows_must_overlap),
		cmocka_unit_test(no_two_windows_lie_exactly_on_each_other),
		cmocka_unit_test(a_window_larger_than_the_screen_shows_its_title),
		cmocka_unit_test(a_screen_elsewhere_in_the_layout_is_used),
		cmocka_unit_test(more_windows_than_are_looked_at_are_no_harm),
		cmocka_unit_test(shrinking_keeps_the_aspect_and_never_enlarges),
		cmocka_unit_test(full_screen_is_centred_with_its_aspect),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
