#include "key-filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY_A 30
#define KEY_F 33
#define KEY_LEFTSHIFT 42
#define KEY_LEFTMETA 125
#define KEY_RIGHTMETA 126

/* What the client has seen, as "+30 -30". */
static char seen[256];
static struct key_filter filter;

static int start(void **state) {
	seen[0] = '\0';
	filter = (struct key_filter){0};
	return 0;
}

static void note(const struct key_out *out, size_t n) {
	for (size_t i = 0; i < n; i++) {
		size_t length = strlen(seen);
		snprintf(seen + length, sizeof(seen) - length, "%s%c%u", length > 0 ? " " : "",
			out[i].pressed ? '+' : '-', out[i].keycode);
	}
}

static void press(uint32_t keycode, enum key_kind kind) {
	struct key_out out[KEY_FILTER_OUT];
	note(out, key_filter_press(&filter, keycode, kind, out));
}

static void release(uint32_t keycode) {
	struct key_out out[KEY_FILTER_OUT];
	note(out, key_filter_release(&filter, keycode, out));
}

static void pointer(bool bound) {
	struct key_out out[KEY_FILTER_OUT];
	note(out, key_filter_pointer(&filter, bound, out));
}

static void plain_keys_pass(void **state) {
	press(KEY_A, KEY_PLAIN);
	release(KEY_A);
	assert_string_equal(seen, "+30 -30");
}

static void a_binding_leaves_no_trace(void **state) {
	press(KEY_LEFTMETA, KEY_SUPER);
	press(KEY_F, KEY_BOUND);
	release(KEY_F);
	release(KEY_LEFTMETA);
	assert_string_equal(seen, "");
}

static void nor_does_one_whose_super_goes_up_first(void **state) {
	press(KEY_LEFTMETA, KEY_SUPER);
	press(KEY_F, KEY_BOUND);
	release(KEY_LEFTMETA);
	release(KEY_F);
	assert_string_equal(seen, "");
}

static void a_lone_super_is_a_tap(void **state) {
	press(KEY_LEFTMETA, KEY_SUPER);
	assert_string_equal(seen, "");
	release(KEY_LEFTMETA);
	assert_string_equal(seen, "+125 -125");
}

static void super_with_an_unbound_key_comes_first(void **state) {
	press(KEY_LEFTMETA, KEY_SUPER);
	press(KEY_A, KEY_PLAIN);
	release(KEY_A);
	release(KEY_LEFTMETA);
	assert_string_equal(seen, "+125 +30 -30 -125");
}

static void other_modifiers_do_not_give_super_away(void **state) {
	press(KEY_LEFTMETA, KEY_SUPER);
	press(KEY_LEFTSHIFT, KEY_MODIFIER);
	press(KEY_F, KEY_BOUND);
	release(KEY_F);
	release(KEY_LEFTSHIFT);
	release(KEY_LEFTMETA);
	assert_string_equal(seen, "+42 -42");
}

static void an_unbound_key_after_a_binding_has_its_super(void **state) {
	press(KEY_LEFTMETA, KEY_SUPER);
	press(KEY_F, KEY_BOUND);
	release(KEY_F);
	press(KEY_A, KEY_PLAIN);
	release(KEY_A);
	release(KEY_LEFTMETA);
	assert_string_equal(seen, "+125 +30 -30 -125");
}

static void the_next_tap_counts_again(void **state) {
	press(KEY_LEFTMETA, KEY_SUPER);
	press(KEY_F, KEY_BOUND);
	release(KEY_F);
	release(KEY_LEFTMETA);
	press(KEY_LEFTMETA, KEY_SUPER);
	release(KEY_LEFTMETA);
	assert_string_equal(seen, "+125 -125");
}

static void a_drag_uses_super_and_a_click_does_not(void **state) {
	press(KEY_LEFTMETA, KEY_SUPER);
	pointer(true);
	release(KEY_LEFTMETA);
	assert_string_equal(seen, "");
	press(KEY_LEFTMETA, KEY_SUPER);
	pointer(false);
	assert_string_equal(seen, "+125");
	release(KEY_LEFTMETA);
	assert_string_equal(seen, "+125 -125");
}

static void a_new_focus_sees_no_release_of_old_keys(void **state) {
	press(KEY_A, KEY_PLAIN);
	press(KEY_LEFTMETA, KEY_SUPER);
	key_filter_focus_changed(&filter);
	release(KEY_LEFTMETA);
	release(KEY_A);
	assert_string_equal(seen, "+30");
}

static void two_supers_are_two_keys(void **state) {
	press(KEY_LEFTMETA, KEY_SUPER);
	press(KEY_RIGHTMETA, KEY_SUPER);
	release(KEY_RIGHTMETA);
	release(KEY_LEFTMETA);
	assert_string_equal(seen, "+125 +126 -126 -125");
}

static void a_release_without_press_is_dropped(void **state) {
	release(KEY_A);
	assert_string_equal(seen, "");
}

static void a_keyboard_with_too_many_keys_is_bounded(void **state) {
	for (uint32_t i = 0; i < 10 * KEY_FILTER_KEYS; i++) {
		struct key_out out[KEY_FILTER_OUT];
		assert_true(key_filter_press(&filter, i, KEY_PLAIN, out) <= 1);
		key_filter_press(&filter, i, KEY_BOUND, out);
	}
	assert_int_equal(filter.delivered_len, KEY_FILTER_KEYS);
	assert_int_equal(filter.swallowed_len, KEY_FILTER_KEYS);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(plain_keys_pass, start),
		cmocka_unit_test_setup(a_binding_leaves_no_trace, start),
		cmocka_unit_test_setup(nor_does_one_whose_super_goes_up_first, start),
		cmocka_unit_test_setup(a_lone_super_is_a_tap, start),
		cmocka_unit_test_setup(super_with_an_unbound_key_comes_first, start),
		cmocka_unit_test_setup(other_modifiers_do_not_give_super_away, start),
		cmocka_unit_test_setup(an_unbound_key_after_a_binding_has_its_super, start),
		cmocka_unit_test_setup(the_next_tap_counts_again, start),
		cmocka_unit_test_setup(a_drag_uses_super_and_a_click_does_not, start),
		cmocka_unit_test_setup(a_new_focus_sees_no_release_of_old_keys, start),
		cmocka_unit_test_setup(two_supers_are_two_keys, start),
		cmocka_unit_test_setup(a_release_without_press_is_dropped, start),
		cmocka_unit_test_setup(a_keyboard_with_too_many_keys_is_bounded, start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
