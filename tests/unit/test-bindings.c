#include "bindings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <xkbcommon/xkbcommon-keysyms.h>

static const struct config_host host = {
	.key_fullscreen = {CONFIG_MOD_SUPER, XKB_KEY_f},
	.key_next = {CONFIG_MOD_SUPER, XKB_KEY_Tab},
	.key_leave = {CONFIG_MOD_SUPER | CONFIG_MOD_SHIFT, XKB_KEY_e},
	.key_grab = {CONFIG_MOD_SUPER, XKB_KEY_g},
	.key_guest = {{CONFIG_MOD_SUPER, XKB_KEY_1}, {CONFIG_MOD_SUPER, XKB_KEY_2}},
	.key_vt = {{CONFIG_MOD_CTRL | CONFIG_MOD_ALT, XKB_KEY_F1}},
};

static void each_key_has_its_action(void **state) {
	const struct {
		uint32_t modifiers, keysym;
		enum action_type type;
		unsigned number;
	} cases[] = {
		{CONFIG_MOD_SUPER, XKB_KEY_f, ACTION_FULLSCREEN, 0},
		{CONFIG_MOD_SUPER, XKB_KEY_Tab, ACTION_NEXT, 0},
		{CONFIG_MOD_SUPER | CONFIG_MOD_SHIFT, XKB_KEY_e, ACTION_LEAVE, 0},
		{CONFIG_MOD_SUPER, XKB_KEY_g, ACTION_GRAB, 0},
		{CONFIG_MOD_SUPER, XKB_KEY_1, ACTION_GUEST, 1},
		{CONFIG_MOD_SUPER, XKB_KEY_2, ACTION_GUEST, 2},
		{CONFIG_MOD_CTRL | CONFIG_MOD_ALT, XKB_KEY_F1, ACTION_VT, 1},
		// Caps Lock and Num Lock say nothing.
		{CONFIG_MOD_SUPER | 1 << 1 | 1 << 4, XKB_KEY_f, ACTION_FULLSCREEN, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct action action = bindings_find(&host, cases[i].modifiers, cases[i].keysym);
		assert_int_equal(action.type, cases[i].type);
		assert_int_equal(action.number, cases[i].number);
	}
}

static void another_modifier_is_another_key(void **state) {
	assert_int_equal(bindings_find(&host, 0, XKB_KEY_f).type, ACTION_NONE);
	assert_int_equal(bindings_find(&host, CONFIG_MOD_SUPER | CONFIG_MOD_SHIFT, XKB_KEY_f).type,
		ACTION_NONE);
	assert_int_equal(bindings_find(&host, CONFIG_MOD_SUPER, XKB_KEY_e).type, ACTION_NONE);
	assert_int_equal(bindings_find(&host, CONFIG_MOD_CTRL, XKB_KEY_F1).type, ACTION_NONE);
}

static void an_unset_key_never_matches(void **state) {
	// key_close and key_terminal are not set, and a key may have no symbol.
	assert_int_equal(bindings_find(&host, 0, 0).type, ACTION_NONE);
	assert_int_equal(bindings_find(&host, CONFIG_MOD_SUPER, 0).type, ACTION_NONE);
}

static void bindings_are_described_as_they_are_written(void **state) {
	static const char *const texts[] = {
		"Super+G", "Super+Shift+Ctrl+Alt+F12", "Ctrl+Alt+Tab", "Super+1", "F5"};
	char text[BINDING_TEXT_MAX];
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct config_binding binding;
		assert_true(config_parse_binding(texts[i], &binding));
		bindings_describe(&binding, text);
		assert_string_equal(text, texts[i]);
	}
	bindings_describe(&(struct config_binding){0}, text);
	assert_string_equal(text, "no key");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_has_its_action),
		cmocka_unit_test(another_modifier_is_another_key),
		cmocka_unit_test(an_unset_key_never_matches),
		cmocka_unit_test(bindings_are_described_as_they_are_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
