#include <string.h>

#include "resources-records.h"

static bool rows_differ(
	const struct picture *a, const struct picture *b, const struct damage_box *tile) {
	uint64_t stride = picture_stride(a);
	uint64_t at = tile->y * stride + (uint64_t)tile->x * PICTURE_PIXEL;
	for (uint32_t y = 0; y < tile->height; y++, at += stride) {
		if (memcmp(a->pixels + at, b->pixels + at, (size_t)tile->width * PICTURE_PIXEL) !=
			0) {
			return true;
		}
	}
	return false;
}

/* A tile, or a part of one, of two pictures of the same layout. Those that are equal may be
 * compared again: that is then cheap. */
static bool tile_differs(
	const struct picture *a, const struct picture *b, const struct damage_box *tile) {
	if (!picture_is_tile(a, tile) || !picture_is_tile(b, tile)) {
		return rows_differ(a, b, tile);
	}
	struct tile_sum *sum = picture_sum_at(a, tile->x, tile->y);
	struct tile_sum *other = picture_sum_at(b, tile->x, tile->y);
	if (picture_sum_known(sum) && picture_sum_known(other)) {
		return !tile_sums_equal(sum, other);
	}
	if (rows_differ(a, b, tile)) {
		return true;
	}
	if (!picture_sum_known(sum)) {
		picture_sum_tile(a, tile->x, tile->y);
	}
	*other = *sum;
	return false;
}

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

/* The first pixel after a place that is one of the next tile. */
static uint32_t next_tile(uint32_t at, uint32_t tile) {
	return at - at % tile + tile;
}

/* A part of a row of tiles: neighbours that differ are one box. */
static void compare_band(const struct picture *a, const struct picture *b,
	const struct damage_box *band, struct damage_boxes *ret) {
	struct damage_box found = {0};
	uint32_t end = band->x + band->width;
	for (uint32_t x = band->x, next; x < end; x = next) {
		next = min_u32(next_tile(x, PICTURE_TILE_WIDTH), end);
		struct damage_box tile = {x, band->y, next - x, band->height};
		if (!tile_differs(a, b, &tile)) {
			continue;
		}
		if (found.width != 0 && found.x + found.width == tile.x) {
			found.width += tile.width;
			continue;
		}
		damage_boxes_add(ret, found);
		found = tile;
	}
	damage_boxes_add(ret, found);
}

static bool find_pair(const struct resources *resources, uint32_t id, uint32_t other,
	struct picture *ret_a, struct picture *ret_b) {
	const struct device_state_resource *a = record_find(resources, id);
	const struct device_state_resource *b = record_find(resources, other);
	if (a == NULL || b == NULL || a->width != b->width || a->height != b->height ||
		a->format != b->format || !record_has_storage(a) || !record_has_storage(b)) {
		return false;
	}
	*ret_a = record_picture(resources, a);
	*ret_b = record_picture(resources, b);
	return ret_a->pixels != NULL && ret_b->pixels != NULL;
}

void resources_differ(const struct resources *resources, uint32_t id, uint32_t other,
	const struct damage_boxes *boxes, struct damage_boxes *ret) {
	struct picture a, b;
	*ret = (struct damage_boxes){0};
	if (!find_pair(resources, id, other, &a, &b)) {
		*ret = *boxes;
		return;
	}
	for (size_t i = 0; i < boxes->len; i++) {
		struct damage_box box = boxes->box[i];
		// Whoever noted them kept them inside; nothing is read outside in any case.
		if (box.x >= a.width || box.y >= a.height) {
			continue;
		}
		box.width = min_u32(box.width, a.width - box.x);
		uint32_t end = box.y + min_u32(box.height, a.height - box.y);
		for (uint32_t y = box.y, next; y < end; y = next) {
			next = min_u32(next_tile(y, PICTURE_TILE_HEIGHT), end);
			const struct damage_box band = {box.x, y, box.width, next - y};
			compare_band(&a, &b, &band, ret);
		}
	}
}
