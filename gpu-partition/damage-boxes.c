#include "damage-boxes.h"

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

static uint32_t max_u32(uint32_t a, uint32_t b) {
	return a > b ? a : b;
}

static uint64_t box_area(const struct damage_box *box) {
	return (uint64_t)box->width * box->height;
}

static struct damage_box box_union(const struct damage_box *a, const struct damage_box *b) {
	uint32_t x = min_u32(a->x, b->x), y = min_u32(a->y, b->y);
	return (struct damage_box){
		.x = x,
		.y = y,
		.width = max_u32(a->x + a->width, b->x + b->width) - x,
		.height = max_u32(a->y + a->height, b->y + b->height) - y,
	};
}

void damage_boxes_add(struct damage_boxes *boxes, struct damage_box box) {
	if (box_area(&box) == 0) {
		return;
	}
	size_t best = 0;
	uint64_t best_growth = UINT64_MAX;
	for (size_t i = 0; i < boxes->len; i++) {
		struct damage_box both = box_union(&boxes->box[i], &box);
		uint64_t growth = box_area(&both) - box_area(&boxes->box[i]);
		// Contained, or side by side with nothing else in the union.
		if (growth == 0 || box_area(&both) == box_area(&boxes->box[i]) + box_area(&box)) {
			boxes->box[i] = both;
			return;
		}
		if (growth < best_growth) {
			best = i;
			best_growth = growth;
		}
	}
	if (boxes->len < DAMAGE_BOXES_MAX) {
		boxes->box[boxes->len++] = box;
		return;
	}
	boxes->box[best] = box_union(&boxes->box[best], &box);
}

void damage_boxes_add_all(struct damage_boxes *boxes, const struct damage_boxes *more) {
	for (size_t i = 0; i < more->len; i++) {
		damage_boxes_add(boxes, more->box[i]);
	}
}
