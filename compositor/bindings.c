#include "bindings.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <xkbcommon/xkbcommon.h>

#define MODIFIERS (CONFIG_MOD_SHIFT | CONFIG_MOD_CTRL | CONFIG_MOD_ALT | CONFIG_MOD_SUPER)

static bool matches(const struct config_binding *binding, uint32_t modifiers, uint32_t keysym) {
	return binding->keysym != 0 && binding->keysym == keysym && binding->modifiers == modifiers;
}

struct action bindings_find(const struct config_host *host, uint32_t modifiers, uint32_t keysym) {
	modifiers &= MODIFIERS;
	const struct {
		const struct config_binding *binding;
		enum action_type type;
	} single[] = {
		{&host->key_fullscreen, ACTION_FULLSCREEN},
		{&host->key_next, ACTION_NEXT},
		{&host->key_close, ACTION_CLOSE},
		{&host->key_terminal, ACTION_TERMINAL},
		{&host->key_leave, ACTION_LEAVE},
		{&host->key_grab, ACTION_GRAB},
	};
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
		if (matches(single[i].binding, modifiers, keysym)) {
			return (struct action){.type = single[i].type};
		}
	}
	for (unsigned i = 0; i < CONFIG_GUEST_KEYS; i++) {
		if (matches(&host->key_guest[i], modifiers, keysym)) {
			return (struct action){.type = ACTION_GUEST, .number = i + 1};
		}
	}
	for (unsigned i = 0; i < CONFIG_VT_COUNT; i++) {
		if (matches(&host->key_vt[i], modifiers, keysym)) {
			return (struct action){.type = ACTION_VT, .number = i + 1};
		}
	}
	return (struct action){.type = ACTION_NONE};
}

void bindings_describe(const struct config_binding *binding, char ret_text[BINDING_TEXT_MAX]) {
	char name[64];
	if (binding->keysym == 0 || xkb_keysym_get_name(binding->keysym, name, sizeof(name)) < 0) {
		snprintf(ret_text, BINDING_TEXT_MAX, "no key");
		return;
	}
	if (strlen(name) == 1) {
		name[0] = (char)toupper((unsigned char)name[0]);
	}
	snprintf(ret_text, BINDING_TEXT_MAX, "%s%s%s%s%s",
		(binding->modifiers & CONFIG_MOD_SUPER) != 0 ? "Super+" : "",
		(binding->modifiers & CONFIG_MOD_SHIFT) != 0 ? "Shift+" : "",
		(binding->modifiers & CONFIG_MOD_CTRL) != 0 ? "Ctrl+" : "",
		(binding->modifiers & CONFIG_MOD_ALT) != 0 ? "Alt+" : "", name);
}
