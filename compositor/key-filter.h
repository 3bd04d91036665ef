#ifndef COMPOSITOR_KEY_FILTER_H
#define COMPOSITOR_KEY_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Which keys the focused client gets to see. It sees neither a bound key nor its release,
 * and no release of a key whose press somebody else got. Super is held back until it is
 * clear that no binding follows: a lone tap of it arrives as press and release, Super with
 * an unbound key arrives Super first, and Super+F leaves no trace, so that no guest's menu
 * pops up.
 */

#define KEY_FILTER_KEYS 64 // keys down at once, of all keyboards together
#define KEY_FILTER_OUT 2   // the most that one event can cause

enum key_kind {
	KEY_PLAIN,
	KEY_BOUND,    // a binding acts on it
	KEY_MODIFIER, // Shift, Ctrl, ...: says nothing about a held-back Super
	KEY_SUPER,
};

struct key_filter {
	uint32_t delivered[KEY_FILTER_KEYS]; // down at the focused client
	size_t delivered_len;
	uint32_t swallowed[KEY_FILTER_KEYS]; // of bindings, still down
	size_t swallowed_len;
	bool holding;  // a Super is held back
	bool used;     // a binding, or a drag, used it
	uint32_t held; // its keycode
};

struct key_out {
	uint32_t keycode;
	bool pressed;
};

/* Each fills ret with what to send now, and returns how many. Zero-initialise the filter. */
size_t key_filter_press(struct key_filter *filter, uint32_t keycode, enum key_kind kind,
	struct key_out ret[KEY_FILTER_OUT]);
size_t key_filter_release(
	struct key_filter *filter, uint32_t keycode, struct key_out ret[KEY_FILTER_OUT]);

/* A button or the wheel; bound: it drags a window, and no client sees it. */
size_t key_filter_pointer(
	struct key_filter *filter, bool bound, struct key_out ret[KEY_FILTER_OUT]);

/* Another client has the focus: the old one was told that nothing is down any more. */
void key_filter_focus_changed(struct key_filter *filter);

#endif
