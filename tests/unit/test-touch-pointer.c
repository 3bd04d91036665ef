#include "touch-pointer.h"

#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define DOWN(slot, x, y)                                                                           \
	{LINK_INPUT_TOUCH, slot, 1}, {LINK_INPUT_TOUCH_X, slot, x}, {                              \
		LINK_INPUT_TOUCH_Y, slot, y                                                        \
	}
#define MOVE(slot, x, y)                                                                           \
	{LINK_INPUT_TOUCH_X, slot, x}, {                                                           \
		LINK_INPUT_TOUCH_Y, slot, y                                                        \
	}
#define UP(slot) {LINK_INPUT_TOUCH, slot, 0}
#define AT(x, y)                                                                                   \
	{LINK_INPUT_ABS_X, 0, x}, {                                                                \
		LINK_INPUT_ABS_Y, 0, y                                                             \
	}
#define BUTTON(pressed) {LINK_INPUT_BUTTON, BTN_LEFT, pressed}

#define CONVERT(pointer, ...)                                                                      \
	convert(pointer, (struct link_input_event[]){__VA_ARGS__},                                 \
		sizeof((struct link_input_event[]){__VA_ARGS__}))
#define ASSERT_BECAME(...)                                                                         \
	assert_became((struct link_input_event[]){__VA_ARGS__},                                    \
		sizeof((struct link_input_event[]){__VA_ARGS__}))

static struct link_input input;

static void convert(
	struct touch_pointer *pointer, const struct link_input_event *events, size_t size) {
	input = (struct link_input){.count = (uint32_t)(size / sizeof(*events))};
	memcpy(input.events, events, size);
	touch_pointer_convert(pointer, &input);
}

static void assert_became(const struct link_input_event *events, size_t size) {
	assert_int_equal(input.count, size / sizeof(*events));
	assert_memory_equal(input.events, events, size);
}

static void the_first_finger_is_a_pointer_with_its_button_held(void **state) {
	struct touch_pointer pointer = {0};
	CONVERT(&pointer, DOWN(4, 100, 200));
	ASSERT_BECAME(AT(100, 200), BUTTON(1));
	CONVERT(&pointer, MOVE(4, 110, 220));
	ASSERT_BECAME(AT(110, 220));
	CONVERT(&pointer, UP(4));
	ASSERT_BECAME(BUTTON(0));
}

static void further_fingers_do_nothing(void **state) {
	struct touch_pointer pointer = {0};
	CONVERT(&pointer, DOWN(0, 1, 2), DOWN(1, 3, 4));
	ASSERT_BECAME(AT(1, 2), BUTTON(1));
	CONVERT(&pointer, MOVE(1, 5, 6));
	assert_int_equal(input.count, 0);
	CONVERT(&pointer, MOVE(1, 5, 6), UP(0), MOVE(1, 7, 8));
	ASSERT_BECAME(BUTTON(0));
	// The one that is left does not become the first.
	CONVERT(&pointer, MOVE(1, 9, 9), UP(1));
	assert_int_equal(input.count, 0);
	CONVERT(&pointer, DOWN(1, 3, 4));
	ASSERT_BECAME(AT(3, 4), BUTTON(1));
}

static void a_tap_within_one_message_is_a_click(void **state) {
	struct touch_pointer pointer = {0};
	CONVERT(&pointer, DOWN(0, 1, 2), UP(0), DOWN(0, 3, 4), UP(0));
	ASSERT_BECAME(AT(1, 2), BUTTON(1), BUTTON(0), AT(3, 4), BUTTON(1), BUTTON(0));
	assert_false(pointer.down);
}

static void everything_else_passes(void **state) {
	struct touch_pointer pointer = {0};
	CONVERT(&pointer, {LINK_INPUT_KEY, KEY_A, 1}, DOWN(0, 1, 2), {LINK_INPUT_WHEEL, 0, -1});
	ASSERT_BECAME({LINK_INPUT_KEY, KEY_A, 1}, AT(1, 2), {LINK_INPUT_WHEEL, 0, -1}, BUTTON(1));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_finger_is_a_pointer_with_its_button_held),
		cmocka_unit_test(further_fingers_do_nothing),
		cmocka_unit_test(a_tap_within_one_message_is_a_click),
		cmocka_unit_test(everything_else_passes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
