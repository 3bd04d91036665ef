#ifndef GUEST_BRIDGE_INPUT_TOUCH_H
#define GUEST_BRIDGE_INPUT_TOUCH_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-client.h>

#include "device-link.h"
#include "input-area.h"

struct input_ops;

/* A finger. */
struct input_slot {
	bool down;
	int32_t id; // the compositor's
	struct input_area area;
};

/*
 * Fingers on the guest's picture, from a wl_touch to struct link_input. Each has a slot of its
 * own from when it goes down until it is lifted, and stays on the head where it went down;
 * those for which there is no slot are ignored. Whatever takes the touch away lifts all.
 */
struct input_touch {
	struct wl_touch *wl; // owned, or NULL
	struct input_slot slots[LINK_INPUT_SLOTS];
	struct link_input pending; // of the current wl_touch.frame
	const struct input_ops *ops;
	void *data;
};

/* Takes wl, which has no listener yet. */
void input_touch_init(
	struct input_touch *touch, struct wl_touch *wl, const struct input_ops *ops, void *data);

/* Lifts all fingers. Safe on a zeroed one. */
void input_touch_finish(struct input_touch *touch);

#endif
