#include "picture.h"

_Static_assert(PICTURE_TILE_HEIGHT == TILE_SUM_ROWS, "a tile's rows have a key each");
_Static_assert(PICTURE_TILE_WIDTH *PICTURE_PIXEL == TILE_SUM_ROW_SIZE, "and so have its columns");

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

/* How many tiles cover that many pixels. */
static size_t tiles_of(uint32_t pixels, uint32_t tile) {
	return ((size_t)pixels + tile - 1) / tile;
}

uint64_t picture_stride(const struct picture *picture) {
	return (uint64_t)picture->width * PICTURE_PIXEL;
}

size_t picture_tiles(uint32_t width, uint32_t height) {
	return tiles_of(width, PICTURE_TILE_WIDTH) * tiles_of(height, PICTURE_TILE_HEIGHT);
}

struct tile_sum *picture_sum_at(const struct picture *picture, uint32_t x, uint32_t y) {
	return picture->sums +
		y / PICTURE_TILE_HEIGHT * tiles_of(picture->width, PICTURE_TILE_WIDTH) +
		x / PICTURE_TILE_WIDTH;
}

bool picture_sum_known(const struct tile_sum *sum) {
	return (sum->values[0] | sum->values[1]) != 0;
}

bool picture_is_tile(const struct picture *picture, const struct damage_box *box) {
	return picture->sums != NULL && box->x % PICTURE_TILE_WIDTH == 0 &&
		box->y % PICTURE_TILE_HEIGHT == 0 &&
		(box->width == PICTURE_TILE_WIDTH || box->x + box->width == picture->width) &&
		(box->height == PICTURE_TILE_HEIGHT || box->y + box->height == picture->height);
}

void picture_sum_tile(const struct picture *picture, uint32_t x, uint32_t y) {
	struct tile_adder adder = {0};
	uint32_t lines = min_u32(PICTURE_TILE_HEIGHT, picture->height - y);
	size_t size = (size_t)min_u32(PICTURE_TILE_WIDTH, picture->width - x) * PICTURE_PIXEL;
	const uint8_t *row =
		picture->pixels + y * picture_stride(picture) + (size_t)x * PICTURE_PIXEL;
	for (uint32_t line = 0; line < lines; line++, row += picture_stride(picture)) {
		tile_adders_add(&adder, picture->key, line, row, size, size, row);
	}
	*picture_sum_at(picture, x, y) = tile_adder_sum(&adder);
}

void picture_forget(const struct picture *picture, const struct damage_box *box) {
	if (picture->sums == NULL || box->width == 0 || box->height == 0) {
		return;
	}
	uint32_t first = box->x / PICTURE_TILE_WIDTH * PICTURE_TILE_WIDTH;
	uint32_t y = box->y / PICTURE_TILE_HEIGHT * PICTURE_TILE_HEIGHT;
	for (; y < box->y + box->height; y += PICTURE_TILE_HEIGHT) {
		for (uint32_t x = first; x < box->x + box->width; x += PICTURE_TILE_WIDTH) {
			*picture_sum_at(picture, x, y) = (struct tile_sum){0};
		}
	}
}
