#ifndef COMPOSITOR_BINDINGS_H
#define COMPOSITOR_BINDINGS_H

#include <stdint.h>

#include "config.h"

/* What a key of the configuration does. */
enum action_type {
	ACTION_NONE,
	ACTION_FULLSCREEN,
	ACTION_NEXT,
	ACTION_CLOSE,
	ACTION_TERMINAL,
	ACTION_LEAVE,
	ACTION_GRAB,
	ACTION_GUEST, // number: the guest's, from 1
	ACTION_VT,    // number: the virtual terminal's, from 1
};

struct action {
	enum action_type type;
	unsigned number;
};

/* modifiers: enum config_modifier, others are ignored; keysym: the key's without any. */
struct action bindings_find(const struct config_host *host, uint32_t modifiers, uint32_t keysym);

#define BINDING_TEXT_MAX 96

/* The keys as a person reads them, "Super+Shift+E"; "no key" for an unbound one. */
void bindings_describe(const struct config_binding *binding, char ret_text[BINDING_TEXT_MAX]);

#endif
