#ifndef GPU_PARTITION_TRANSFER_H
#define GPU_PARTITION_TRANSFER_H

#include <stdint.h>

#include "backing.h"
#include "damage-boxes.h"
#include "gpu-command.h"
#include "picture.h"

/*
 * Brings a rectangle of a picture up to date with guest memory, and finds what has changed.
 * Guests transfer whole frames for one changed character, so that a tile is only written
 * where it differs: from the picture, or, where that is known, from its sum.
 */

/*
 * rect lies in the picture, whose rows are as far apart in the backing. The rectangle's first
 * pixel is at offset of the backing, and its last within (backing_bytes()). Adds to *noted the
 * tiles, counted from the rectangle's corner, that differed.
 *
 * The guest may draw meanwhile. Whatever it writes is then either in the picture and noted, or
 * differs from it at the next transfer.
 */
void transfer_copy(const struct picture *picture, const struct gpu_rect *rect,
	struct backing_reader *reader, uint64_t offset, struct damage_boxes *noted);

#endif
