#include "bridge-rig.h"

#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "relative-pointer-protocol.h"

static const struct fake_options usual;

static void assert_event(struct rig *rig, uint32_t i, uint32_t type, uint32_t code, int32_t value) {
	assert_true(i < rig->input.count);
	assert_int_equal(rig->input.events[i].type, type);
	assert_int_equal(rig->input.events[i].code, code);
	assert_int_equal(rig->input.events[i].value, value);
}

static void send_key(struct rig *rig, uint32_t key, bool down) {
	wl_keyboard_send_key(rig->fake.keyboard, 0, 0, key, down);
}

static void focus_keyboard(struct rig *rig, uint32_t held) {
	struct wl_array keys;
	wl_array_init(&keys);
	if (held != 0) {
		*(uint32_t *)wl_array_add(&keys, sizeof(held)) = held;
	}
	wl_keyboard_send_enter(rig->fake.keyboard, 0, rig->fake.head->resource, &keys);
	wl_array_release(&keys);
}

static void start_input(struct rig *rig) {
	rig_init(rig, &usual);
	RIG_UNTIL(rig,
		rig->fake.head->commits == 1 && rig->fake.keyboard != NULL &&
			rig->fake.pointer != NULL);
}

static void keys_arrive_as_they_are_numbered(void **state) {
	struct rig rig;
	start_input(&rig);
	focus_keyboard(&rig, 0);
	send_key(&rig, KEY_A, true);
	RIG_UNTIL(&rig, rig.inputs == 1);
	assert_int_equal(rig.input.count, 1);
	assert_event(&rig, 0, LINK_INPUT_KEY, KEY_A, 1);
	send_key(&rig, KEY_A, true);
	send_key(&rig, KEY_A, false);
	RIG_UNTIL(&rig, rig.inputs == 2);
	assert_event(&rig, 0, LINK_INPUT_KEY, KEY_A, 0);
	send_key(&rig, 0x300, true);
	send_key(&rig, UINT32_MAX, true);
	rig_spin(&rig, 20);
	assert_int_equal(rig.inputs, 2);
	rig_finish(&rig);
}

static void held_keys_are_released_when_the_focus_goes(void **state) {
	struct rig rig;
	start_input(&rig);
	focus_keyboard(&rig, 0);
	send_key(&rig, KEY_LEFTCTRL, true);
	send_key(&rig, KEY_B, true);
	RIG_UNTIL(&rig, rig.inputs == 2);
	wl_keyboard_send_leave(rig.fake.keyboard, 0, rig.fake.head->resource);
	RIG_UNTIL(&rig, rig.inputs == 3);
	assert_int_equal(rig.input.count, 2);
	assert_event(&rig, 0, LINK_INPUT_KEY, KEY_LEFTCTRL, 0);
	assert_event(&rig, 1, LINK_INPUT_KEY, KEY_B, 0);
	rig_finish(&rig);
}

static void keys_held_for_somebody_else_are_not_the_guests(void **state) {
	struct rig rig;
	start_input(&rig);
	focus_keyboard(&rig, KEY_LEFTMETA);
	send_key(&rig, KEY_LEFTMETA, false);
	rig_spin(&rig, 20);
	assert_int_equal(rig.inputs, 0);
	rig_finish(&rig);
}

static void held_keys_are_released_when_the_keyboard_goes(void **state) {
	struct rig rig;
	start_input(&rig);
	send_key(&rig, KEY_A, true);
	RIG_UNTIL(&rig, rig.inputs == 1);
	wl_seat_send_capabilities(rig.fake.seat, WL_SEAT_CAPABILITY_POINTER);
	RIG_UNTIL(&rig, rig.inputs == 2 && rig.fake.keyboard == NULL);
	assert_event(&rig, 0, LINK_INPUT_KEY, KEY_A, 0);
	wl_seat_send_capabilities(rig.fake.seat, WL_SEAT_CAPABILITY_KEYBOARD);
	RIG_UNTIL(&rig, rig.fake.keyboard != NULL && rig.fake.pointer == NULL);
	send_key(&rig, KEY_A, true);
	RIG_UNTIL(&rig, rig.inputs == 3);
	rig_finish(&rig);
}

