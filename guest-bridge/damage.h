#ifndef GUEST_BRIDGE_DAMAGE_H
#define GUEST_BRIDGE_DAMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "damage-boxes.h"

/*
 * What has changed in a guest's frame buffer since the last look, found by comparing it
 * with a private copy, the shadow, in tiles. Knows neither Wayland nor slices.
 */

#define DAMAGE_TILE_WIDTH 64 // pixels
#define DAMAGE_TILE_HEIGHT 16
#define DAMAGE_SIZE_MAX 16384 // pixels in a direction

struct damage {
	uint32_t width, height; // pixels
	uint32_t pixel;         // bytes of one
	uint8_t *shadow;        // owned: rows of width * pixel bytes, no gaps; or NULL
	bool valid;             // the shadow holds what was last looked at
};

/* Both sizes are 1 to DAMAGE_SIZE_MAX, pixel is 1 to 4. False where they are not, or memory
 * is short; damage is then empty. */
bool damage_init(struct damage *damage, uint32_t width, uint32_t height, uint32_t pixel);

/* Safe on a zeroed damage. */
void damage_finish(struct damage *damage);

/* Makes the next comparison report the whole frame. */
void damage_invalidate(struct damage *damage);

/*
 * Brings the shadow up to date with the frame at pixels, whose rows are stride bytes apart
 * (the last one counts only up to its last pixel), and sets *ret to the tiles that
 * differed, in few boxes clipped to the frame.
 *
 * The guest may draw meanwhile. Whatever it writes is then either in the shadow and in
 * *ret, or differs from the shadow at the next comparison: no change is ever lost.
 */
void damage_compare(
	struct damage *damage, const uint8_t *pixels, uint32_t stride, struct damage_boxes *ret);

#endif
