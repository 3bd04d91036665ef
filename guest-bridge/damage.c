#include "damage.h"

#include <stdlib.h>
#include <string.h>

#define TILES_MAX (DAMAGE_SIZE_MAX / DAMAGE_TILE_WIDTH)
#define PIXEL_MAX 4
#define AHEAD 4096 // bytes: processors fetch ahead only within a page

_Static_assert(DAMAGE_TILE_HEIGHT == TILE_SUM_ROWS, "a tile's rows have a key each");
_Static_assert(DAMAGE_TILE_WIDTH *PIXEL_MAX == TILE_SUM_ROW_SIZE, "and so have its columns");

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

/* How many tiles cover that many pixels. */
static uint32_t tiles_of(uint32_t pixels, uint32_t tile) {
	return (pixels + tile - 1) / tile;
}

static uint32_t tiles_in_row(const struct damage *damage) {
	return tiles_of(damage->width, DAMAGE_TILE_WIDTH);
}

bool damage_init(struct damage *damage, uint32_t width, uint32_t height, uint32_t pixel) {
	*damage = (struct damage){0};
	if (width > DAMAGE_SIZE_MAX || height > DAMAGE_SIZE_MAX) {
		return false;
	}
	*damage = (struct damage){.width = width, .height = height, .pixel = pixel};
	damage->key = calloc(1, sizeof(*damage->key));
	damage->sums = calloc((size_t)tiles_in_row(damage) * tiles_of(height, DAMAGE_TILE_HEIGHT),
		sizeof(*damage->sums));
	if (damage->key == NULL || damage->sums == NULL) {
		damage_finish(damage);
		return false;
	}
	tile_key_init(damage->key);
	return true;
}

void damage_finish(struct damage *damage) {
	free(damage->key);
	free(damage->sums);
	*damage = (struct damage){0};
}

void damage_invalidate(struct damage *damage) {
	damage->valid = false;
}

static struct tile_sum *sum_at(const struct damage *damage, uint32_t x, uint32_t y) {
	return damage->sums + (size_t)(y / DAMAGE_TILE_HEIGHT) * tiles_in_row(damage) +
		x / DAMAGE_TILE_WIDTH;
}

/* Takes the sum of a tile. Returns whether it was another one before. */
static bool take_sum(struct tile_sum *sum, const struct tile_adder *adder) {
	struct tile_sum now = tile_adder_sum(adder);
	bool differs = !tile_sums_equal(&now, sum);
	*sum = now;
	return differs;
}

static void report(const struct damage *damage, uint32_t first, uint32_t end, uint32_t y,
	struct damage_boxes *boxes) {
	uint32_t x = first * DAMAGE_TILE_WIDTH;
	damage_boxes_add(boxes,
		(struct damage_box){
			.x = x,
			.y = y,
			.width = min_u32(end * DAMAGE_TILE_WIDTH, damage->width) - x,
			.height = min_u32(DAMAGE_TILE_HEIGHT, damage->height - y),
		});
}

/* Some tiles of one row of them. Whole rows of pixels, one after the other: so memory is read
 * fastest. */
static void compare_band(struct damage *damage, const uint8_t *pixels, uint32_t stride,
	uint32_t begin, uint32_t end, uint32_t y, struct damage_boxes *boxes) {
	struct tile_adder adders[TILES_MAX];
	uint32_t x = begin * DAMAGE_TILE_WIDTH;
	uint32_t width = min_u32(end * DAMAGE_TILE_WIDTH, damage->width) - x;
	uint32_t lines = min_u32(DAMAGE_TILE_HEIGHT, damage->height - y);
	memset(adders, 0, (end - begin) * sizeof(*adders));
	for (uint32_t line = 0; line < lines; line++) {
		const uint8_t *row =
			pixels + (size_t)(y + line) * stride + (size_t)x * damage->pixel;
		tile_adders_add(adders, damage->key, line, row, (size_t)width * damage->pixel,
			(size_t)DAMAGE_TILE_WIDTH * damage->pixel, row + AHEAD);
	}
	struct tile_sum *sums = sum_at(damage, x, y);
	uint32_t first = begin; // of the tiles that differ, side by side up to this one
	for (uint32_t i = begin; i < end; i++) {
		if (take_sum(&sums[i - begin], &adders[i - begin]) || !damage->valid) {
			continue;
		}
		if (first < i) {
			report(damage, first, i, y, boxes);
		}
		first = i + 1;
	}
	if (first < end) {
		report(damage, first, end, y, boxes);
	}
}

/* The tiles in which a box lies that is inside the frame. */
static void compare_box(struct damage *damage, const uint8_t *pixels, uint32_t stride,
	const struct damage_box *box, struct damage_boxes *ret) {
	uint32_t begin = box->x / DAMAGE_TILE_WIDTH;
	uint32_t end = tiles_of(box->x + box->width, DAMAGE_TILE_WIDTH);
	for (uint32_t y = box->y - box->y % DAMAGE_TILE_HEIGHT; y < box->y + box->height;
		y += DAMAGE_TILE_HEIGHT) {
		compare_band(damage, pixels, stride, begin, end, y, ret);
	}
}

void damage_compare(
	struct damage *damage, const uint8_t *pixels, uint32_t stride, struct damage_boxes *ret) {
	const struct damage_box all = {.width = damage->width, .height = damage->height};
	*ret = (struct damage_boxes){0};
	compare_box(damage, pixels, stride, &all, ret);
	damage->valid = true;
}

void damage_compare_boxes(struct damage *damage, const uint8_t *pixels, uint32_t stride,
	const struct damage_boxes *boxes, struct damage_boxes *ret) {
	if (!damage->valid) {
		damage_compare(damage, pixels, stride, ret);
		return;
	}
	*ret = (struct damage_boxes){0};
	for (size_t i = 0; i < boxes->len; i++) {
		struct damage_box box = boxes->box[i];
		if (box.x >= damage->width || box.y >= damage->height) {
			continue;
		}
		box.width = min_u32(box.width, damage->width - box.x);
		box.height = min_u32(box.height, damage->height - box.y);
		if (box.width > 0) {
			compare_box(damage, pixels, stride, &box, ret);
		}
	}
}

static void copy_tile(struct damage *damage, const uint8_t *pixels, uint32_t stride, uint32_t x,
	uint32_t y, uint8_t *copy) {
	struct tile_adder adder = {0};
	size_t row = (size_t)damage->width * damage->pixel, at = (size_t)x * damage->pixel;
	size_t size = (size_t)min_u32(DAMAGE_TILE_WIDTH, damage->width - x) * damage->pixel;
	uint32_t lines = min_u32(DAMAGE_TILE_HEIGHT, damage->height - y);
	for (uint32_t line = 0; line < lines; line++) {
		uint8_t *target = copy + (y + line) * row + at;
		memcpy(target, pixels + (size_t)(y + line) * stride + at, size);
		tile_adders_add(&adder, damage->key, line, target, size, size, target);
	}
	take_sum(sum_at(damage, x, y), &adder);
}

void damage_copy(struct damage *damage, const uint8_t *pixels, uint32_t stride,
	const struct damage_boxes *boxes, uint8_t *copy) {
	for (size_t i = 0; i < boxes->len; i++) {
		const struct damage_box *box = &boxes->box[i];
		for (uint32_t y = box->y; y < box->y + box->height; y += DAMAGE_TILE_HEIGHT) {
			for (uint32_t x = box->x; x < box->x + box->width; x += DAMAGE_TILE_WIDTH) {
				copy_tile(damage, pixels, stride, x, y, copy);
			}
		}
	}
}
