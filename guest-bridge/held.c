#include "held.h"

#include <string.h>

void held_init(struct held *held, struct device_state_gpu *state) {
	*held = (struct held){.state = state};
	if (state->held_count > DEVICE_STATE_HELD_MAX) {
		state->held_count = 0;
	}
}

bool held_add(struct held *held, const struct device_state_held *answer) {
	struct device_state_gpu *state = held->state;
	if (state->held_count == DEVICE_STATE_HELD_MAX || answer->scanout >= DEVICE_STATE_HEADS) {
		return false;
	}
	state->held[state->held_count++] = *answer;
	held->flushed_since[answer->scanout] = true;
	return true;
}

bool held_frame(struct held *held, unsigned head,
	bool (*give)(void *data, const struct device_state_held *answer), void *data) {
	struct device_state_gpu *state = held->state;
	bool all = !held->flushed_since[head], given = false, rest = false;
	held->flushed_since[head] = false;
	uint32_t left = 0;
	for (uint32_t i = 0; i < state->held_count; i++) {
		const struct device_state_held answer = state->held[i];
		bool mine = answer.scanout == head;
		bool due = mine && (all || answer.fenced != 0 || !given);
		if (due && give(data, &answer)) {
			given = given || answer.fenced == 0;
			continue;
		}
		rest = rest || mine;
		state->held[left++] = answer;
	}
	state->held_count = left;
	return rest;
}

uint32_t held_heads(const struct held *held) {
	uint32_t heads = 0;
	for (uint32_t i = 0; i < held->state->held_count; i++) {
		heads |= UINT32_C(1) << held->state->held[i].scanout % DEVICE_STATE_HEADS;
	}
	return heads;
}

void held_clear(struct held *held) {
	held->state->held_count = 0;
	memset(held->flushed_since, 0, sizeof(held->flushed_since));
}
