#include "scanout.h"

#include <stddef.h>

#include "checked.h"

uint32_t scanout_format_bytes(enum scanout_format format) {
	switch (format) {
	case SCANOUT_NONE:
		return 0;
	case SCANOUT_C8:
		return 1;
	case SCANOUT_XRGB1555:
	case SCANOUT_RGB565:
		return 2;
	case SCANOUT_RGB888:
		return 3;
	case SCANOUT_XRGB8888:
	case SCANOUT_XBGR8888:
	case SCANOUT_BGRX8888:
	case SCANOUT_RGBX8888:
		return 4;
	}
	return 0;
}

/* A scanout in limit bytes. */
static bool compute(uint64_t limit, enum scanout_format format, uint32_t width, uint32_t height,
	uint64_t stride, uint64_t offset, struct scanout *ret) {
	uint64_t row = (uint64_t)width * scanout_format_bytes(format);
	if (row == 0 || height == 0 || width > SCANOUT_MAX_SIZE || height > SCANOUT_MAX_SIZE) {
		return false;
	}
	// With such a stride at most 16384 * 2^32: no overflow.
	if (stride < row || stride > UINT32_MAX ||
		!checked_range(offset, stride * (height - 1) + row, limit)) {
		return false;
	}
	*ret = (struct scanout){
		.format = format,
		.width = width,
		.height = height,
		.stride = (uint32_t)stride,
		.offset = offset,
	};
	return true;
}

uint64_t scanout_bytes(const struct scanout *scanout) {
	return (uint64_t)scanout->stride * (scanout->height - 1) +
		(uint64_t)scanout->width * scanout_format_bytes(scanout->format);
}

bool scanout_compute(const struct slice *slice, uint64_t limit, enum scanout_format format,
	uint32_t width, uint32_t height, uint64_t stride, uint64_t offset, struct scanout *ret) {
	struct scanout scanout;
	if (!compute(limit, format, width, height, stride, offset, &scanout) ||
		slice_range(slice, offset, scanout_bytes(&scanout)) == NULL) {
		return false;
	}
	*ret = scanout;
	return true;
}

bool scanout_compute_blob(const struct scanout_blob *blob, enum scanout_format format,
	uint32_t width, uint32_t height, uint64_t stride, uint64_t offset, struct scanout *ret) {
	struct scanout scanout;
	if (!compute(blob->size, format, width, height, stride, offset, &scanout)) {
		return false;
	}
	scanout.blob = *blob;
	scanout.flushed = true;
	*ret = scanout;
	return true;
}

bool scanout_equal(const struct scanout *a, const struct scanout *b) {
	return a->format == b->format && a->width == b->width && a->height == b->height &&
		a->stride == b->stride && a->offset == b->offset && a->flushed == b->flushed &&
		a->blob.serial == b->blob.serial;
}
