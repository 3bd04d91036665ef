#include "transfer.h"

#include <string.h>

#define TILE_BYTES (TRANSFER_TILE_WIDTH * TRANSFER_PIXEL)
#define TILES_MAX (GPU_RESOURCE_SIZE_MAX / TRANSFER_TILE_WIDTH)
#define LINE 64    // bytes: a cache line
#define AHEAD 3072 // bytes: so far ahead of the copy memory is asked for
#define SHORT 1024 // of rows up to so many bytes a later one than the next is asked for
#define SPANS 4    // that are known at once

/*
 * A frame is larger than the caches, and its pages lie anywhere: what counts is that memory
 * is asked for early, beyond the end of a page as well, where the processor does not guess.
 * A pass that compares and writes what differs then takes as long as a copy that looks at
 * nothing. Larger pieces, more copies at once and stores around the caches were slower.
 */

/* Bytes that lie in one piece, in guest memory and in the picture. */
struct span {
	uint8_t *target;
	const uint8_t *source;
	uint64_t length; // 0: none is left
};

/* The spans of a rectangle, run by run. */
struct spans {
	struct backing_reader *reader;
	uint8_t *target;
	uint64_t offset; // of the run's first byte, in the backing
	uint64_t run;    // bytes that are in one piece in the picture: a row, or all of them
	uint64_t stride; // from run to run
	uint64_t runs;   // that are left
	uint64_t done;   // bytes of the run
	/* What is known of guest memory: piece_length bytes at piece_offset of the backing. */
	const uint8_t *piece;
	uint64_t piece_offset, piece_length;
};

/* The tiles of one row of tiles. */
struct band {
	uint32_t tiles;
	bool differs[TILES_MAX];
};

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b) {
	return a < b ? a : b;
}

static const uint8_t *find_piece(struct spans *spans, uint64_t offset, uint64_t *ret_length) {
	uint64_t within = offset - spans->piece_offset;
	if (within >= spans->piece_length) {
		spans->piece = backing_read(spans->reader, offset, &spans->piece_length);
		spans->piece_offset = offset;
		within = 0;
	}
	*ret_length = spans->piece_length - within;
	return spans->piece + within;
}

static struct span next_span(struct spans *spans) {
	if (spans->runs == 0) {
		return (struct span){0};
	}
	struct span span = {.target = spans->target + spans->done};
	uint64_t rest = spans->run - spans->done;
	span.source = find_piece(spans, spans->offset + spans->done, &span.length);
	if (span.length < rest) {
		spans->done += span.length;
		return span;
	}
	span.length = rest;
	spans->done = 0;
	spans->runs--;
	spans->target += spans->stride;
	spans->offset += spans->stride;
	return span;
}

typedef uint64_t vector __attribute__((vector_size(16)));

static vector load(const uint8_t *from) {
	vector value;
	memcpy(&value, from, sizeof(value));
	return value;
}

static bool update_line(uint8_t *target, const uint8_t *source) {
	vector a = load(source), b = load(source + 16);
	vector c = load(source + 32), d = load(source + 48);
	vector differs = (a ^ load(target)) | (b ^ load(target + 16)) | (c ^ load(target + 32)) |
		(d ^ load(target + 48));
	if ((differs[0] | differs[1]) == 0) {
		return false;
	}
	memcpy(target, &a, sizeof(a));
	memcpy(target + 16, &b, sizeof(b));
	memcpy(target + 32, &c, sizeof(c));
	memcpy(target + 48, &d, sizeof(d));
	return true;
}

static bool update_line_ahead(uint8_t *target, const uint8_t *source, const uint8_t *target_ahead,
	const uint8_t *source_ahead) {
	__builtin_prefetch(source_ahead);
	__builtin_prefetch(target_ahead);
	return update_line(target, source);
}

