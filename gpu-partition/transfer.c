#include "transfer.h"

#include <string.h>

#define TILE_BYTES (TRANSFER_TILE_WIDTH * TRANSFER_PIXEL)
#define TILES_MAX (GPU_RESOURCE_SIZE_MAX / TRANSFER_TILE_WIDTH)

/* The tiles of one row of tiles. */
struct band {
	uint32_t tiles;
	uint32_t dirty; // how many of them differ
	bool differs[TILES_MAX];
};

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b) {
	return a < b ? a : b;
}

/* A piece of a row, start bytes from the rectangle's edge. */
static void update_tiles(struct band *band, uint8_t *target, const uint8_t *source, uint64_t start,
	uint64_t length) {
	for (uint64_t done = 0; done < length;) {
		uint32_t tile = (uint32_t)((start + done) / TILE_BYTES);
		uint64_t next = (tile + 1) * (uint64_t)TILE_BYTES - start;
		if (band->differs[tile]) {
			while (next < length && band->differs[tile + 1]) {
				tile++;
				next += TILE_BYTES;
			}
			next = min_u64(next, length);
			memcpy(target + done, source + done, next - done);
		} else {
			next = min_u64(next, length);
			if (memcmp(target + done, source + done, next - done) != 0) {
				memcpy(target + done, source + done, next - done);
				band->differs[tile] = true;
				band->dirty++;
			}
		}
		done = next;
	}
}

static void update_row(struct band *band, uint8_t *target, struct backing_reader *reader,
	uint64_t offset, uint64_t length) {
	for (uint64_t done = 0, piece; done < length; done += piece) {
		piece = length - done;
		const uint8_t *source = backing_read(reader, offset + done, &piece);
		// One long comparison runs at the speed of memory; most rows have not changed.
		if (band->dirty == band->tiles) {
			memcpy(target + done, source, piece);
		} else if (memcmp(target + done, source, piece) != 0) {
			update_tiles(band, target + done, source, done, piece);
		}
	}
}

static void copy_span(
	uint8_t *target, struct backing_reader *reader, uint64_t offset, uint64_t length) {
	for (uint64_t done = 0, piece; done < length; done += piece) {
		piece = length - done;
		const uint8_t *source = backing_read(reader, offset + done, &piece);
		memcpy(target + done, source, piece);
	}
}

static void note_band(const struct band *band, const struct gpu_rect *rect, uint32_t y,
	uint32_t height, struct damage_boxes *noted) {
	for (uint32_t i = 0; i < band->tiles; i++) {
		if (!band->differs[i]) {
			continue;
		}
		uint32_t first = i;
		while (i < band->tiles && band->differs[i]) {
			i++;
		}
		uint32_t x = first * TRANSFER_TILE_WIDTH;
		damage_boxes_add(noted,
			(struct damage_box){
				.x = rect->x + x,
				.y = rect->y + y,
				.width = min_u32(i * TRANSFER_TILE_WIDTH, rect->width) - x,
				.height = height,
			});
	}
}

void transfer_copy(uint8_t *picture, uint32_t stride, const struct gpu_rect *rect,
	struct backing_reader *reader, uint64_t offset, struct damage_boxes *noted) {
	uint8_t *target = picture + (uint64_t)rect->y * stride + (uint64_t)rect->x * TRANSFER_PIXEL;
	uint64_t length = (uint64_t)rect->width * TRANSFER_PIXEL;
	struct band band = {
		.tiles = (rect->width + TRANSFER_TILE_WIDTH - 1) / TRANSFER_TILE_WIDTH,
	};
	for (uint32_t y = 0; y < rect->height; y += TRANSFER_TILE_HEIGHT) {
		uint32_t height = min_u32(TRANSFER_TILE_HEIGHT, rect->height - y);
		memset(band.differs, 0, band.tiles);
		band.dirty = 0;
		for (uint32_t i = 0; i < height; i++) {
			if (length == stride && band.dirty == band.tiles) {
				uint64_t rest = (uint64_t)(height - i) * stride;
				copy_span(target, reader, offset, rest);
				target += rest;
				offset += rest;
				break;
			}
			update_row(&band, target, reader, offset, length);
			target += stride;
			offset += stride;
		}
		if (band.dirty > 0) {
			note_band(&band, rect, y, height, noted);
		}
	}
}
