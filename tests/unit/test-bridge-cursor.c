#include "bridge-rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "cursor-shape-protocol.h"

#define PIXELS (BRIDGE_CURSOR_SIZE * BRIDGE_CURSOR_SIZE)

static const struct fake_options usual;
static uint32_t picture[PIXELS];

static uint32_t *paint(uint32_t pixel) {
	for (size_t i = 0; i < PIXELS; i++) {
		picture[i] = pixel;
	}
	return picture;
}

static void enter(struct rig *rig, uint32_t serial) {
	wl_pointer_send_enter(rig->fake.pointer, serial, rig->fake.head->resource, 0, 0);
	wl_pointer_send_frame(rig->fake.pointer);
}

static void leave(struct rig *rig) {
	wl_pointer_send_leave(rig->fake.pointer, 1, rig->fake.head->resource);
	wl_pointer_send_frame(rig->fake.pointer);
}

static void start(struct rig *rig, const struct fake_options *options) {
	rig_init(rig, options);
	RIG_UNTIL(rig, rig->fake.head->commits == 1 && rig->fake.pointer != NULL);
}

static uint32_t shown_pixel(struct rig *rig) {
	assert_non_null(rig->fake.cursor.surface);
	struct wl_shm_buffer *buffer = fake_picture(rig->fake.cursor.surface);
	assert_non_null(buffer);
	assert_int_equal(wl_shm_buffer_get_format(buffer), WL_SHM_FORMAT_ARGB8888);
	assert_int_equal(wl_shm_buffer_get_width(buffer), BRIDGE_CURSOR_SIZE);
	assert_int_equal(wl_shm_buffer_get_height(buffer), BRIDGE_CURSOR_SIZE);
	return ((uint32_t *)wl_shm_buffer_get_data(buffer))[PIXELS - 1];
}

static void the_compositors_own_is_shown_where_none_is_set(void **state) {
	struct rig rig;
	start(&rig, &usual);
	enter(&rig, 7);
	RIG_UNTIL(&rig, rig.fake.cursor.requests == 1);
	assert_int_equal(rig.fake.cursor.shape, WP_CURSOR_SHAPE_DEVICE_V1_SHAPE_DEFAULT);
	assert_int_equal(rig.fake.cursor.serial, 7);
	rig_finish(&rig);
}

static void the_guests_is_shown_with_its_hot_spot(void **state) {
	struct rig rig;
	start(&rig, &usual);
	bridge_set_cursor(rig.bridge, paint(0xff102030), 3, 5);
	rig_spin(&rig, 30);
	assert_int_equal(rig.fake.cursor.requests, 0);
	enter(&rig, 9);
	RIG_UNTIL(&rig, rig.fake.cursor.requests == 1);
	assert_int_equal(rig.fake.cursor.serial, 9);
	assert_int_equal(rig.fake.cursor.hot_x, 3);
	assert_int_equal(rig.fake.cursor.hot_y, 5);
	assert_int_equal(shown_pixel(&rig), 0xff102030);
	rig_finish(&rig);
}

static void a_hot_spot_never_lies_outside(void **state) {
	struct rig rig;
	start(&rig, &usual);
	bridge_set_cursor(rig.bridge, paint(0xff102030), UINT32_MAX, 64);
	enter(&rig, 9);
	RIG_UNTIL(&rig, rig.fake.cursor.requests == 1);
	assert_int_equal(rig.fake.cursor.hot_x, 63);
	assert_int_equal(rig.fake.cursor.hot_y, 63);
	rig_finish(&rig);
}

static void it_is_sent_again_at_each_enter(void **state) {
	struct rig rig;
	start(&rig, &usual);
	bridge_set_cursor(rig.bridge, paint(0xff102030), 0, 0);
	for (unsigned i = 1; i <= 5; i++) {
		enter(&rig, 100 + i);
		RIG_UNTIL(&rig, rig.fake.cursor.requests == i);
		assert_int_equal(rig.fake.cursor.serial, 100 + i);
		assert_int_equal(shown_pixel(&rig), 0xff102030);
		leave(&rig);
	}
	bridge_set_cursor(rig.bridge, paint(0xff405060), 0, 0);
	rig_spin(&rig, 50);
	assert_int_equal(rig.fake.cursor.requests, 5);
	rig_finish(&rig);
}

