#ifndef GUEST_BRIDGE_INPUT_AREA_H
#define GUEST_BRIDGE_INPUT_AREA_H

#include <stdint.h>
#include <wayland-client.h>

/* Where a picture lies in what the guest's pointer and fingers span. Pixels. */
struct input_area {
	uint32_t x, y, width, height;     // width 0: there is no picture
	uint32_t span_width, span_height; // all of it lies inside
	/* Of the surface that shows it, in its own coordinates; 0: those are pixels. */
	uint32_t surface_width, surface_height;
};

/* Places on the surface, in the guest. */
int32_t input_area_x(const struct input_area *area, wl_fixed_t x);
int32_t input_area_y(const struct input_area *area, wl_fixed_t y);

/* A place in the guest, 0 to LINK_INPUT_ABS_LIMIT, for one on a surface that is size pixels
 * wide (or high) and begins at offset of a span; offset + size <= span, size > 0. */
int32_t input_scale(wl_fixed_t position, uint32_t offset, uint32_t size, uint32_t span);

#endif
