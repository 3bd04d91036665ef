#ifndef GUEST_BRIDGE_INPUT_H
#define GUEST_BRIDGE_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-client.h>

#include "device-link.h"

/*
 * What the focused user types and points at, from a wl_seat to struct link_input. Held keys
 * and buttons are counted here: whatever takes the focus away releases them in the guest.
 * Keys that were down when the focus came belong to whoever had it: the guest never hears of
 * them. Nothing is repeated: a guest does that itself.
 */

#define INPUT_CODES 0x300 // KEY_* and BTN_*

struct input {
	struct wl_seat *seat;
	struct wl_keyboard *keyboard; // owned, or NULL
	struct wl_pointer *pointer;   // owned, or NULL
	uint32_t width, height;       // of the picture under the pointer; 0: none
	uint64_t keys[INPUT_CODES / 64];
	uint64_t buttons[INPUT_CODES / 64];
	// Of the current wl_pointer.frame: of wheel clicks, in 120ths; of fingers, in surface
	// units. What makes no whole click waits for the next frame.
	int32_t wheel120[2];
	wl_fixed_t wheel_smooth[2];
	bool wheel_clicked[2];
	struct link_input pending;
	void (*send)(void *data, const struct link_input *input);
	void *data;
};

/* seat has no listener yet and outlives the input. */
void input_init(struct input *input, struct wl_seat *seat,
	void (*send)(void *data, const struct link_input *input), void *data);

/* Releases what is held. Safe on a zeroed one. */
void input_finish(struct input *input);

/* The picture's size: pointer positions are scaled from it to LINK_INPUT_ABS_LIMIT. */
void input_set_size(struct input *input, uint32_t width, uint32_t height);

/* The position of the guest's pointer, 0 to LINK_INPUT_ABS_LIMIT, for one on a surface that
 * is size pixels wide (or high), size > 0. */
int32_t input_scale(wl_fixed_t position, uint32_t size);

#endif
