#ifndef GUEST_BRIDGE_INPUT_BACKLOG_H
#define GUEST_BRIDGE_INPUT_BACKLOG_H

#include <linux/virtio_input.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device-link.h"
#include "device-state.h"

/*
 * What an input device has still to tell its driver, as events of Linux in frames that end with
 * SYN_REPORT. Presses are told in their order; motion that is not told yet is one motion.
 *
 * It is bounded: a driver that takes nothing for long loses what was to be told, and is told
 * later where that has led: what is pressed and what is not any more, and where the pointer is.
 * The same is told of what an earlier process has left pressed. Nothing ever stays pressed that
 * is not.
 */

#define INPUT_FRAME_MAX 64     // events
#define INPUT_BACKLOG_MAX 2048 // events, of all frames that wait

struct input_backlog {
	struct device_state_input *state; // borrowed; .told is kept here
	struct device_state_pressed now;
	int32_t relative[4];     // x, y, wheels to the side and up, not told yet
	bool moved;              // x and y are not told yet
	uint32_t contacts_moved; // bits: contacts of which that is so
	bool dropped;            // what is told next is the difference
	uint16_t contact_id;     // the last that was given
	size_t first, len;       // in the ring
	struct virtio_input_event ring[INPUT_BACKLOG_MAX];
};

/* Goes on from the state: nothing is pressed now. */
void input_backlog_init(struct input_backlog *backlog, struct device_state_input *state);

/* The driver knows nothing, nothing is pressed, and nothing waits. */
void input_backlog_clear(struct input_backlog *backlog);

/* Releases of what is not pressed, presses of what is, and codes that there are not are left
 * out. */
void input_backlog_add(struct input_backlog *backlog, const struct link_input *input);

/* The events that are to be told next, to the end of their frame. 0: nothing waits. */
size_t input_backlog_peek(
	struct input_backlog *backlog, struct virtio_input_event ret[INPUT_FRAME_MAX]);

/* The first n of those are told, which the state says from now on. */
void input_backlog_told(struct input_backlog *backlog, size_t n);

#endif
