#ifndef GUEST_BRIDGE_HELD_H
#define GUEST_BRIDGE_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "device-state.h"

/*
 * The answers to flushes that wait for their frame, in the order in which they came. Each
 * frame of a head lets go of those that the guest waits for by a fence, and of one of the
 * others: a guest that never waits gets room for one more flush. Where none has come since
 * the last frame all go.
 */

struct held {
	struct device_state_gpu *state;         // borrowed
	bool flushed_since[DEVICE_STATE_HEADS]; // the last frame
};

void held_init(struct held *held, struct device_state_gpu *state);

/* Adds an answer. False where there is no room: then it is not to be held. */
bool held_add(struct held *held, const struct device_state_held *answer);

/*
 * A frame of a head: calls give for each answer that may go, which stays where that returns
 * false. Returns true where some of that head are left, which wait for another frame.
 */
bool held_frame(struct held *held, unsigned head,
	bool (*give)(void *data, const struct device_state_held *answer), void *data);

/* Heads that have some: bit n, head n. */
uint32_t held_heads(const struct held *held);

/* Forgets all. */
void held_clear(struct held *held);

#endif