static void one_that_does_not_change_is_sent_once(void **state) {
	struct rig rig;
	start(&rig, &usual);
	enter(&rig, 9);
	RIG_UNTIL(&rig, rig.fake.cursor.requests == 1);
	for (unsigned i = 0; i < 20; i++) {
		bridge_set_cursor(rig.bridge, paint(0xff102030), 1, 1);
		rig_spin(&rig, 5);
		wl_pointer_send_motion(rig.fake.pointer, 0, (int)i, 0);
		wl_pointer_send_frame(rig.fake.pointer);
	}
	RIG_UNTIL(&rig, rig.fake.cursor.surface != NULL);
	assert_int_equal(rig.fake.cursor.requests, 2);
	assert_int_equal(rig.fake.cursor.surface->commits, 1);
	rig_finish(&rig);
}

static void changes_are_sent_once_a_frame_and_the_last_stays(void **state) {
	struct rig rig;
	start(&rig, &usual);
	enter(&rig, 9);
	uint64_t begin = clock_usec(), frames;
	uint32_t colour = 0xff000000;
	while (clock_usec() < begin + 200 * USEC_PER_MSEC) {
		bridge_set_cursor(rig.bridge, paint(++colour), 1, 1);
		rig_step(&rig);
	}
	frames = (clock_usec() - begin) / 16667;
	assert_in_range(rig.fake.cursor.requests, 1, frames + 3);
	RIG_UNTIL(&rig, shown_pixel(&rig) == colour);
	rig_finish(&rig);
}

static void what_is_not_premultiplied_is_multiplied(void **state) {
	struct rig rig;
	start(&rig, &usual);
	bridge_set_cursor(rig.bridge, paint(0x80ff8000), 0, 0);
	enter(&rig, 9);
	RIG_UNTIL(&rig, rig.fake.cursor.requests == 1);
	assert_int_equal(shown_pixel(&rig), 0x80804000);
	// This one is: no channel is brighter than its alpha.
	bridge_set_cursor(rig.bridge, paint(0x80402010), 0, 0);
	RIG_UNTIL(&rig, rig.fake.cursor.requests == 2);
	assert_int_equal(shown_pixel(&rig), 0x80402010);
	// What cannot be seen has no colour.
	bridge_set_cursor(rig.bridge, paint(0x00ffffff), 0, 0);
	RIG_UNTIL(&rig, rig.fake.cursor.requests == 3);
	assert_int_equal(shown_pixel(&rig), 0);
	rig_finish(&rig);
}

static void the_guest_may_hide_it_and_give_it_back(void **state) {
	struct rig rig;
	start(&rig, &usual);
	enter(&rig, 9);
	bridge_set_cursor(rig.bridge, paint(0xff102030), 0, 0);
	RIG_UNTIL(&rig, rig.fake.cursor.surface != NULL);
	bridge_set_cursor(rig.bridge, NULL, 0, 0);
	RIG_UNTIL(&rig, rig.fake.cursor.surface == NULL);
	assert_int_equal(rig.fake.cursor.shape, 0);
	bridge_set_cursor(rig.bridge, picture, 0, 0);
	RIG_UNTIL(&rig, rig.fake.cursor.surface != NULL);
	assert_int_equal(shown_pixel(&rig), 0xff102030);
	bridge_reset_cursor(rig.bridge);
	RIG_UNTIL(&rig, rig.fake.cursor.shape == WP_CURSOR_SHAPE_DEVICE_V1_SHAPE_DEFAULT);
	rig_finish(&rig);
}

