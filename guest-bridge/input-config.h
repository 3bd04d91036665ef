#ifndef GUEST_BRIDGE_INPUT_CONFIG_H
#define GUEST_BRIDGE_INPUT_CONFIG_H

#include <linux/virtio_input.h>
#include <stdbool.h>
#include <stdint.h>

#include "device-link.h"

/*
 * What an input device says of itself (virtio 1.3, 5.8.4): its name, and which events it has.
 * Guests tell from that what it is: a keyboard that they repeat the keys of, a pointer with a
 * place on the screen, a mouse, or a touch screen.
 */

#define INPUT_CONFIG_RESOLUTION 100    // units a mm: a screen of 33 cm
#define INPUT_CONFIG_CONTACT_MAX 65535 // the largest ABS_MT_TRACKING_ID; none is 0

/* Fills in what a driver that has selected this reads, but for the selection itself; size 0:
 * nothing of that kind. serial may be any text. */
void input_config_read(enum link_function function, const char *serial, uint8_t select,
	uint8_t subsel, struct virtio_input_config *ret);

/* Whether the device has this event: EV_* and its code. */
bool input_config_has(enum link_function function, uint16_t type, uint32_t code);

#endif
