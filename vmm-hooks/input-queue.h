#ifndef VMM_HOOKS_INPUT_QUEUE_H
#define VMM_HOOKS_INPUT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device-link.h"

/*
 * What the user did and QEMU has not been told yet. Bounded: while QEMU does not take
 * input, motion is merged into the latest place, or summed up where it is relative, and presses and clicks that find no
 * room are lost; but a key that was pressed always has room for its release.
 */

#define INPUT_QUEUE_MAX 256
#define INPUT_BATCH_MAX 32
#define INPUT_KEYS_MAX 4    // in one batch: QEMU's PS/2 keyboard holds 16 bytes, a key has up to 3
#define INPUT_CODES 0x300   // KEY_* and BTN_* that the link carries
#define INPUT_CLICKS_MAX 10 // of the wheel, in one event

struct input_queue {
	struct link_input_event events[INPUT_QUEUE_MAX];
	size_t len;
	bool held[INPUT_CODES]; // pressed, as queued
	size_t held_len;
};

/* Adds one frame of events. Codes that QEMU has no name for are left out. */
void input_queue_add(struct input_queue *queue, const struct link_input *input);

/*
 * Takes the events that one input-send-event may carry: QEMU's pointer devices see the
 * last state of a batch only, so that a batch ends with its first button, and with its last
 * key where it has INPUT_KEYS_MAX: *ret_full says so.
 */
size_t input_queue_take(struct input_queue *queue,
	struct link_input_event ret_events[INPUT_BATCH_MAX], bool *ret_full);

#endif