static void a_compositor_without_shapes_is_not_asked_for_one(void **state) {
	struct fake_options options = {.no_shapes = true};
	struct rig rig;
	start(&rig, &options);
	enter(&rig, 9);
	rig_spin(&rig, 30);
	assert_int_equal(rig.fake.cursor.requests, 0);
	bridge_set_cursor(rig.bridge, paint(0xff102030), 0, 0);
	RIG_UNTIL(&rig, rig.fake.cursor.requests == 1);
	bridge_reset_cursor(rig.bridge);
	rig_spin(&rig, 30);
	assert_int_equal(rig.fake.cursor.requests, 1);
	leave(&rig);
	enter(&rig, 10);
	rig_spin(&rig, 30);
	assert_int_equal(rig.fake.cursor.requests, 1);
	rig_finish(&rig);
}

static void buffers_that_the_compositor_holds_are_not_written(void **state) {
	struct fake_options options = {.hold_buffers = true};
	struct rig rig;
	start(&rig, &options);
	enter(&rig, 9);
	for (unsigned i = 1; i <= 4; i++) {
		bridge_set_cursor(rig.bridge, paint(0xff000000 + i), 0, 0);
		rig_spin(&rig, 40);
	}
	struct fake_surface *surface = rig.fake.cursor.surface;
	assert_non_null(surface);
	assert_int_equal(surface->commits, 2);
	assert_int_equal(shown_pixel(&rig), 0xff000002);
	wl_buffer_send_release(surface->last_buffer);
	RIG_UNTIL(&rig, surface->commits == 3);
	assert_int_equal(shown_pixel(&rig), 0xff000004);
	rig_finish(&rig);
}

static void it_outlives_the_compositor(void **state) {
	struct rig rig;
	start(&rig, &usual);
	enter(&rig, 9);
	bridge_set_cursor(rig.bridge, paint(0xff102030), 4, 4);
	RIG_UNTIL(&rig, rig.fake.cursor.surface != NULL);
	wl_client_destroy(rig.fake.client);
	rig_spin(&rig, 20);
	bridge_set_cursor(rig.bridge, paint(0xff405060), 4, 4);
	assert_int_equal(bridge_connect(rig.bridge, fake_connect(&rig.fake)), 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1 && rig.fake.pointer != NULL);
	rig.fake.cursor = (struct fake_cursor){0};
	enter(&rig, 3);
	RIG_UNTIL(&rig, rig.fake.cursor.surface != NULL);
	assert_int_equal(shown_pixel(&rig), 0xff405060);
	rig_finish(&rig);
}

static void a_pointer_that_goes_away_is_not_used(void **state) {
	struct rig rig;
	start(&rig, &usual);
	enter(&rig, 9);
	RIG_UNTIL(&rig, rig.fake.cursor.requests == 1);
	wl_seat_send_capabilities(rig.fake.seat, WL_SEAT_CAPABILITY_KEYBOARD);
	RIG_UNTIL(&rig, rig.fake.pointer == NULL);
	bridge_set_cursor(rig.bridge, paint(0xff102030), 0, 0);
	rig_spin(&rig, 40);
	assert_int_equal(rig.fake.cursor.requests, 1);
	assert_non_null(rig.fake.client);
	rig_finish(&rig);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_compositors_own_is_shown_where_none_is_set),
		cmocka_unit_test(the_guests_is_shown_with_its_hot_spot),
		cmocka_unit_test(a_hot_spot_never_lies_outside),
		cmocka_unit_test(it_is_sent_again_at_each_enter),
		cmocka_unit_test(one_that_does_not_change_is_sent_once),
		cmocka_unit_test(changes_are_sent_once_a_frame_and_the_last_stays),
		cmocka_unit_test(what_is_not_premultiplied_is_multiplied),
		cmocka_unit_test(the_guest_may_hide_it_and_give_it_back),
		cmocka_unit_test(a_compositor_without_shapes_is_not_asked_for_one),
		cmocka_unit_test(buffers_that_the_compositor_holds_are_not_written),
		cmocka_unit_test(it_outlives_the_compositor),
		cmocka_unit_test(a_pointer_that_goes_away_is_not_used),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
