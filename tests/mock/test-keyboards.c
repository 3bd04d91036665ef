/* Several keyboards of one machine, or one that is several devices, plugged in and out. */
#include <linux/input-event-codes.h>
#include <stdlib.h>

#include "fd.h"
#include "machine.h"
#include "one-guest.h"

#define LED_CAPS_LOCK 2 // enum wlr_keyboard_led

struct table {
	struct desk *desk;
	int hand;
};

static int set_up(void **state) {
	const struct session_options options = {.program = MACHINE_PROGRAM};
	struct table *table = calloc(1, sizeof(*table));
	*state = table;
	if (table == NULL || desk_setup_with((void **)&table->desk, &options) < 0) {
		return -1;
	}
	table->hand = machine_connect(&table->desk->session);
	return table->hand >= 0 ? 0 : -1;
}

static int tear_down(void **state) {
	struct table *table = *state;
	fd_close(table->hand);
	int result = desk_teardown((void **)&table->desk);
	free(table);
	return result;
}

#define machine(table, ...)                                                                        \
	do {                                                                                       \
		assert_int_equal(machine_do((table)->hand, __VA_ARGS__), 0);                       \
		desk_sync((table)->desk);                                                          \
	} while (0)

/* The guest has the keys, and there are two keyboards. */
static struct table *begin(void **state) {
	struct table *table = *state;
	desk_show(table->desk, 0, 400, 300, 0x00a040);
	machine(table, "keyboard 0");
	machine(table, "keyboard 1");
	peer_take_keyboard(&table->desk->peer);
	desk_sync(table->desk);
	desk_expect(table->desk, "work", "focused", true);
	return table;
}

static void press(struct table *table, int keyboard, int code) {
	machine(table, "key %d %d 1", keyboard, code);
}

static void release(struct table *table, int keyboard, int code) {
	machine(table, "key %d %d 0", keyboard, code);
}

static void assert_key(const struct table *table, unsigned i, uint32_t code, bool pressed) {
	const struct peer_keyboard *keyboard = &table->desk->peer.keyboard;
	assert_true(i < keyboard->len);
	assert_int_equal(keyboard->keys[i].code, code);
	assert_int_equal(keyboard->keys[i].pressed, pressed);
}

static void binding_may_be_pressed_on_two_keyboards(void **state) {
	struct table *table = begin(state);
	press(table, 0, KEY_LEFTMETA);
	press(table, 1, KEY_F);
	release(table, 1, KEY_F);
	release(table, 0, KEY_LEFTMETA);
	desk_expect(table->desk, "work", "fullscreen", true);
	assert_int_equal(table->desk->peer.keyboard.len, 0);
}

static void keys_of_all_keyboards_reach_the_guest(void **state) {
	struct table *table = begin(state);
	press(table, 0, KEY_LEFTCTRL);
	press(table, 1, KEY_C);
	release(table, 1, KEY_C);
	release(table, 0, KEY_LEFTCTRL);
	assert_int_equal(table->desk->peer.keyboard.len, 4);
	assert_key(table, 0, KEY_LEFTCTRL, true);
	assert_key(table, 1, KEY_C, true);
	assert_key(table, 2, KEY_C, false);
	assert_key(table, 3, KEY_LEFTCTRL, false);
}

static void key_held_on_two_keyboards_is_one_key(void **state) {
	struct table *table = begin(state);
	press(table, 0, KEY_A);
	press(table, 1, KEY_A);
	release(table, 0, KEY_A);
	assert_int_equal(table->desk->peer.keyboard.len, 1);
	release(table, 1, KEY_A);
	assert_int_equal(table->desk->peer.keyboard.len, 2);
	assert_key(table, 1, KEY_A, false);
}

static void keyboard_that_goes_releases_what_it_holds(void **state) {
	struct table *table = begin(state);
	press(table, 1, KEY_A);
	machine(table, "remove 1");
	assert_int_equal(table->desk->peer.keyboard.len, 2);
	assert_key(table, 1, KEY_A, false);
	press(table, 0, KEY_B);
	assert_key(table, 2, KEY_B, true);
	machine(table, "remove 0");
	assert_key(table, 3, KEY_B, false);
	machine(table, "keyboard 0");
	press(table, 0, KEY_C);
	assert_key(table, 4, KEY_C, true);
}

static void modifier_of_a_keyboard_that_goes_is_not_in_force(void **state) {
	struct table *table = begin(state);
	press(table, 0, KEY_LEFTMETA);
	machine(table, "remove 0");
	press(table, 1, KEY_F);
	desk_expect(table->desk, "work", "fullscreen", false);
}

static void lights_are_those_of_all_keyboards(void **state) {
	struct table *table = begin(state);
	press(table, 0, KEY_CAPSLOCK);
	release(table, 0, KEY_CAPSLOCK);
	assert_int_equal(machine_do(table->hand, "leds 0"), LED_CAPS_LOCK);
	assert_int_equal(machine_do(table->hand, "leds 1"), LED_CAPS_LOCK);
	machine(table, "keyboard 2");
	assert_int_equal(machine_do(table->hand, "leds 2"), LED_CAPS_LOCK);
	press(table, 2, KEY_CAPSLOCK);
	release(table, 2, KEY_CAPSLOCK);
	assert_int_equal(machine_do(table->hand, "leds 0"), 0);
}

#define table_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		table_test(binding_may_be_pressed_on_two_keyboards),
		table_test(keys_of_all_keyboards_reach_the_guest),
		table_test(key_held_on_two_keyboards_is_one_key),
		table_test(keyboard_that_goes_releases_what_it_holds),
		table_test(modifier_of_a_keyboard_that_goes_is_not_in_force),
		table_test(lights_are_those_of_all_keyboards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