/* A row of a tile. True where anything differed. */
static bool update_tile_row(uint8_t *target, const uint8_t *source, const uint8_t *target_ahead,
	const uint8_t *source_ahead) {
	_Static_assert(TILE_BYTES == 4 * LINE, "a row of a tile is four lines");
	bool a = update_line_ahead(target, source, target_ahead, source_ahead);
	bool b = update_line_ahead(
		target + LINE, source + LINE, target_ahead + LINE, source_ahead + LINE);
	bool c = update_line_ahead(target + 2 * LINE, source + 2 * LINE, target_ahead + 2 * LINE,
		source_ahead + 2 * LINE);
	bool d = update_line_ahead(target + 3 * LINE, source + 3 * LINE, target_ahead + 3 * LINE,
		source_ahead + 3 * LINE);
	return a | b | c | d;
}

/* A part of one. */
static bool update_piece(uint8_t *target, const uint8_t *source, uint64_t length,
	const uint8_t *target_ahead, const uint8_t *source_ahead) {
	if (length == TILE_BYTES) {
		return update_tile_row(target, source, target_ahead, source_ahead);
	}
	bool differs = false;
	uint64_t done = 0;
	for (; length - done >= LINE; done += LINE) {
		differs |= update_line_ahead(
			target + done, source + done, target_ahead + done, source_ahead + done);
	}
	for (; length - done >= sizeof(vector); done += sizeof(vector)) {
		vector value = load(source + done), apart = value ^ load(target + done);
		if ((apart[0] | apart[1]) != 0) {
			memcpy(target + done, &value, sizeof(value));
			differs = true;
		}
	}
	if (done < length && memcmp(target + done, source + done, length - done) != 0) {
		memcpy(target + done, source + done, length - done);
		differs = true;
	}
	return differs;
}

/* Where in the rectangle the next byte goes. */
struct place {
	uint64_t x; // bytes from its edge
	uint32_t y; // rows from its edge
};

/* Up to the end of the span or of its band. Returns how far that is. */
static uint64_t update_span(struct band *band, const struct span *span, uint64_t done,
	const struct span *next, struct place *place, uint64_t row, uint32_t end) {
	uint64_t ahead = min_u64(AHEAD, span->length), x = place->x;
	while (done < span->length && place->y < end) {
		uint32_t tile = (uint32_t)(x / TILE_BYTES);
		uint64_t length = min_u64(
			min_u64((tile + 1) * (uint64_t)TILE_BYTES, row) - x, span->length - done);
		bool beyond = done + ahead >= span->length && next->length > 0;
		const struct span *from = beyond ? next : span;
		uint64_t at = done + ahead - (beyond ? span->length : 0);
		band->differs[tile] |= update_piece(span->target + done, span->source + done,
			length, from->target + at, from->source + at);
		done += length;
		x += length;
		if (x == row) {
			x = 0;
			place->y++;
		}
	}
	place->x = x;
	return done;
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
	uint64_t row = (uint64_t)rect->width * TRANSFER_PIXEL;
	bool whole = row == stride;
	struct spans spans = {
		.reader = reader,
		.target = picture + (uint64_t)rect->y * stride + (uint64_t)rect->x * TRANSFER_PIXEL,
		.offset = offset,
		.run = whole ? row * rect->height : row,
		.stride = stride,
		.runs = whole ? 1 : rect->height,
	};
	struct band band;
	band.tiles = (rect->width + TRANSFER_TILE_WIDTH - 1) / TRANSFER_TILE_WIDTH;
	struct place place = {0};
	struct span known[SPANS];
	for (unsigned i = 0; i < SPANS; i++) {
		known[i] = next_span(&spans);
	}
	unsigned now = 0;
	uint64_t done = 0;
	for (uint32_t y = 0; y < rect->height; y += TRANSFER_TILE_HEIGHT) {
		uint32_t end = min_u32(y + TRANSFER_TILE_HEIGHT, rect->height);
		memset(band.differs, 0, band.tiles);
		while (place.y < end) {
			struct span *span = &known[now % SPANS];
			unsigned later = span->length <= SHORT ? SPANS - 1 : 1;
			done = update_span(
				&band, span, done, &known[(now + later) % SPANS], &place, row, end);
			if (done == span->length) {
				*span = next_span(&spans);
				now++;
				done = 0;
			}
		}
		note_band(&band, rect, y, end - y, noted);
	}
}
