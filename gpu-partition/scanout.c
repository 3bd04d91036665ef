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

bool scanout_compute(const struct slice *slice, uint64_t limit, enum scanout_format format,
	uint32_t width, uint32_t height, uint64_t stride, uint64_t offset, struct scanout *ret) {
	uint64_t row = (uint64_t)width * scanout_format_bytes(format);
	if (row == 0 || height == 0 || width > SCANOUT_MAX_SIZE || height > SCANOUT_MAX_SIZE) {
		return false;
	}
	if (stride < row || stride > UINT32_MAX) {
		return false;
	}
	// At most 16384 * 2^32: no overflow.
	uint64_t length = stride * (height - 1) + row;
	if (!checked_range(offset, length, limit) || slice_range(slice, offset, length) == NULL) {
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

bool scanout_equal(const struct scanout *a, const struct scanout *b) {
	return a->format == b->format && a->width == b->width && a->height == b->height &&
		a->stride == b->stride && a->offset == b->offset && a->flushed == b->flushed;
}
