#ifndef GUEST_BRIDGE_INPUT_ROUTE_H
#define GUEST_BRIDGE_INPUT_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "device-link.h"
#include "input-function.h"
#include "touch-pointer.h"

/*
 * Which of a guest's devices gets what the user does: the functions of virtio-input whose driver
 * runs, and without one what the VMM has, over the link: a keyboard and a pointer that firmware
 * and boot loaders know, too. A release goes where its press went.
 *
 * Buttons and wheels go to the mouse while the pointer is locked and moves, otherwise to the
 * tablet. Without a touch screen the first finger is a pointer (touch-pointer.h).
 */

struct input_route {
	/* Borrowed; NULL: there is none. The GPU's place stands for the link. */
	struct input_function *functions[LINK_FUNCTIONS];
	void (*send)(void *data, const struct link_input *input); // over the link
	void *data;
	bool locked; // the last motion was a mouse's
	struct touch_pointer touch_pointer;
	/* Where a press went: 1 + enum link_function; 0: nothing is pressed. */
	uint8_t held[DEVICE_STATE_INPUT_CODES];
	uint8_t contacts[LINK_INPUT_SLOTS];
	struct link_input pending[LINK_FUNCTIONS]; // of the frame in work
};

/* functions are filled in by the caller. */
void input_route_init(struct input_route *route,
	void (*send)(void *data, const struct link_input *input), void *data);

/* One frame of input. */
void input_route_send(struct input_route *route, const struct link_input *input);

#endif
