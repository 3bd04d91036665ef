#include <string.h>

#include "resources-records.h"
#include "transfer.h"

/* Two pictures of the same layout. */
struct pair {
	const uint8_t *a, *b;
	uint64_t stride; // bytes
};

static bool tile_differs(const struct pair *pair, const struct damage_box *tile) {
	uint64_t at = tile->y * pair->stride + (uint64_t)tile->x * TRANSFER_PIXEL;
	for (uint32_t y = 0; y < tile->height; y++, at += pair->stride) {
		if (memcmp(pair->a + at, pair->b + at, (size_t)tile->width * TRANSFER_PIXEL) != 0) {
			return true;
		}
	}
	return false;
}

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

/* A row of tiles: neighbours that differ are one box. */
static void compare_band(
	const struct pair *pair, const struct damage_box *band, struct damage_boxes *ret) {
	struct damage_box found = {0};
	for (uint32_t x = 0; x < band->width; x += TRANSFER_TILE_WIDTH) {
		struct damage_box tile = {band->x + x, band->y,
			min_u32(TRANSFER_TILE_WIDTH, band->width - x), band->height};
		if (!tile_differs(pair, &tile)) {
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

static bool find_pair(
	const struct resources *resources, uint32_t id, uint32_t other, struct pair *ret) {
	const struct device_state_resource *a = record_find(resources, id);
	const struct device_state_resource *b = record_find(resources, other);
	if (a == NULL || b == NULL || a->width != b->width || a->height != b->height ||
		a->format != b->format) {
		return false;
	}
	ret->a = slice_range(resources->slice, a->storage, record_bytes(a));
	ret->b = slice_range(resources->slice, b->storage, record_bytes(b));
	ret->stride = record_stride(a);
	return ret->a != NULL && ret->b != NULL;
}

void resources_differ(const struct resources *resources, uint32_t id, uint32_t other,
	const struct damage_boxes *boxes, struct damage_boxes *ret) {
	struct pair pair;
	*ret = (struct damage_boxes){0};
	if (!find_pair(resources, id, other, &pair)) {
		*ret = *boxes;
		return;
	}
	const struct device_state_resource *record = record_find(resources, id);
	for (size_t i = 0; i < boxes->len; i++) {
		struct damage_box box = boxes->box[i];
		// Whoever noted them kept them inside; nothing is read outside in any case.
		if (box.x >= record->width || box.y >= record->height) {
			continue;
		}
		box.width = min_u32(box.width, record->width - box.x);
		box.height = min_u32(box.height, record->height - box.y);
		for (uint32_t y = 0; y < box.height; y += TRANSFER_TILE_HEIGHT) {
			const struct damage_box band = {box.x, box.y + y, box.width,
				min_u32(TRANSFER_TILE_HEIGHT, box.height - y)};
			compare_band(&pair, &band, ret);
		}
	}
}
