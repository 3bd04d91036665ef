#ifndef GUEST_BRIDGE_REPLUG_H
#define GUEST_BRIDGE_REPLUG_H

#include <stdbool.h>
#include <stdint.h>

#include "pace.h"

/*
 * For desktops that look at a monitor only when it is plugged in: of those on Linux, all that
 * build on wlroots 0.18 (labwc, sway, wayfire). They hear that the monitor's preferred mode is
 * another one, and stay as they are, while mutter, for one, follows. A desktop that has not
 * followed REPLUG_AFTER after it was told is shown an empty socket, and when it shows nothing
 * there any more (or after REPLUG_APART) the monitor again. Once for each size: what does not
 * follow then never will. Pure, as pace is, and with its times.
 */

#define REPLUG_AFTER UINT64_C(1000000)
#define REPLUG_APART UINT64_C(1000000)

struct replug {
	// All private.
	bool told, unplugged;
	bool out;     // and stays so
	uint64_t due; // PACE_NEVER: nothing is to be done
};

/* unplugged: so it was left by an earlier process. */
void replug_init(struct replug *replug, bool unplugged, uint64_t now);

/* The guest was told of another size. */
void replug_told(struct replug *replug, uint64_t now);

/* Its picture has the size that it was told. */
void replug_followed(struct replug *replug);

/* It has no picture there any more. */
void replug_left(struct replug *replug, uint64_t now);

/* Unplugged for as long as its user does not want to see it. */
void replug_keep_out(struct replug *replug, bool out, uint64_t now);

/* When replug_take() is due, or PACE_NEVER. */
uint64_t replug_due(const struct replug *replug);

/* Returns whether the monitor is now to be unplugged; otherwise it is to be there. */
bool replug_take(struct replug *replug, uint64_t now);

#endif
