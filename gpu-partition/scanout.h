#ifndef GPU_PARTITION_SCANOUT_H
#define GPU_PARTITION_SCANOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

/*
 * What one head of a guest's display controller scans out. A value, taken as one
 * snapshot of the registers; whoever holds it may use it without further checks.
 */

enum scanout_format {
	SCANOUT_NONE,     // the display is off
	SCANOUT_C8,       // 8 bits, palette
	SCANOUT_XRGB1555, // 15 and 16 bits little-endian
	SCANOUT_RGB565,
	SCANOUT_RGB888,   // 24 bits packed: blue, green, red in memory
	SCANOUT_XRGB8888, // 32 bits little-endian: blue, green, red, unused
	SCANOUT_XBGR8888, // likewise: red, green, blue, unused
	SCANOUT_BGRX8888, // unused, red, green, blue
	SCANOUT_RGBX8888, // unused, blue, green, red
};

#define SCANOUT_MAX_SIZE 16384 // pixels in a direction

/*
 * Guest memory as one run of bytes, which a resource has made of its pages. Descriptor and
 * pointer are good until the guest's next command.
 */
struct scanout_blob {
	uint64_t serial; // no two have the same; 0: there is none
	uint64_t size;   // bytes
	int fd;          // a dma-buf, borrowed
	const uint8_t *bytes;
};

struct scanout {
	enum scanout_format format;
	uint32_t width, height; // pixels, 1 to SCANOUT_MAX_SIZE; 0 where format is SCANOUT_NONE
	uint32_t stride;        // bytes from row to row
	uint64_t offset;        // bytes to the first pixel, from the blob's start or the slice's
	struct scanout_blob blob;
	/* The guest tells what it has changed (bridge_flushed()); otherwise that is to be found. */
	bool flushed;
};

/* Bytes from the first pixel to the end of the last. */
uint64_t scanout_bytes(const struct scanout *scanout);

/* Bytes of one pixel, 0 for SCANOUT_NONE. */
uint32_t scanout_format_bytes(enum scanout_format format);

/*
 * Every mode set and flip goes through here. Fills *ret with a scanout whose every byte
 * lies in the slice before limit (its aperture's end, or its own) and returns true;
 * otherwise returns false, with *ret untouched. format must not be SCANOUT_NONE. The last
 * row counts only up to its last pixel. flushed is false.
 */
bool scanout_compute(const struct slice *slice, uint64_t limit, enum scanout_format format,
	uint32_t width, uint32_t height, uint64_t stride, uint64_t offset, struct scanout *ret);

/* The same for a picture in a blob; its changes are told (flushed is set). */
bool scanout_compute_blob(const struct scanout_blob *blob, enum scanout_format format,
	uint32_t width, uint32_t height, uint64_t stride, uint64_t offset, struct scanout *ret);

/* Whether two show the same place, in the same way. */
bool scanout_equal(const struct scanout *a, const struct scanout *b);

#endif
