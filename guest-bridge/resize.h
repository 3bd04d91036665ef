#ifndef GUEST_BRIDGE_RESIZE_H
#define GUEST_BRIDGE_RESIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "pace.h"

/*
 * The size in which a compositor shows a head, passed on when it has been the same for
 * RESIZE_SETTLE: a user who drags an edge makes many, and a guest needs a mode set for each.
 * The first one, and one that comes with full screen or its end, is passed on at once. Pure,
 * as pace is, and with its times.
 */

#define RESIZE_SETTLE UINT64_C(150000)

struct resize_size {
	uint32_t width, height; // pixels
	uint32_t refresh;       // mHz; 0: not known
	uint32_t scale;         // 120ths; 0: not known
};

struct resize {
	// All private.
	struct resize_size now, told;
	bool fullscreen, told_fullscreen;
	uint64_t due; // PACE_NEVER: nothing is to be told
};

void resize_init(struct resize *resize);

/* The compositor's word. A size that no scanout can have says nothing. */
void resize_set(struct resize *resize, const struct resize_size *size, uint64_t now);
void resize_set_fullscreen(struct resize *resize, bool fullscreen, uint64_t now);

/* When resize_take() is due, or PACE_NEVER. */
uint64_t resize_due(const struct resize *resize);

/* The size that is now to be told. */
struct resize_size resize_take(struct resize *resize);

#endif
