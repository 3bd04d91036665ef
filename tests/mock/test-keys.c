/*
 * Keys that are typed while a guest's device is replaced: the guest gets them all, in order, and
 * nobody else gets any. The test is both mulliond and the device.
 */
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>

#include "one-guest.h"

#define GREEN 0x00a040

static void show(struct desk *desk) {
	peer_take_keyboard(&desk->peer);
	desk_show(desk, 0, 640, 480, GREEN);
	desk_sync(desk);
}

static int set_up(void **state) {
	static const char *const guests[] = {"work", "other", NULL};
	if (desk_setup_with(state, &(struct session_options){.guests = guests}) < 0) {
		return -1;
	}
	struct desk *desk = *state;
	show(desk);
	assert_int_equal(session_call(&desk->session, "Focus", "name", "work", NULL), 0);
	desk_do(desk, "sleep 1");
	assert_non_null(desk->peer.keyboard.inside);
	return 0;
}

/* While there is no device that could be waited for. */
static void lose_device(struct desk *desk) {
	desk_lose_device(desk);
	session_run(&desk->session, 20);
}

static void take_device(struct desk *desk) {
	desk_take_device(desk);
	show(desk);
}

/* Codes, negative where they are released. */
static void assert_typed(struct desk *desk, const int *codes, unsigned n) {
	const struct peer_keyboard *keyboard = &desk->peer.keyboard;
	desk_sync(desk);
	assert_int_equal(keyboard->len, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(keyboard->keys[i].code, abs(codes[i]));
		assert_int_equal(keyboard->keys[i].pressed, codes[i] > 0);
	}
}

static void keys_reach_the_device_at_once(void **state) {
	struct desk *desk = *state;
	desk_do(desk, "key %d shift", KEY_A);
	assert_typed(desk, (int[]){KEY_LEFTSHIFT, KEY_A, -KEY_A, -KEY_LEFTSHIFT}, 4);
}

static void keys_wait_for_the_next_device(void **state) {
	struct desk *desk = *state;
	lose_device(desk);
	desk_type(desk, "key %d", KEY_A);
	desk_type(desk, "key %d shift", KEY_B);
	take_device(desk);
	assert_typed(desk, (int[]){KEY_A, -KEY_A, KEY_LEFTSHIFT, KEY_B, -KEY_B, -KEY_LEFTSHIFT}, 6);
	// And the next ones follow as ever.
	desk_do(desk, "key %d", KEY_C);
	assert_int_equal(desk->peer.keyboard.len, 8);
	desk->peer.keyboard.len = 0;
	lose_device(desk);
	take_device(desk);
	assert_typed(desk, NULL, 0);
}

static void keys_that_a_hung_device_was_sent_reach_the_next_one(void **state) {
	struct desk *desk = *state;
	desk_do(desk, "key %d", KEY_A);
	desk->peer.mute = true;
	desk_do(desk, "key %d", KEY_B);
	assert_typed(desk, (int[]){KEY_A, -KEY_A, KEY_B, -KEY_B}, 4);
	lose_device(desk);
	desk_type(desk, "key %d", KEY_C);
	take_device(desk);
	assert_typed(desk, (int[]){KEY_B, -KEY_B, KEY_C, -KEY_C}, 4);
}

static void key_that_is_let_go_meanwhile_is_released(void **state) {
	struct desk *desk = *state;
	desk_do(desk, "press %d", KEY_LEFTCTRL);
	desk_do(desk, "press %d", KEY_A);
	lose_device(desk);
	desk_type(desk, "release %d", KEY_A);
	desk_type(desk, "key %d", KEY_B);
	desk_type(desk, "release %d", KEY_LEFTCTRL);
	take_device(desk);
	// mulliond lets go of all when a device goes: what still modifies is pressed again.
	assert_typed(desk, (int[]){KEY_LEFTCTRL, -KEY_A, KEY_B, -KEY_B, -KEY_LEFTCTRL}, 5);
}

static void modifier_that_is_still_held_is_pressed_again(void **state) {
	struct desk *desk = *state;
	desk_do(desk, "press %d", KEY_LEFTSHIFT);
	lose_device(desk);
	desk_type(desk, "key %d", KEY_A);
	take_device(desk);
	assert_typed(desk, (int[]){KEY_LEFTSHIFT, KEY_A, -KEY_A}, 3);
	desk_do(desk, "release %d", KEY_LEFTSHIFT);
	assert_int_equal(desk->peer.keyboard.len, 4);
}

static void keys_are_dropped_when_the_focus_moves(void **state) {
	struct desk *desk = *state;
	int fd = session_take_display(&desk->session, "other", 5000);
	struct peer other;
	assert_true(fd >= 0 && peer_connect(&other, fd));
	peer_take_keyboard(&other);
	struct peer_head *head = peer_make_head(&other, 0);
	wl_buffer_destroy(peer_fill(&other, head->surface, 320, 240, WL_SHM_FORMAT_XRGB8888, 0));
	assert_int_equal(peer_sync(&other), 0);
	assert_int_equal(session_call(&desk->session, "Focus", "name", "work", NULL), 0);
	desk->peer.mute = true;
	desk_do(desk, "key %d", KEY_A);
	lose_device(desk);
	desk_type(desk, "key %d", KEY_B);
	assert_int_equal(session_call(&desk->session, "Focus", "name", "other", NULL), 0);
	session_run(&desk->session, 20);
	assert_int_equal(peer_sync(&other), 0);
	desk_type(desk, "key %d", KEY_C);
	session_run(&desk->session, 20);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(peer_sync(&other), 0);
	}
	assert_int_equal(other.keyboard.len, 2);
	assert_int_equal(other.keyboard.keys[0].code, KEY_C);
	assert_int_equal(session_call(&desk->session, "Focus", "name", "work", NULL), 0);
	take_device(desk);
	assert_typed(desk, NULL, 0);
	peer_finish(&other);
}

#define keys_test(function) cmocka_unit_test_setup_teardown(function, set_up, desk_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		keys_test(keys_reach_the_device_at_once),
		keys_test(keys_wait_for_the_next_device),
		keys_test(keys_that_a_hung_device_was_sent_reach_the_next_one),
		keys_test(key_that_is_let_go_meanwhile_is_released),
		keys_test(modifier_that_is_still_held_is_pressed_again),
		keys_test(keys_are_dropped_when_the_focus_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
