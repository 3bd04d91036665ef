#include "resize.h"

#include "scanout.h"

void resize_init(struct resize *resize) {
	*resize = (struct resize){.due = PACE_NEVER};
}

static bool size_equal(const struct resize_size *a, const struct resize_size *b) {
	return a->width == b->width && a->height == b->height && a->refresh == b->refresh &&
		a->scale == b->scale;
}

void resize_set(struct resize *resize, const struct resize_size *size, uint64_t now) {
	if (size->width == 0 || size->height == 0 || size->width > SCANOUT_MAX_SIZE ||
		size->height > SCANOUT_MAX_SIZE) {
		return;
	}
	resize->now = *size;
	if (size_equal(&resize->now, &resize->told)) {
		resize->told_fullscreen = resize->fullscreen;
		resize->due = PACE_NEVER;
		return;
	}
	bool at_once = resize->told.width == 0 || resize->fullscreen != resize->told_fullscreen;
	resize->due = at_once ? now : now + RESIZE_SETTLE;
}

void resize_set_fullscreen(struct resize *resize, bool fullscreen, uint64_t now) {
	resize->fullscreen = fullscreen;
	if (resize->due != PACE_NEVER && fullscreen != resize->told_fullscreen) {
		resize->due = now;
	}
}

uint64_t resize_due(const struct resize *resize) {
	return resize->due;
}

struct resize_size resize_take(struct resize *resize) {
	resize->told = resize->now;
	resize->told_fullscreen = resize->fullscreen;
	resize->due = PACE_NEVER;
	return resize->told;
}