static void many_held_keys_are_released_in_several_messages(void **state) {
	struct rig rig;
	start_input(&rig);
	for (uint32_t key = 1; key <= 40; key++) {
		send_key(&rig, key, true);
	}
	RIG_UNTIL(&rig, rig.inputs == 40);
	wl_client_destroy(rig.fake.client);
	RIG_UNTIL(&rig, rig.inputs == 42);
	assert_int_equal(rig.input.count, 8);
	assert_event(&rig, 7, LINK_INPUT_KEY, 40, 0);
	rig_finish(&rig);
}

static void pointer_positions_are_scaled_and_clamped(void **state) {
	struct rig rig;
	start_input(&rig);
	static const struct {
		int x, y, abs_x, abs_y;
	} cases[] = {
		{0, 0, 0, 0},
		{(int)RIG_WIDTH / 2, (int)RIG_HEIGHT / 2, 16384, 16384},
		{(int)RIG_WIDTH, (int)RIG_HEIGHT, 32767, 32767},
		{-5, 100000, 0, 32767},
	};
	for (unsigned i = 0; i < 4; i++) {
		wl_pointer_send_motion(rig.fake.pointer, 0, wl_fixed_from_int(cases[i].x),
			wl_fixed_from_int(cases[i].y));
		wl_pointer_send_frame(rig.fake.pointer);
		RIG_UNTIL(&rig, rig.inputs == i + 1);
		assert_int_equal(rig.input.count, 2);
		assert_event(&rig, 0, LINK_INPUT_ABS_X, 0, cases[i].abs_x);
		assert_event(&rig, 1, LINK_INPUT_ABS_Y, 0, cases[i].abs_y);
	}
	rig_finish(&rig);
}

static void a_pointer_frame_is_one_message(void **state) {
	struct rig rig;
	start_input(&rig);
	struct wl_resource *pointer = rig.fake.pointer;
	wl_pointer_send_enter(pointer, 0, rig.fake.head->resource, 0, 0);
	wl_pointer_send_button(pointer, 0, 0, BTN_LEFT, 1);
	wl_pointer_send_axis_value120(pointer, 0, 240);
	wl_pointer_send_axis(pointer, 0, 0, wl_fixed_from_int(30));
	wl_pointer_send_axis_value120(pointer, 1, -120);
	wl_pointer_send_frame(pointer);
	RIG_UNTIL(&rig, rig.inputs == 1);
	assert_int_equal(rig.input.count, 5);
	assert_event(&rig, 2, LINK_INPUT_BUTTON, BTN_LEFT, 1);
	assert_event(&rig, 3, LINK_INPUT_WHEEL, 0, 2);
	assert_event(&rig, 4, LINK_INPUT_HWHEEL, 0, -1);
	wl_pointer_send_leave(pointer, 0, rig.fake.head->resource);
	wl_pointer_send_frame(pointer);
	RIG_UNTIL(&rig, rig.inputs == 2);
	assert_int_equal(rig.input.count, 1);
	assert_event(&rig, 0, LINK_INPUT_BUTTON, BTN_LEFT, 0);
	rig_finish(&rig);
}

static void a_button_stays_held_from_head_to_head(void **state) {
	struct rig rig;
	start_input(&rig);
	struct wl_resource *pointer = rig.fake.pointer, *surface = rig.fake.head->resource;
	wl_pointer_send_enter(pointer, 0, surface, 0, 0);
	wl_pointer_send_button(pointer, 0, 0, BTN_LEFT, 1);
	wl_pointer_send_frame(pointer);
	RIG_UNTIL(&rig, rig.inputs == 1);
	// As mullion's compositor sends it: both at once, but as two frames.
	wl_pointer_send_leave(pointer, 0, surface);
	wl_pointer_send_frame(pointer);
	wl_pointer_send_enter(pointer, 0, surface, wl_fixed_from_int((int)RIG_WIDTH / 2), 0);
	wl_pointer_send_frame(pointer);
	RIG_UNTIL(&rig, rig.inputs == 2);
	assert_int_equal(rig.input.count, 2);
	assert_event(&rig, 0, LINK_INPUT_ABS_X, 0, 16384);
	wl_pointer_send_leave(pointer, 0, surface);
	wl_pointer_send_frame(pointer);
	RIG_UNTIL(&rig, rig.inputs == 3);
	assert_event(&rig, 0, LINK_INPUT_BUTTON, BTN_LEFT, 0);
	rig_finish(&rig);
}

