#include "keymap.h"

#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "input-queue.h"

static void keys_have_the_names_that_qemu_knows(void **state) {
	static const struct {
		uint32_t code;
		const char *name;
	} cases[] = {
		{KEY_A, "a"},
		{KEY_Z, "z"},
		{KEY_0, "0"},
		{KEY_9, "9"},
		{KEY_F1, "f1"},
		{KEY_F12, "f12"},
		{KEY_F13, "f13"},
		{KEY_F24, "f24"},
		{KEY_KP0, "kp_0"},
		{KEY_KPENTER, "kp_enter"},
		{KEY_KPSLASH, "kp_divide"},
		{KEY_ENTER, "ret"},
		{KEY_SPACE, "spc"},
		{KEY_RIGHTALT, "alt_r"},
		{KEY_LEFTMETA, "meta_l"},
		{KEY_102ND, "less"},
		{KEY_SYSRQ, "print"},
		{KEY_PAUSE, "pause"},
		{KEY_RO, "ro"},
		{KEY_YEN, "yen"},
		{KEY_HANGEUL, "lang1"},
		{KEY_VOLUMEUP, "volumeup"},
		{KEY_PLAYPAUSE, "audioplay"},
		{KEY_BACK, "ac_back"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_non_null(keymap_qcode(cases[i].code));
		assert_string_equal(keymap_qcode(cases[i].code), cases[i].name);
	}
}

static void every_key_of_a_keyboard_has_a_name(void **state) {
	for (uint32_t code = KEY_ESC; code <= KEY_DELETE; code++) {
		// No key 84; the rest has no name in QEMU.
		if (code == 84 || code == KEY_ZENKAKUHANKAKU || code == KEY_KATAKANA) {
			continue;
		}
		assert_non_null(keymap_qcode(code));
	}
}

static void other_codes_have_no_name(void **state) {
	static const uint32_t codes[] = {
		KEY_RESERVED, KEY_ZENKAKUHANKAKU, KEY_WLAN, BTN_LEFT, 0x2ff, 0x300, UINT32_MAX};
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		assert_null(keymap_qcode(codes[i]));
	}
	assert_string_equal(keymap_button(BTN_LEFT), "left");
	assert_string_equal(keymap_button(BTN_EXTRA), "extra");
	assert_null(keymap_button(KEY_A));
	assert_null(keymap_button(BTN_TOUCH));
	assert_null(keymap_button(UINT32_MAX));
}

static void add(struct input_queue *queue, uint32_t type, uint32_t code, int32_t value) {
	struct link_input input = {.count = 1, .events = {{type, code, value}}};
	input_queue_add(queue, &input);
}

static void motion_is_merged_until_something_else_happens(void **state) {
	struct input_queue queue = {0};
	for (int i = 0; i < 1000; i++) {
		add(&queue, LINK_INPUT_ABS_X, 0, i);
		add(&queue, LINK_INPUT_ABS_Y, 0, 2 * i);
	}
	assert_int_equal(queue.len, 2);
	add(&queue, LINK_INPUT_BUTTON, BTN_LEFT, 1);
	add(&queue, LINK_INPUT_ABS_X, 0, 7);
	assert_int_equal(queue.len, 4);
	assert_int_equal(queue.events[0].value, 999);
	assert_int_equal(queue.events[1].value, 1998);
	assert_int_equal(queue.events[3].value, 7);
}

static void relative_motion_is_summed_up_until_something_else_happens(void **state) {
	struct input_queue queue = {0};
	for (int i = 0; i < 1000; i++) {
		add(&queue, LINK_INPUT_REL_X, 0, 3);
		add(&queue, LINK_INPUT_REL_Y, 0, -1);
	}
	assert_int_equal(queue.len, 2);
	assert_int_equal(queue.events[0].value, 3000);
	assert_int_equal(queue.events[1].value, -1000);
	add(&queue, LINK_INPUT_REL_X, 0, LINK_INPUT_REL_LIMIT);
	add(&queue, LINK_INPUT_REL_Y, 0, -LINK_INPUT_REL_LIMIT);
	assert_int_equal(queue.events[0].value, LINK_INPUT_REL_LIMIT);
	assert_int_equal(queue.events[1].value, -LINK_INPUT_REL_LIMIT);
	add(&queue, LINK_INPUT_BUTTON, BTN_LEFT, 1);
	add(&queue, LINK_INPUT_REL_X, 0, 7);
	add(&queue, LINK_INPUT_ABS_X, 0, 9);
	add(&queue, LINK_INPUT_REL_X, 0, 1);
	assert_int_equal(queue.len, 6);
	assert_int_equal(queue.events[3].value, 7);
	assert_int_equal(queue.events[5].value, 1);
}

