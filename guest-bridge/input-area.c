#include "input-area.h"

#include "device-link.h"

int32_t input_scale(wl_fixed_t position, uint32_t offset, uint32_t size, uint32_t span) {
	// Rounded up: the guest divides and rounds down, and must come to the same pixel.
	uint64_t inside = position > 0 ? (uint64_t)position : 0, end = (uint64_t)size * 256;
	uint64_t at = (uint64_t)offset * 256 + (inside < end ? inside : end);
	uint64_t unit = (uint64_t)span * 256;
	uint64_t value = (at * (LINK_INPUT_ABS_LIMIT + 1) + unit - 1) / unit;
	return value < LINK_INPUT_ABS_LIMIT ? (int32_t)value : LINK_INPUT_ABS_LIMIT;
}

static wl_fixed_t in_pixels(wl_fixed_t position, uint32_t size, uint32_t surface) {
	if (surface == 0 || surface == size) {
		return position;
	}
	int64_t scaled = (int64_t)position * size / surface;
	return scaled > INT32_MAX ? INT32_MAX : scaled < INT32_MIN ? INT32_MIN : (wl_fixed_t)scaled;
}

int32_t input_area_x(const struct input_area *area, wl_fixed_t x) {
	return input_scale(in_pixels(x, area->width, area->surface_width), area->x, area->width,
		area->span_width);
}

int32_t input_area_y(const struct input_area *area, wl_fixed_t y) {
	return input_scale(in_pixels(y, area->height, area->surface_height), area->y, area->height,
		area->span_height);
}