static void parts_of_a_click_add_up(void **state) {
	struct rig rig;
	start_input(&rig);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(rig.inputs, 0);
		wl_pointer_send_axis_value120(rig.fake.pointer, 0, 30);
		wl_pointer_send_frame(rig.fake.pointer);
		rig_spin(&rig, 3);
	}
	RIG_UNTIL(&rig, rig.inputs == 1);
	assert_event(&rig, 0, LINK_INPUT_WHEEL, 0, 1);
	for (int i = 0; i < 3; i++) {
		wl_pointer_send_axis(rig.fake.pointer, 0, 0, wl_fixed_from_int(-5));
		wl_pointer_send_frame(rig.fake.pointer);
	}
	RIG_UNTIL(&rig, rig.inputs == 2);
	assert_event(&rig, 0, LINK_INPUT_WHEEL, 0, -1);
	wl_pointer_send_axis_value120(rig.fake.pointer, 0, INT32_MIN);
	wl_pointer_send_axis_value120(rig.fake.pointer, 0, INT32_MIN);
	wl_pointer_send_frame(rig.fake.pointer);
	RIG_UNTIL(&rig, rig.inputs == 3);
	assert_event(&rig, 0, LINK_INPUT_WHEEL, 0, -100);
	rig_finish(&rig);
}

static void move_by(struct rig *rig, double dx, double dy) {
	// The guest's own acceleration counts, not the compositor's.
	zwp_relative_pointer_v1_send_relative_motion(rig->fake.relative, 0, 0,
		wl_fixed_from_int(99), wl_fixed_from_int(99), wl_fixed_from_double(dx),
		wl_fixed_from_double(dy));
	wl_pointer_send_frame(rig->fake.pointer);
}

static void motion_of_a_locked_pointer_is_relative(void **state) {
	struct rig rig;
	start_input(&rig);
	RIG_UNTIL(&rig, rig.fake.relative != NULL);
	move_by(&rig, 5, -7);
	RIG_UNTIL(&rig, rig.inputs == 1);
	assert_int_equal(rig.input.count, 2);
	assert_event(&rig, 0, LINK_INPUT_REL_X, 0, 5);
	assert_event(&rig, 1, LINK_INPUT_REL_Y, 0, -7);
	// What makes no whole unit waits for the next.
	move_by(&rig, 0.5, -0.25);
	rig_spin(&rig, 5);
	assert_int_equal(rig.inputs, 1);
	move_by(&rig, 0.75, 0);
	RIG_UNTIL(&rig, rig.inputs == 2);
	assert_int_equal(rig.input.count, 1);
	assert_event(&rig, 0, LINK_INPUT_REL_X, 0, 1);
	move_by(&rig, 8388607, -8388607);
	RIG_UNTIL(&rig, rig.inputs == 3);
	assert_event(&rig, 0, LINK_INPUT_REL_X, 0, LINK_INPUT_REL_LIMIT);
	assert_event(&rig, 1, LINK_INPUT_REL_Y, 0, -LINK_INPUT_REL_LIMIT);
	rig_finish(&rig);
}

static void elsewhere_motion_is_not_told_twice(void **state) {
	static const struct fake_options foreign = {.no_guest_role = true};
	struct rig rig;
	rig_init(&rig, &foreign);
	RIG_UNTIL(&rig, rig.fake.pointer != NULL);
	rig_spin(&rig, 10);
	assert_null(rig.fake.relative);
	rig_finish(&rig);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_arrive_as_they_are_numbered),
		cmocka_unit_test(held_keys_are_released_when_the_focus_goes),
		cmocka_unit_test(keys_held_for_somebody_else_are_not_the_guests),
		cmocka_unit_test(held_keys_are_released_when_the_keyboard_goes),
		cmocka_unit_test(many_held_keys_are_released_in_several_messages),
		cmocka_unit_test(pointer_positions_are_scaled_and_clamped),
		cmocka_unit_test(a_pointer_frame_is_one_message),
		cmocka_unit_test(a_button_stays_held_from_head_to_head),
		cmocka_unit_test(parts_of_a_click_add_up),
		cmocka_unit_test(motion_of_a_locked_pointer_is_relative),
		cmocka_unit_test(elsewhere_motion_is_not_told_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
