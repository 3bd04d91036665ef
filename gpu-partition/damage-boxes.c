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

static struct damage_box box_between(uint32_t x, uint32_t y, uint32_t x_end, uint32_t y_end) {
	return (struct damage_box){x, y, x_end - x, y_end - y};
}

/* What of box lies above, below and beside inside, which lies in it. */
static void add_rest(
	struct damage_boxes *boxes, const struct damage_box *box, const struct damage_box *inside) {
	uint32_t x_end = box->x + box->width, y_end = box->y + box->height;
	uint32_t inside_x = inside->x + inside->width, inside_y = inside->y + inside->height;
	damage_boxes_add(boxes, box_between(box->x, box->y, x_end, inside->y));
	damage_boxes_add(boxes, box_between(box->x, inside->y, inside->x, inside_y));
	damage_boxes_add(boxes, box_between(inside_x, inside->y, x_end, inside_y));
	damage_boxes_add(boxes, box_between(box->x, inside_y, x_end, y_end));
}

void damage_boxes_take(
	struct damage_boxes *boxes, const struct damage_box *rect, struct damage_boxes *ret) {
	*ret = (struct damage_boxes){0};
	struct damage_boxes rest = {0};
	for (size_t i = 0; i < boxes->len; i++) {
		const struct damage_box *box = &boxes->box[i];
		uint32_t x = max_u32(box->x, rect->x), y = max_u32(box->y, rect->y);
		uint32_t x_end = min_u32(box->x + box->width, rect->x + rect->width);
		uint32_t y_end = min_u32(box->y + box->height, rect->y + rect->height);
		if (x >= x_end || y >= y_end) {
			damage_boxes_add(&rest, *box);
			continue;
		}
		struct damage_box inside = box_between(x, y, x_end, y_end);
		damage_boxes_add(ret, inside);
		add_rest(&rest, box, &inside);
	}
	*boxes = rest;
}
