#include "flushes.h"

static uint64_t max_u64(uint64_t a, uint64_t b) {
	return a > b ? a : b;
}

void flushes_init(struct flushes *flushes, uint64_t hidden_usec) {
	*flushes = (struct flushes){.hidden_usec = hidden_usec};
}

void flushes_add(struct flushes *flushes, const struct damage_boxes *boxes, uint64_t now) {
	if (!flushes->asked && !flushes->taken) {
		flushes->asked_at = now;
	}
	flushes->asked = true;
	damage_boxes_add_all(&flushes->boxes, boxes);
	flushes->changed = flushes->changed || boxes->len > 0;
	flushes->later = flushes->changed;
	flushes->not_before = 0;
}

void flushes_change_all(struct flushes *flushes, uint64_t not_before) {
	// Changes without end must not put off the first for ever.
	if (!flushes->all || not_before < flushes->not_before) {
		flushes->not_before = not_before;
	}
	flushes->all = true;
	flushes->changed = true;
}

void flushes_flip(struct flushes *flushes, const struct damage_boxes *boxes, uint64_t not_before) {
	if (!flushes->changed) {
		flushes->not_before = not_before;
	}
	damage_boxes_add_all(&flushes->boxes, boxes);
	flushes->changed = true;
}

uint64_t flushes_commit_at(const struct flushes *flushes, const struct pace *pace) {
	if (!flushes->changed || pace_waiting(pace)) {
		return PACE_NEVER;
	}
	if (!pace_hidden(pace) || flushes->committed_at == 0) {
		return flushes->not_before;
	}
	return max_u64(flushes->not_before, flushes->committed_at + flushes->hidden_usec);
}

void flushes_dropped(struct flushes *flushes) {
	flushes->boxes.len = 0;
	flushes->all = false;
	flushes->changed = false;
	flushes->later = false;
	flushes->not_before = 0;
}

void flushes_committed(struct flushes *flushes, uint64_t now) {
	flushes_dropped(flushes);
	flushes->taken = flushes->taken || flushes->asked;
	flushes->asked = false;
	flushes->committed_at = now;
}

uint64_t flushes_answer_at(const struct flushes *flushes, const struct pace *pace, bool able) {
	if (!flushes->asked && !flushes->taken) {
		return PACE_NEVER;
	}
	if (!able || pace_hidden(pace) || pace_waiting(pace) || flushes->changed) {
		return flushes->asked_at + flushes->hidden_usec;
	}
	return pace_refresh_after(pace, flushes->asked_at);
}

bool flushes_frame(struct flushes *flushes, uint64_t now) {
	bool answered = flushes->taken || (flushes->asked && !flushes->later);
	flushes->taken = false;
	flushes->asked = flushes->asked && flushes->later;
	if (answered) {
		flushes->asked_at = now;
	}
	return answered;
}

bool flushes_give_up(struct flushes *flushes) {
	bool asked = flushes->asked || flushes->taken;
	flushes->asked = false;
	flushes->taken = false;
	return asked;
}
