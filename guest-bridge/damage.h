#ifndef GUEST_BRIDGE_DAMAGE_H
#define GUEST_BRIDGE_DAMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "damage-boxes.h"
#include "tile-sum.h"

/*
 * What has changed in a guest's frame buffer since the last look, found by comparing sums of
 * its tiles with those of then. Knows neither Wayland nor slices.
 */

#define DAMAGE_TILE_WIDTH 64 // pixels
#define DAMAGE_TILE_HEIGHT 16
#define DAMAGE_SIZE_MAX 16384 // pixels in a direction

struct damage {
	uint32_t width, height; // pixels
	uint32_t pixel;         // bytes of one
	struct tile_key *key;   // owned
	struct tile_sum *sums;  // owned: of each tile, as last looked at; or NULL
	bool valid;             // there was a look
};

/* Both sizes are 1 to DAMAGE_SIZE_MAX, pixel is 1 to 4. False where they are not, or memory
 * is short; damage is then empty. */
bool damage_init(struct damage *damage, uint32_t width, uint32_t height, uint32_t pixel);

/* Safe on a zeroed damage. */
void damage_finish(struct damage *damage);

/* Makes the next comparison report the whole frame. */
void damage_invalidate(struct damage *damage);

/*
 * Looks at the frame at pixels, whose rows are stride bytes apart (the last one counts only
 * up to its last pixel), and sets *ret to the tiles that differ from those of the last look,
 * in few boxes clipped to the frame.
 *
 * The guest may draw meanwhile. Whatever it writes is then either looked at and in *ret, or
 * differs at the next look: no change is ever lost.
 */
void damage_compare(
	struct damage *damage, const uint8_t *pixels, uint32_t stride, struct damage_boxes *ret);

/* The same for the tiles in which boxes lie; all of the frame, where nothing was looked at yet.
 * What boxes have outside of the frame is not there. */
void damage_compare_boxes(struct damage *damage, const uint8_t *pixels, uint32_t stride,
	const struct damage_boxes *boxes, struct damage_boxes *ret);

/*
 * Copies the tiles of boxes, which damage_compare() has found just now, to copy: rows of
 * width * pixel bytes, no gaps. The next comparison is with what was copied, so that a copy
 * of all that is found is never behind.
 */
void damage_copy(struct damage *damage, const uint8_t *pixels, uint32_t stride,
	const struct damage_boxes *boxes, uint8_t *copy);

#endif
