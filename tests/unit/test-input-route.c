#include "input-route.h"

#include <linux/input.h>
#include <linux/virtio_pci.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "input-rig.h"

static struct input_rig rigs[LINK_FUNCTIONS];
static struct input_route route;
static struct link_input linked; // all that went over the link
static unsigned linked_frames;

static void handle_send(void *data, const struct link_input *input) {
	linked_frames++;
	for (uint32_t i = 0; i < input->count; i++) {
		assert_true(linked.count < LINK_INPUT_MAX);
		linked.events[linked.count++] = input->events[i];
	}
}

static int power_on(void **unused) {
	input_route_init(&route, handle_send, NULL);
	linked = (struct link_input){0};
	linked_frames = 0;
	for (unsigned i = LINK_FUNCTION_KEYBOARD; i < LINK_FUNCTIONS; i++) {
		input_rig_init(&rigs[i], i);
		route.functions[i] = &rigs[i].function;
	}
	return 0;
}

static int power_off(void **unused) {
	for (unsigned i = LINK_FUNCTION_KEYBOARD; i < LINK_FUNCTIONS; i++) {
		input_rig_finish(&rigs[i]);
	}
	return 0;
}

static void drive(enum link_function function) {
	input_rig_drive(&rigs[function], 0, 64);
	input_rig_offer(&rigs[function], 0, 64);
	input_rig_spin(&rigs[function]);
}

static void drive_all(void) {
	for (unsigned i = LINK_FUNCTION_KEYBOARD; i < LINK_FUNCTIONS; i++) {
		drive(i);
	}
}

static void send(uint32_t type, uint32_t code, int32_t value) {
	const struct link_input input = {.count = 1, .events = {{type, code, value}}};
	input_route_send(&route, &input);
}

/* Events that a function's driver has got since the last look. */
static unsigned got(enum link_function function) {
	return input_rig_take(&rigs[function], 0);
}

static bool holds(enum link_function function, uint32_t code) {
	got(function);
	return input_rig_sees_held(&rigs[function], code);
}

static void assert_linked(uint32_t i, uint32_t type, uint32_t code, int32_t value) {
	assert_true(i < linked.count);
	assert_int_equal(linked.events[i].type, type);
	assert_int_equal(linked.events[i].code, code);
	assert_int_equal(linked.events[i].value, value);
}

static void without_drivers_all_goes_over_the_link(void **unused) {
	const struct link_input frame = {.count = 3,
		.events = {{LINK_INPUT_ABS_X, 0, 1}, {LINK_INPUT_ABS_Y, 0, 2},
			{LINK_INPUT_BUTTON, BTN_LEFT, 1}}};
	send(LINK_INPUT_KEY, KEY_A, 1);
	input_route_send(&route, &frame);
	send(LINK_INPUT_REL_X, 0, 4);
	send(LINK_INPUT_WHEEL, 0, 1);
	assert_int_equal(linked_frames, 4);
	assert_linked(0, LINK_INPUT_KEY, KEY_A, 1);
	assert_linked(1, LINK_INPUT_ABS_X, 0, 1);
	assert_linked(2, LINK_INPUT_ABS_Y, 0, 2);
	assert_linked(3, LINK_INPUT_BUTTON, BTN_LEFT, 1);
	assert_linked(4, LINK_INPUT_REL_X, 0, 4);
	assert_linked(5, LINK_INPUT_WHEEL, 0, 1);
}

static void a_guest_without_such_functions_gets_all_over_the_link(void **unused) {
	input_route_init(&route, handle_send, NULL);
	send(LINK_INPUT_KEY, KEY_A, 1);
	send(LINK_INPUT_TOUCH, 0, 1);
	assert_linked(0, LINK_INPUT_KEY, KEY_A, 1);
	assert_linked(1, LINK_INPUT_BUTTON, BTN_LEFT, 1);
}

static void each_function_gets_its_own(void **unused) {
	drive_all();
	send(LINK_INPUT_KEY, KEY_A, 1);
	assert_int_equal(got(LINK_FUNCTION_KEYBOARD), 2);
	send(LINK_INPUT_ABS_X, 0, 1);
	assert_int_equal(got(LINK_FUNCTION_TABLET), 3);
	send(LINK_INPUT_WHEEL, 0, 1);
	assert_int_equal(got(LINK_FUNCTION_TABLET), 2);
	send(LINK_INPUT_TOUCH, 0, 1);
	assert_true(got(LINK_FUNCTION_TOUCH) > 0);
	send(LINK_INPUT_REL_X, 0, 1);
	assert_int_equal(got(LINK_FUNCTION_MOUSE), 2);
	assert_int_equal(linked.count, 0);
	assert_int_equal(got(LINK_FUNCTION_TABLET), 0);
}

static void keys_that_the_keyboard_has_not_go_over_the_link(void **unused) {
	drive_all();
	send(LINK_INPUT_KEY, BTN_A, 1);
	assert_linked(0, LINK_INPUT_KEY, BTN_A, 1);
	send(LINK_INPUT_KEY, UINT32_MAX, 1);
	assert_int_equal(linked.count, 1);
}

