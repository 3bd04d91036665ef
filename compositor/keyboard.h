#ifndef COMPOSITOR_KEYBOARD_H
#define COMPOSITOR_KEYBOARD_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

struct seat;
struct wlr_keyboard;

/* A virtual keyboard, or all of the machine's as one: they share modifiers, locks and lights, as a
 * keyboard may well be several devices. */
struct keyboard {
	struct seat *seat;
	struct wlr_keyboard *wlr;
	struct wl_list link; // seat.keyboards
	struct wl_listener key, modifiers, destroy;
};

/* Takes the keys of a virtual one from now on, which keeps the keymap that it comes with. It goes
 * with its device. */
void keyboard_add(struct seat *seat, struct wlr_keyboard *wlr);

/* Takes those of one of the machine's, with the configuration's keymap. Likewise. */
void keyboard_add_to_machine(struct seat *seat, struct wlr_keyboard *wlr);

/* Gives all of them up. */
void keyboards_finish(struct seat *seat);

/* Shift, Ctrl, Alt, Super and their like. */
bool keyboard_is_modifier(const struct wlr_keyboard *wlr, uint32_t keycode);

#endif
