#ifndef GPU_PARTITION_EDID_H
#define GPU_PARTITION_EDID_H

#include <stdint.h>

/*
 * Writes the description of a guest's monitor: EDID 1.4 (VESA E-EDID A2) with the preferred
 * mode in reduced-blanking timing (VESA CVT 1.2), the common modes, and the name "mullion".
 * A mode too large for EDID's own detailed timing stands in a DisplayID 1.3 extension block,
 * with 1920x1080 in its place for those who do not look there.
 */

#define EDID_SIZE 256 // bytes, two blocks; the second is zero where there is no extension

/* The largest that EDID's detailed timing can say. */
#define EDID_DETAILED_MAX 4095 // pixels in a direction

#define EDID_MAX_SIZE 16384 // pixels in a direction

/*
 * Preferred size in pixels, refresh in mHz. Each direction is clamped to 64..EDID_MAX_SIZE,
 * and the refresh to what the timing can say.
 */
void edid_generate(uint8_t ret[EDID_SIZE], uint32_t width, uint32_t height, uint32_t refresh);

#endif
