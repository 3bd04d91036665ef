#ifndef GPU_PARTITION_EDID_H
#define GPU_PARTITION_EDID_H

#include <stdint.h>

/*
 * The description of a guest's monitor: EDID 1.4 (VESA E-EDID A2) with the preferred mode in
 * reduced-blanking timing (VESA CVT 1.2) and the common modes. A mode too large for EDID's own
 * detailed timing stands in a DisplayID 1.3 extension block, with 1920x1080 in its place for
 * those who do not look there.
 */

#define EDID_SIZE 256 // bytes, two blocks; the second is zero where there is no extension

/* The largest that EDID's detailed timing can say. */
#define EDID_DETAILED_MAX 4095 // pixels in a direction

#define EDID_MAX_SIZE 16384 // pixels in a direction

#define EDID_SCALE 120      // 96 pixels an inch
#define EDID_NAME_LENGTH 13 // characters

struct edid_monitor {
	uint32_t width, height; // pixels; each direction is clamped to 64..EDID_MAX_SIZE
	uint32_t refresh;       // mHz; clamped to what the timing can say
	/* 120ths, as of wp_fractional_scale_v1: a guest finds it in the monitor's size in
	 * millimetres. 0: EDID_SCALE. */
	uint32_t scale;
	uint32_t serial; // tells a guest's monitors apart
	/* As the guest calls it: what is not ASCII becomes '?', what is too long is cut. NULL or
	 * nothing that can be shown: "mullion". */
	const char *name;
};

void edid_generate(uint8_t ret[EDID_SIZE], const struct edid_monitor *monitor);

#endif