static void a_pressed_key_always_has_room_for_its_release(void **state) {
	struct input_queue queue = {0};
	for (int round = 0; round < 1000; round++) {
		for (uint32_t code = KEY_ESC; code < KEY_F10; code++) {
			add(&queue, LINK_INPUT_KEY, code, 1);
			add(&queue, LINK_INPUT_KEY, code, 1);
		}
		add(&queue, LINK_INPUT_WHEEL, 0, 120);
		add(&queue, LINK_INPUT_ABS_X, 0, round);
		assert_true(queue.len + queue.held_len <= INPUT_QUEUE_MAX);
	}
	for (uint32_t code = KEY_ESC; code < KEY_F10; code++) {
		add(&queue, LINK_INPUT_KEY, code, 0);
	}
	assert_int_equal(queue.held_len, 0);
	assert_true(queue.len <= INPUT_QUEUE_MAX);
	bool down[INPUT_CODES] = {0};
	struct link_input_event batch[INPUT_BATCH_MAX];
	size_t n;
	bool full;
	while ((n = input_queue_take(&queue, batch, &full)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (batch[i].type == LINK_INPUT_KEY) {
				down[batch[i].code] = batch[i].value;
			}
		}
	}
	for (size_t i = 0; i < INPUT_CODES; i++) {
		assert_false(down[i]);
	}
}

static void a_release_without_its_press_is_left_out(void **state) {
	struct input_queue queue = {0};
	add(&queue, LINK_INPUT_KEY, KEY_A, 0);
	add(&queue, LINK_INPUT_KEY, KEY_ZENKAKUHANKAKU, 1);
	add(&queue, LINK_INPUT_BUTTON, KEY_A, 1);
	add(&queue, LINK_INPUT_KEY, BTN_LEFT, 1);
	assert_int_equal(queue.len, 0);
}

static void a_batch_has_few_keys(void **state) {
	struct input_queue queue = {0};
	struct link_input_event batch[INPUT_BATCH_MAX];
	bool full;
	for (uint32_t i = 0; i <= INPUT_KEYS_MAX; i++) {
		add(&queue, LINK_INPUT_KEY, KEY_A + i, 1);
	}
	assert_int_equal(input_queue_take(&queue, batch, &full), INPUT_KEYS_MAX);
	assert_true(full);
	assert_int_equal(batch[INPUT_KEYS_MAX - 1].code, KEY_A + INPUT_KEYS_MAX - 1);
	assert_int_equal(input_queue_take(&queue, batch, &full), 1);
	assert_false(full);
}

static void a_batch_ends_with_its_first_button(void **state) {
	struct input_queue queue = {0};
	struct link_input click = {
		.count = 4,
		.events =
			{
				{LINK_INPUT_ABS_X, 0, 1},
				{LINK_INPUT_BUTTON, BTN_LEFT, 1},
				{LINK_INPUT_BUTTON, BTN_LEFT, 0},
				{LINK_INPUT_ABS_X, 0, 2},
			},
	};
	input_queue_add(&queue, &click);
	struct link_input_event batch[INPUT_BATCH_MAX];
	bool full;
	assert_int_equal(input_queue_take(&queue, batch, &full), 2);
	assert_int_equal(batch[1].value, 1);
	assert_int_equal(input_queue_take(&queue, batch, &full), 1);
	assert_int_equal(batch[0].value, 0);
	assert_int_equal(input_queue_take(&queue, batch, &full), 1);
	assert_int_equal(input_queue_take(&queue, batch, &full), 0);
}

static void wheel_clicks_are_bounded(void **state) {
	struct input_queue queue = {0};
	add(&queue, LINK_INPUT_WHEEL, 0, -2);
	add(&queue, LINK_INPUT_HWHEEL, 0, 120);
	assert_int_equal(queue.len, 2 + INPUT_CLICKS_MAX);
	assert_int_equal(queue.events[0].value, -1);
	assert_int_equal(queue.events[2].value, 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_have_the_names_that_qemu_knows),
		cmocka_unit_test(every_key_of_a_keyboard_has_a_name),
		cmocka_unit_test(other_codes_have_no_name),
		cmocka_unit_test(motion_is_merged_until_something_else_happens),
		cmocka_unit_test(relative_motion_is_summed_up_until_something_else_happens),
		cmocka_unit_test(a_pressed_key_always_has_room_for_its_release),
		cmocka_unit_test(a_release_without_its_press_is_left_out),
		cmocka_unit_test(a_batch_has_few_keys),
		cmocka_unit_test(a_batch_ends_with_its_first_button),
		cmocka_unit_test(wheel_clicks_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
