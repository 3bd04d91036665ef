#ifndef GPU_PARTITION_TRANSFER_H
#define GPU_PARTITION_TRANSFER_H

#include <stdint.h>

#include "backing.h"
#include "damage-boxes.h"
#include "gpu-command.h"

/*
 * Brings a rectangle of a picture up to date with guest memory, and finds what has changed.
 * Guests transfer whole frames for one changed character, so that a tile is only written
 * where it differs, and is copied without a further look from where it does.
 */

#define TRANSFER_TILE_WIDTH 64 // pixels, counted from the rectangle's corner
#define TRANSFER_TILE_HEIGHT 16
#define TRANSFER_PIXEL 4 // bytes

/*
 * picture is the first pixel of the whole picture, whose rows are stride bytes apart, in
 * memory as well as in the backing; rect lies in it. The rectangle's first pixel is at offset
 * of the backing, and its last within (backing_bytes()). Adds to *noted the tiles that
 * differed.
 *
 * The guest may draw meanwhile. Whatever it writes is then either in the picture and noted, or
 * differs from it at the next transfer.
 */
void transfer_copy(uint8_t *picture, uint32_t stride, const struct gpu_rect *rect,
	struct backing_reader *reader, uint64_t offset, struct damage_boxes *noted);

#endif
