#ifndef GPU_PARTITION_DAMAGE_BOXES_H
#define GPU_PARTITION_DAMAGE_BOXES_H

#include <stddef.h>
#include <stdint.h>

/* What has changed in a picture, in a few boxes. */

#define DAMAGE_BOXES_MAX 16

struct damage_box {
	uint32_t x, y, width, height; // pixels
};

/* Boxes that cover all that changed, and perhaps more: they merge when they become many.
 * They may overlap. Zero-initialise. */
struct damage_boxes {
	size_t len;
	struct damage_box box[DAMAGE_BOXES_MAX];
};

void damage_boxes_add(struct damage_boxes *boxes, struct damage_box box);

/* Moves what lies in rect from boxes to *ret, which begins empty. */
void damage_boxes_take(
	struct damage_boxes *boxes, const struct damage_box *rect, struct damage_boxes *ret);

void damage_boxes_add_all(struct damage_boxes *boxes, const struct damage_boxes *more);

#endif
