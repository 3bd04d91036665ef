/* Keys that wait for a guest's next device. */
#include "key-hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SHIFT 42
#define A 30
#define B 48

static struct key_out press(uint32_t code) {
	return (struct key_out){.keycode = code, .pressed = true};
}

static struct key_out release(uint32_t code) {
	return (struct key_out){.keycode = code, .pressed = false};
}

static void assert_taken(
	struct key_hold *hold, uint64_t now, const struct key_out *expected, size_t n) {
	struct key_out taken[KEY_HOLD_MAX];
	assert_int_equal(key_hold_take(hold, now, taken), n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(taken[i].keycode, expected[i].keycode);
		assert_int_equal(taken[i].pressed, expected[i].pressed);
	}
}

static void keys_come_out_in_their_order_once(void **state) {
	struct key_hold hold = {0};
	const struct key_out keys[] = {press(SHIFT), press(A), release(A), release(SHIFT)};
	for (size_t i = 0; i < 4; i++) {
		key_hold_add(&hold, keys[i], 1000 + i);
	}
	assert_taken(&hold, 2000, keys, 4);
	assert_taken(&hold, 2000, NULL, 0);
}

static void what_was_passed_on_is_not_sent_again(void **state) {
	struct key_hold hold = {0};
	const struct key_out keys[] = {press(A), release(A), press(B), release(B)};
	for (uint32_t i = 0; i < 4; i++) {
		key_hold_add_sent(&hold, keys[i], UINT32_MAX - 1 + i, 0);
	}
	assert_taken(&hold, 0, NULL, 0);
	key_hold_confirm(&hold, UINT32_MAX);
	key_hold_unsend(&hold);
	assert_taken(&hold, 0, &keys[2], 2);
}

static void answer_to_an_older_question_confirms_nothing_newer(void **state) {
	struct key_hold hold = {0};
	const struct key_out a = press(A);
	key_hold_add_sent(&hold, a, 7, 0);
	key_hold_confirm(&hold, 6);
	key_hold_unsend(&hold);
	assert_taken(&hold, 0, &a, 1);
}

static void new_keys_follow_those_that_were_sent(void **state) {
	struct key_hold hold = {0};
	const struct key_out keys[] = {press(A), release(A)};
	key_hold_add_sent(&hold, keys[0], 1, 0);
	key_hold_unsend(&hold);
	key_hold_add(&hold, keys[1], 0);
	assert_taken(&hold, 0, keys, 2);
}

static void modifier_that_is_down_is_pressed_first(void **state) {
	struct key_hold hold = {0};
	const struct key_out expected[] = {press(SHIFT), press(A), release(SHIFT)};
	key_hold_add(&hold, press(A), 0);
	key_hold_press_first(&hold, SHIFT, 0);
	key_hold_press_first(&hold, SHIFT, 0);
	key_hold_add(&hold, release(SHIFT), 0);
	assert_taken(&hold, 0, expected, 3);
}

static void old_keys_are_lost(void **state) {
	struct key_hold hold = {0};
	const struct key_out b = press(B);
	key_hold_add(&hold, press(A), 0);
	key_hold_add(&hold, b, 1);
	assert_taken(&hold, KEY_HOLD_TIME + 1, &b, 1);
}

static void press_that_found_room_has_room_for_its_release(void **state) {
	struct key_hold hold = {0};
	for (uint32_t i = 0; i < 2 * KEY_HOLD_MAX; i++) {
		key_hold_add(&hold, press(i), 0);
	}
	for (uint32_t i = 0; i < 2 * KEY_HOLD_MAX; i++) {
		key_hold_add(&hold, release(i), 0);
	}
	struct key_out taken[KEY_HOLD_MAX];
	bool down[2 * KEY_HOLD_MAX] = {false};
	size_t n = key_hold_take(&hold, 0, taken);
	assert_int_equal(n, KEY_HOLD_MAX);
	for (size_t i = 0; i < n; i++) {
		down[taken[i].keycode] = taken[i].pressed;
	}
	for (size_t i = 0; i < 2 * KEY_HOLD_MAX; i++) {
		assert_false(down[i]);
	}
}

static void nothing_stays_in_memory(void **state) {
	static const struct key_hold none;
	struct key_hold hold = {0};
	struct key_out taken[KEY_HOLD_MAX];
	key_hold_add(&hold, press(A), 1);
	key_hold_take(&hold, 2, taken);
	assert_memory_equal(&hold, &none, sizeof(hold));
	key_hold_add_sent(&hold, press(A), 1, 1);
	key_hold_confirm(&hold, 1);
	assert_memory_equal(&hold, &none, sizeof(hold));
	key_hold_add(&hold, press(A), 1);
	key_hold_clear(&hold);
	assert_memory_equal(&hold, &none, sizeof(hold));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_come_out_in_their_order_once),
		cmocka_unit_test(what_was_passed_on_is_not_sent_again),
		cmocka_unit_test(answer_to_an_older_question_confirms_nothing_newer),
		cmocka_unit_test(new_keys_follow_those_that_were_sent),
		cmocka_unit_test(modifier_that_is_down_is_pressed_first),
		cmocka_unit_test(old_keys_are_lost),
		cmocka_unit_test(press_that_found_room_has_room_for_its_release),
		cmocka_unit_test(nothing_stays_in_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
