#ifndef GUEST_BRIDGE_CONVERT_H
#define GUEST_BRIDGE_CONVERT_H

#include <stdint.h>

#include "scanout.h"

/*
 * Turns width pixels of a scanout's format into XRGB8888 with the unused byte 255. Channels
 * of 5 and 6 bits are widened by repeating their upper bits, so that black stays black and
 * white white. palette has 256 entries of 0x00RRGGBB; it is read for SCANOUT_C8 only. source
 * may be unaligned. format is not SCANOUT_NONE.
 */
void convert_row(enum scanout_format format, const uint32_t *palette, const uint8_t *source,
	uint32_t *target, uint32_t width);

#endif
