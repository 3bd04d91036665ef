#ifndef GPU_PARTITION_PICTURE_H
#define GPU_PARTITION_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "damage-boxes.h"
#include "tile-sum.h"

/*
 * A resource's picture, and the sums of its tiles as far as they are known. What does not
 * change gets a sum and need not be read again to be compared; what changes has none, as it
 * would cost more than it saves.
 */

#define PICTURE_PIXEL 4       // bytes
#define PICTURE_TILE_WIDTH 64 // pixels, counted from the picture's corner
#define PICTURE_TILE_HEIGHT 16

struct picture {
	uint8_t *pixels; // row after row
	uint32_t width, height;
	/* picture_tiles() of them, row by row; all zero: not known. NULL: none are kept. */
	struct tile_sum *sums;
	const struct tile_key *key; // of all sums
};

uint64_t picture_stride(const struct picture *picture); // bytes

size_t picture_tiles(uint32_t width, uint32_t height);

/* The sum of the tile at a pixel; only where sums are kept. */
struct tile_sum *picture_sum_at(const struct picture *picture, uint32_t x, uint32_t y);

bool picture_sum_known(const struct tile_sum *sum);

/* Whether sums are kept, and a box is all of a tile. */
bool picture_is_tile(const struct picture *picture, const struct damage_box *box);

/* Finds the sum of the tile whose first pixel that is. */
void picture_sum_tile(const struct picture *picture, uint32_t x, uint32_t y);

/* The box, which lies inside, has changed. */
void picture_forget(const struct picture *picture, const struct damage_box *box);

#endif
