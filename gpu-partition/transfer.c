#include "transfer.h"

#include <string.h>

#define TILE_BYTES (PICTURE_TILE_WIDTH * PICTURE_PIXEL)
#define TILES_MAX (GPU_RESOURCE_SIZE_MAX / PICTURE_TILE_WIDTH)
#define LINE 64    // bytes: a cache line
#define AHEAD 3072 // bytes: so far ahead of the copy memory is asked for
#define SHORT 2048 // bytes: the processor itself goes ahead to the next of such rows

/*
 * A frame is larger than the caches, and its pages lie anywhere: what counts is that memory
 * is asked for early, beyond the end of a page as well, where the processor does not guess.
 * A pass that compares and writes what differs then takes as long as a copy that looks at
 * nothing. Larger pieces, more copies at once and stores around the caches were slower.
 * Where a tile's sum is known, the picture need not be read. Where a rectangle is narrow, the
 * fewest instructions are the fastest way.
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

/* A row of tiles of the rectangle. */
struct band {
	const struct picture *picture;
	const struct gpu_rect *rect;
	uint32_t y, height; // rows of the rectangle
	uint32_t tiles;
	bool differs[TILES_MAX];
	bool summed[TILES_MAX]; // is compared by its sum
	struct tile_adder adders[TILES_MAX];
	uint8_t row[TILE_BYTES]; // of a tile that is summed and comes in several spans
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

/* A part of one. Inlined, as most transfers are small. */
static inline __attribute__((always_inline)) bool update_piece(uint8_t *target,
	const uint8_t *source, uint64_t length, const uint8_t *target_ahead,
	const uint8_t *source_ahead) {
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

/* Up to the end of a tile, but that of the last one that is summed in a row. Never far beyond
 * what can be asked for ahead in one piece. */
static uint64_t find_length(const struct band *band, uint64_t x, uint64_t row, uint64_t ahead) {
	uint32_t tile = (uint32_t)(x / TILE_BYTES);
	uint64_t length = TILE_BYTES - x % TILE_BYTES;
	while (band->summed[tile] && ++tile < band->tiles && band->summed[tile] &&
		length + TILE_BYTES <= ahead) {
		length += TILE_BYTES;
	}
	return min_u64(length, row - x);
}

/* Whole rows of tiles are summed where they lie, others once they are together. */
static void sum_piece(struct band *band, uint64_t x, uint64_t row, uint32_t line,
	const uint8_t *source, uint64_t length, const uint8_t *ahead) {
	const struct tile_key *key = band->picture->key;
	for (uint64_t some; length > 0; x += some, source += some, ahead += some, length -= some) {
		struct tile_adder *adder = &band->adders[x / TILE_BYTES];
		uint64_t within = x % TILE_BYTES;
		uint64_t width = min_u64(TILE_BYTES, row - (x - within));
		if (within == 0 && length >= width) {
			some = x + length == row ? length : length / TILE_BYTES * TILE_BYTES;
			tile_adders_add(adder, key, line, source, some, TILE_BYTES, ahead);
			continue;
		}
		some = min_u64(width - within, length);
		memcpy(band->row + within, source, some);
		if (within + some == width) {
			tile_adders_add(adder, key, line, band->row, width, TILE_BYTES, ahead);
		}
	}
}

/* Up to the end of the span or of the band. Returns how far that is. */
static uint64_t update_span(struct band *band, const struct span *span, uint64_t done,
	const struct span *next, struct place *place, uint64_t row) {
	uint64_t ahead = min_u64(AHEAD, span->length), x = place->x;
	uint32_t end = band->y + band->height;
	while (done < span->length && place->y < end) {
		uint32_t tile = (uint32_t)(x / TILE_BYTES);
		bool beyond = done + ahead >= span->length && next->length > 0;
		const struct span *from = beyond ? next : span;
		uint64_t at = done + ahead - (beyond ? span->length : 0);
		uint64_t length =
			find_length(band, x, row, at < from->length ? from->length - at : 0);
		length = min_u64(length, span->length - done);
		if (band->summed[tile]) {
			sum_piece(band, x, row, place->y - band->y, span->source + done, length,
				from->source + at);
		} else {
			band->differs[tile] |= update_piece(span->target + done,
				span->source + done, length, from->target + at, from->source + at);
		}
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

/* One of its tiles, or what of it lies in the rectangle. */
static struct damage_box tile_box(const struct band *band, uint32_t tile) {
	uint32_t x = tile * PICTURE_TILE_WIDTH;
	return (struct damage_box){
		.x = band->rect->x + x,
		.y = band->rect->y + band->y,
		.width = min_u32(PICTURE_TILE_WIDTH, band->rect->width - x),
		.height = band->height,
	};
}

static void begin_band(struct band *band, uint32_t y) {
	band->y = y;
	band->height = min_u32(PICTURE_TILE_HEIGHT, band->rect->height - y);
	memset(band->differs, 0, band->tiles);
	memset(band->summed, 0, band->tiles);
}

static void use_sums(struct band *band) {
	for (uint32_t i = 0; i < band->tiles; i++) {
		struct damage_box box = tile_box(band, i);
		if (picture_is_tile(band->picture, &box) &&
			picture_sum_known(picture_sum_at(band->picture, box.x, box.y))) {
			band->summed[i] = true;
			band->adders[i] = (struct tile_adder){0};
		}
	}
}

static struct spans make_spans(const struct picture *picture, const struct gpu_rect *rect,
	struct backing_reader *reader, uint64_t offset) {
	uint64_t row = (uint64_t)rect->width * PICTURE_PIXEL, stride = picture_stride(picture);
	bool whole = row == stride;
	return (struct spans){
		.reader = reader,
		.target = picture->pixels + rect->y * stride + (uint64_t)rect->x * PICTURE_PIXEL,
		.offset = offset,
		.run = whole ? row * rect->height : row,
		.stride = stride,
		.runs = whole ? 1 : rect->height,
	};
}

static bool update_plainly(uint8_t *target, const uint8_t *source, uint64_t length) {
	bool differs = memcmp(target, source, length) != 0;
	if (differs) {
		memcpy(target, source, length);
	}
	return differs;
}

/* A tile by itself. */
static bool update_tile(const struct band *band, const struct damage_box *box,
	struct backing_reader *reader, uint64_t offset) {
	const struct gpu_rect rect = {box->x, box->y, box->width, box->height};
	offset += (uint64_t)(box->y - band->rect->y) * picture_stride(band->picture) +
		(uint64_t)(box->x - band->rect->x) * PICTURE_PIXEL;
	struct spans spans = make_spans(band->picture, &rect, reader, offset);
	bool differs = false;
	for (struct span span = next_span(&spans); span.length > 0; span = next_span(&spans)) {
		differs |= update_plainly(span.target, span.source, span.length);
	}
	return differs;
}

/* All of a tile has been read: does it differ, and what is its sum now? */
static bool end_tile(
	struct band *band, uint32_t i, struct backing_reader *reader, uint64_t offset) {
	struct damage_box box = tile_box(band, i);
	if (band->summed[i]) {
		struct tile_sum sum = tile_adder_sum(&band->adders[i]);
		if (tile_sums_equal(&sum, picture_sum_at(band->picture, box.x, box.y))) {
			return false;
		}
		picture_forget(band->picture, &box);
		return update_tile(band, &box, reader, offset);
	}
	if (band->differs[i]) {
		picture_forget(band->picture, &box);
	} else if (picture_is_tile(band->picture, &box) &&
		!picture_sum_known(picture_sum_at(band->picture, box.x, box.y))) {
		picture_sum_tile(band->picture, box.x, box.y);
	}
	return band->differs[i];
}

static void end_band(struct band *band, struct backing_reader *reader, uint64_t offset,
	struct damage_boxes *noted) {
	struct damage_box found = {0};
	for (uint32_t i = 0; i < band->tiles; i++) {
		if (!end_tile(band, i, reader, offset)) {
			damage_boxes_add(noted, found);
			found = (struct damage_box){0};
			continue;
		}
		struct damage_box box = tile_box(band, i);
		if (found.width == 0) {
			found = box;
		} else {
			found.width += box.width;
		}
	}
	damage_boxes_add(noted, found);
}

/* Row after row, each in one pass. */
static void copy_wide(struct band *band, struct backing_reader *reader, uint64_t offset,
	struct damage_boxes *noted) {
	uint64_t row = (uint64_t)band->rect->width * PICTURE_PIXEL, done = 0;
	struct spans spans = make_spans(band->picture, band->rect, reader, offset);
	struct span now = next_span(&spans), next = next_span(&spans);
	struct place place = {0};
	for (uint32_t y = 0; y < band->rect->height; y += PICTURE_TILE_HEIGHT) {
		begin_band(band, y);
		use_sums(band);
		while (place.y < y + band->height) {
			done = update_span(band, &now, done, &next, &place, row);
			if (done == now.length) {
				now = next;
				next = next_span(&spans);
				done = 0;
			}
		}
		end_band(band, reader, offset, noted);
	}
}

/* A row of the rectangle in one piece: as it lies in guest memory, or put together. */
static const uint8_t *read_row(
	struct spans *spans, uint64_t offset, uint64_t row, uint8_t ret_row[SHORT]) {
	uint64_t length;
	const uint8_t *source = find_piece(spans, offset, &length);
	if (length >= row) {
		return source;
	}
	for (uint64_t done = 0; done < row; done += length) {
		source = find_piece(spans, offset + done, &length);
		length = min_u64(length, row - done);
		memcpy(ret_row + done, source, length);
	}
	return ret_row;
}

static void update_row(struct band *band, uint8_t *target, const uint8_t *source, uint64_t row) {
	for (uint32_t i = 0; row > 0; i++) {
		uint64_t length = min_u64(TILE_BYTES, row);
		if (memcmp(target, source, length) != 0) {
			memcpy(target, source, length);
			band->differs[i] = true;
		}
		target += length;
		source += length;
		row -= length;
	}
}

static void copy_narrow(struct band *band, struct backing_reader *reader, uint64_t offset,
	struct damage_boxes *noted) {
	uint64_t row = (uint64_t)band->rect->width * PICTURE_PIXEL;
	struct spans spans = make_spans(band->picture, band->rect, reader, offset);
	uint8_t split[SHORT];
	for (uint32_t y = 0; y < band->rect->height; y += PICTURE_TILE_HEIGHT) {
		begin_band(band, y);
		for (uint32_t i = 0; i < band->height; i++) {
			const uint8_t *source = read_row(&spans, spans.offset, row, split);
			update_row(band, spans.target, source, row);
			spans.target += spans.stride;
			spans.offset += spans.stride;
		}
		end_band(band, reader, offset, noted);
	}
}

void transfer_copy(const struct picture *picture, const struct gpu_rect *rect,
	struct backing_reader *reader, uint64_t offset, struct damage_boxes *noted) {
	struct band band;
	band.picture = picture;
	band.rect = rect;
	band.tiles = (rect->width + PICTURE_TILE_WIDTH - 1) / PICTURE_TILE_WIDTH;
	if ((uint64_t)rect->width * PICTURE_PIXEL <= SHORT) {
		copy_narrow(&band, reader, offset, noted);
	} else {
		copy_wide(&band, reader, offset, noted);
	}
}
