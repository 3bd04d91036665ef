#ifndef GUEST_BRIDGE_INPUT_H
#define GUEST_BRIDGE_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-client.h>

#include "device-link.h"
#include "input-area.h"
#include "input-touch.h"

/*
 * What the focused user types, points at and touches, from a wl_seat to struct link_input. Held keys
 * and buttons are counted here: whatever takes the focus away releases them in the guest.
 * Keys that were down when the focus came belong to whoever had it: the guest never hears of
 * them. Nothing is repeated: a guest does that itself.
 *
 * The pointer has a place on the picture, except while the compositor has locked it to the
 * guest: then it moves, and is told as relative motion, which no compositor but mullion's
 * keeps for that.
 */

#define INPUT_CODES 0x300 // KEY_* and BTN_*

struct input_ops {
	void (*input)(void *data, const struct link_input *input);
	/* The pointer is on that surface; NULL: it has left, or there is none any more. */
	void (*pointed)(void *data, struct wl_pointer *pointer, uint32_t serial,
		struct wl_surface *surface);
	/* A finger goes down on that surface: where is it? False: there is no picture. */
	bool (*touched)(void *data, struct wl_surface *surface, struct input_area *ret);
};

struct input {
	struct wl_seat *seat;
	struct wl_keyboard *keyboard;                      // owned, or NULL
	struct wl_pointer *pointer;                        // owned, or NULL
	struct zwp_relative_pointer_manager_v1 *relatives; // or NULL
	struct zwp_relative_pointer_v1 *relative;          // owned, or NULL
	wl_fixed_t rest[2];                                // of relative motion: less than a unit
	struct input_area area;                            // of the picture under the pointer
	uint64_t keys[INPUT_CODES / 64];
	uint64_t buttons[INPUT_CODES / 64];
	// Of the current wl_pointer.frame: of wheel clicks, in 120ths; of fingers, in surface
	// units. What makes no whole click waits for the next frame.
	int32_t wheel120[2];
	wl_fixed_t wheel_smooth[2];
	bool wheel_clicked[2];
	struct input_touch touch;
	bool left; // the pointer has, and what is held is to be released
	struct link_input pending;
	const struct input_ops *ops;
	void *data;
};

/* seat has no listener yet; it and relatives, which may be NULL, outlive the input. */
void input_init(struct input *input, struct wl_seat *seat,
	struct zwp_relative_pointer_manager_v1 *relatives, const struct input_ops *ops, void *data);

/* Releases what is held. Safe on a zeroed one. */
void input_finish(struct input *input);

/* All events that came together are handled: a pointer that has left one head and is on no
 * other one lets go of what it holds. Safe on a zeroed one. */
void input_dispatched(struct input *input);

/* Pointer positions are scaled from the area's span to LINK_INPUT_ABS_LIMIT. */
void input_set_area(struct input *input, const struct input_area *area);

#endif
