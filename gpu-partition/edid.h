#ifndef GPU_PARTITION_EDID_H
#define GPU_PARTITION_EDID_H

#include <stdint.h>

/*
 * Writes the description of a guest's monitor: one block of EDID 1.4 (VESA E-EDID A2) with
 * the preferred mode in reduced-blanking timing (VESA CVT 1.2), the common modes, and the
 * name "mullion".
 */

#define EDID_SIZE 128 // bytes

/* The largest that a detailed timing can say. */
#define EDID_MAX_SIZE 4095 // pixels in a direction

/*
 * Preferred size in pixels, refresh in mHz. What does not fit a detailed timing is clamped:
 * each direction to 64..EDID_MAX_SIZE, the refresh so that the pixel clock fits.
 */
void edid_generate(uint8_t ret[EDID_SIZE], uint32_t width, uint32_t height, uint32_t refresh);

#endif
