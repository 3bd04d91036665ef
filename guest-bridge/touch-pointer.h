#ifndef GUEST_BRIDGE_TOUCH_POINTER_H
#define GUEST_BRIDGE_TOUCH_POINTER_H

#include <stdbool.h>
#include <stdint.h>

#include "device-link.h"

/*
 * For a guest without a touch screen: the first finger is an absolute pointer with its left
 * button held. Others that come before it is lifted do nothing.
 */
struct touch_pointer {
	bool down;
	uint32_t slot; // of that finger
};

/* Leaves no LINK_INPUT_TOUCH* in input, which may be empty afterwards. */
void touch_pointer_convert(struct touch_pointer *pointer, struct link_input *input);

#endif
