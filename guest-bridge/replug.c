#include "replug.h"

void replug_init(struct replug *replug, bool unplugged, uint64_t now) {
	*replug = (struct replug){.unplugged = unplugged, .due = unplugged ? now : PACE_NEVER};
}

void replug_told(struct replug *replug, uint64_t now) {
	replug->told = !replug->out;
	if (!replug->unplugged && !replug->out) {
		replug->due = now + REPLUG_AFTER;
	}
}

void replug_followed(struct replug *replug) {
	replug->told = false;
	if (!replug->unplugged && !replug->out) {
		replug->due = PACE_NEVER;
	}
}

void replug_left(struct replug *replug, uint64_t now) {
	if (replug->unplugged && !replug->out) {
		replug->due = now;
	}
}

void replug_keep_out(struct replug *replug, bool out, uint64_t now) {
	replug->out = out;
	replug->told = false;
	replug->due = out != replug->unplugged ? now : PACE_NEVER;
}

uint64_t replug_due(const struct replug *replug) {
	return replug->due;
}

bool replug_take(struct replug *replug, uint64_t now) {
	if (replug->out) {
		replug->unplugged = true;
		replug->due = PACE_NEVER;
		return true;
	}
	replug->unplugged = !replug->unplugged && replug->told;
	replug->told = false;
	replug->due = replug->unplugged ? now + REPLUG_APART : PACE_NEVER;
	return replug->unplugged;
}