static void a_release_goes_where_its_press_went(void **unused) {
	send(LINK_INPUT_KEY, KEY_A, 1);
	send(LINK_INPUT_BUTTON, BTN_LEFT, 1);
	drive_all();
	send(LINK_INPUT_KEY, KEY_B, 1);
	send(LINK_INPUT_KEY, KEY_A, 0);
	send(LINK_INPUT_BUTTON, BTN_LEFT, 0);
	assert_linked(2, LINK_INPUT_KEY, KEY_A, 0);
	assert_linked(3, LINK_INPUT_BUTTON, BTN_LEFT, 0);
	assert_true(holds(LINK_FUNCTION_KEYBOARD, KEY_B));
	// The driver goes, and with it what it holds for pressed.
	input_rig_put(&rigs[LINK_FUNCTION_KEYBOARD], VIRTIO_PCI_COMMON_STATUS, 0, 1);
	send(LINK_INPUT_KEY, KEY_B, 0);
	assert_int_equal(linked.count, 4);
	send(LINK_INPUT_KEY, KEY_B, 1);
	assert_linked(4, LINK_INPUT_KEY, KEY_B, 1);
	drive(LINK_FUNCTION_KEYBOARD);
	send(LINK_INPUT_KEY, KEY_B, 0);
	assert_linked(5, LINK_INPUT_KEY, KEY_B, 0);
	assert_int_equal(got(LINK_FUNCTION_KEYBOARD), 0);
}

static void a_locked_pointers_buttons_are_the_mouses(void **unused) {
	drive_all();
	send(LINK_INPUT_ABS_X, 0, 9);
	send(LINK_INPUT_BUTTON, BTN_LEFT, 1);
	send(LINK_INPUT_REL_X, 0, 3);
	send(LINK_INPUT_BUTTON, BTN_RIGHT, 1);
	send(LINK_INPUT_WHEEL, 0, 1);
	assert_true(holds(LINK_FUNCTION_TABLET, BTN_LEFT));
	assert_true(holds(LINK_FUNCTION_MOUSE, BTN_RIGHT));
	assert_int_equal(rigs[LINK_FUNCTION_MOUSE].seen[4].code, REL_WHEEL);
	// It is free again.
	send(LINK_INPUT_BUTTON, BTN_LEFT, 0);
	send(LINK_INPUT_ABS_X, 0, 10);
	send(LINK_INPUT_BUTTON, BTN_RIGHT, 0);
	assert_false(holds(LINK_FUNCTION_TABLET, BTN_LEFT));
	assert_false(holds(LINK_FUNCTION_MOUSE, BTN_RIGHT));
	send(LINK_INPUT_BUTTON, BTN_MIDDLE, 1);
	assert_true(holds(LINK_FUNCTION_TABLET, BTN_MIDDLE));
	assert_int_equal(linked.count, 0);
}

static void without_a_touch_screen_the_first_finger_points(void **unused) {
	const struct link_input down = {.count = 3,
		.events = {{LINK_INPUT_TOUCH, 4, 1}, {LINK_INPUT_TOUCH_X, 4, 10},
			{LINK_INPUT_TOUCH_Y, 4, 11}}};
	const struct link_input second = {.count = 3,
		.events = {{LINK_INPUT_TOUCH, 5, 1}, {LINK_INPUT_TOUCH_X, 5, 20},
			{LINK_INPUT_TOUCH_Y, 5, 21}}};
	input_route_send(&route, &down);
	assert_linked(0, LINK_INPUT_ABS_X, 0, 10);
	assert_linked(1, LINK_INPUT_ABS_Y, 0, 11);
	assert_linked(2, LINK_INPUT_BUTTON, BTN_LEFT, 1);
	input_route_send(&route, &second);
	send(LINK_INPUT_TOUCH, 5, 0);
	assert_int_equal(linked.count, 3);
	send(LINK_INPUT_TOUCH_X, 4, 12);
	assert_linked(3, LINK_INPUT_ABS_X, 0, 12);
	// A touch screen comes: this finger stays what it was.
	drive(LINK_FUNCTION_TOUCH);
	send(LINK_INPUT_TOUCH, 4, 0);
	assert_linked(4, LINK_INPUT_BUTTON, BTN_LEFT, 0);
	assert_int_equal(linked.count, 5);
	assert_int_equal(got(LINK_FUNCTION_TOUCH), 0);
	input_route_send(&route, &down);
	assert_true(holds(LINK_FUNCTION_TOUCH, BTN_TOUCH));
	send(LINK_INPUT_TOUCH, 4, 0);
	assert_false(holds(LINK_FUNCTION_TOUCH, BTN_TOUCH));
	send(LINK_INPUT_TOUCH, LINK_INPUT_SLOTS, 1);
	send(LINK_INPUT_TOUCH_X, UINT32_MAX, 1);
	assert_int_equal(linked.count, 5);
}

static void a_finger_points_with_the_tablet(void **unused) {
	drive(LINK_FUNCTION_TABLET);
	send(LINK_INPUT_TOUCH, 0, 1);
	assert_true(holds(LINK_FUNCTION_TABLET, BTN_LEFT));
	send(LINK_INPUT_TOUCH, 0, 0);
	assert_false(holds(LINK_FUNCTION_TABLET, BTN_LEFT));
	assert_int_equal(linked.count, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			without_drivers_all_goes_over_the_link, power_on, power_off),
		cmocka_unit_test_setup_teardown(
			a_guest_without_such_functions_gets_all_over_the_link, power_on, power_off),
		cmocka_unit_test_setup_teardown(each_function_gets_its_own, power_on, power_off),
		cmocka_unit_test_setup_teardown(
			keys_that_the_keyboard_has_not_go_over_the_link, power_on, power_off),
		cmocka_unit_test_setup_teardown(
			a_release_goes_where_its_press_went, power_on, power_off),
		cmocka_unit_test_setup_teardown(
			a_locked_pointers_buttons_are_the_mouses, power_on, power_off),
		cmocka_unit_test_setup_teardown(
			without_a_touch_screen_the_first_finger_points, power_on, power_off),
		cmocka_unit_test_setup_teardown(
			a_finger_points_with_the_tablet, power_on, power_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
