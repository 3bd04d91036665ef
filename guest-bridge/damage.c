#include "damage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "checked.h"

#define HUGE_PAGE (UINT64_C(2) << 20)

#define TILES_MAX (DAMAGE_SIZE_MAX / DAMAGE_TILE_WIDTH)

/* The tiles of one row of tiles. */
struct band {
	uint32_t tiles;
	uint32_t dirty; // how many of them differ
	bool differs[TILES_MAX];
};

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

/* A shadow is read once a frame, with cold caches: large pages save an eighth of the time. */
static uint8_t *allocate_shadow(uint64_t size) {
	uint64_t rounded;
	if (size < HUGE_PAGE || !checked_align(size, HUGE_PAGE, &rounded)) {
		return calloc(1, size);
	}
	uint8_t *shadow = aligned_alloc(HUGE_PAGE, rounded);
	if (shadow != NULL) {
		madvise(shadow, rounded, MADV_HUGEPAGE);
	}
	return shadow;
}

bool damage_init(struct damage *damage, uint32_t width, uint32_t height, uint32_t pixel) {
	*damage = (struct damage){0};
	if (width > DAMAGE_SIZE_MAX || height > DAMAGE_SIZE_MAX) {
		return false;
	}
	uint8_t *shadow = allocate_shadow((uint64_t)width * height * pixel);
	if (shadow == NULL) {
		return false;
	}
	*damage =
		(struct damage){.width = width, .height = height, .pixel = pixel, .shadow = shadow};
	return true;
}

void damage_finish(struct damage *damage) {
	free(damage->shadow);
	*damage = (struct damage){0};
}

void damage_invalidate(struct damage *damage) {
	damage->valid = false;
}

static void copy_all(struct damage *damage, const uint8_t *pixels, uint32_t stride) {
	size_t row = (size_t)damage->width * damage->pixel;
	for (uint32_t y = 0; y < damage->height; y++) {
		memcpy(damage->shadow + y * row, pixels + (size_t)y * stride, row);
	}
}

/* Brings one row of the shadow up to date. Where a tile is known to differ, its other rows
 * are copied without a look: reading twice costs more than the copy. */
static void update_row(
	struct band *band, uint8_t *shadow, const uint8_t *pixels, size_t row, size_t tile_bytes) {
	for (uint32_t i = 0; i < band->tiles;) {
		size_t start = i * tile_bytes;
		if (band->differs[i]) {
			while (i < band->tiles && band->differs[i]) {
				i++;
			}
			size_t end = i * tile_bytes < row ? i * tile_bytes : row;
			memcpy(shadow + start, pixels + start, end - start);
			continue;
		}
		i++;
		size_t end = i * tile_bytes < row ? i * tile_bytes : row;
		if (memcmp(shadow + start, pixels + start, end - start) != 0) {
			memcpy(shadow + start, pixels + start, end - start);
			band->differs[i - 1] = true;
			band->dirty++;
		}
	}
}

static void report_band(const struct band *band, const struct damage *damage, uint32_t y,
	struct damage_boxes *boxes) {
	for (uint32_t i = 0; i < band->tiles; i++) {
		if (!band->differs[i]) {
			continue;
		}
		uint32_t first = i;
		while (i < band->tiles && band->differs[i]) {
			i++;
		}
		uint32_t x = first * DAMAGE_TILE_WIDTH;
		damage_boxes_add(boxes,
			(struct damage_box){
				.x = x,
				.y = y,
				.width = min_u32(i * DAMAGE_TILE_WIDTH, damage->width) - x,
				.height = min_u32(DAMAGE_TILE_HEIGHT, damage->height - y),
			});
	}
}

static void compare_band(struct damage *damage, const uint8_t *pixels, uint32_t stride, uint32_t y,
	struct damage_boxes *boxes) {
	struct band band = {
		.tiles = (damage->width + DAMAGE_TILE_WIDTH - 1) / DAMAGE_TILE_WIDTH,
	};
	size_t row = (size_t)damage->width * damage->pixel;
	uint32_t end = min_u32(y + DAMAGE_TILE_HEIGHT, damage->height);
	for (uint32_t line = y; line < end; line++) {
		uint8_t *shadow = damage->shadow + line * row;
		const uint8_t *source = pixels + (size_t)line * stride;
		// One long comparison runs at the speed of memory; most rows have not changed.
		if (band.dirty == band.tiles || memcmp(shadow, source, row) != 0) {
			update_row(&band, shadow, source, row,
				(size_t)DAMAGE_TILE_WIDTH * damage->pixel);
		}
	}
	if (band.dirty > 0) {
		report_band(&band, damage, y, boxes);
	}
}

void damage_compare(
	struct damage *damage, const uint8_t *pixels, uint32_t stride, struct damage_boxes *ret) {
	*ret = (struct damage_boxes){0};
	if (!damage->valid) {
		copy_all(damage, pixels, stride);
		damage->valid = true;
		damage_boxes_add(
			ret, (struct damage_box){.width = damage->width, .height = damage->height});
		return;
	}
	for (uint32_t y = 0; y < damage->height; y += DAMAGE_TILE_HEIGHT) {
		compare_band(damage, pixels, stride, y, ret);
	}
}
