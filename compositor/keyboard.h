#ifndef COMPOSITOR_KEYBOARD_H
#define COMPOSITOR_KEYBOARD_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

struct seat;
struct wlr_keyboard;

/* One keyboard, a machine's or a virtual one. */
struct keyboard {
	struct seat *seat;
	struct wlr_keyboard *wlr;
	struct wl_list link; // seat.keyboards
	struct wl_listener key, modifiers, destroy;
};

/*
 * Takes its keys from now on. With own_keymap it keeps the keymap it came with (a virtual
 * one's), else it gets the configuration's. It goes with its device.
 */
void keyboard_add(struct seat *seat, struct wlr_keyboard *wlr, bool own_keymap);

/* Shift, Ctrl, Alt, Super and their like. */
bool keyboard_is_modifier(const struct wlr_keyboard *wlr, uint32_t keycode);

/* Before its device goes. */
void keyboard_remove(struct keyboard *keyboard);

#endif
