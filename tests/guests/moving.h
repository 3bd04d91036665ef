#ifndef TESTS_GUESTS_MOVING_H
#define TESTS_GUESTS_MOVING_H

#include <stdint.h>

/*
 * A moving picture whose every pixel can be checked without knowing when it was drawn:
 * noise that belongs to its place and to the guest, to which each frame adds the same
 * number. From a pixel and its place follows the number of its frame (modulo 2^24), which
 * is nonsense for a pixel of another place, another guest or another picture.
 */

#define MOVING_STEP 0x9e3779u         // odd, so that it has an inverse
#define MOVING_STEP_INVERSE 0xb382c9u // modulo 2^24
#define MOVING_FRAMES (1u << 24)

_Static_assert(((MOVING_STEP * MOVING_STEP_INVERSE) & (MOVING_FRAMES - 1)) == 1, "inverse");

static inline uint32_t moving_noise(uint32_t x, uint32_t y, uint32_t guest) {
	uint32_t n = x * 0x9e3779b1u ^ (y + 1) * 0x85ebca77u ^ guest * 0x27d4eb2fu;
	n ^= n >> 15;
	n *= 0xc2b2ae3du;
	n ^= n >> 13;
	return n & (MOVING_FRAMES - 1);
}

/* The pixel at x, y in a frame of a guest's, 0x00RRGGBB. */
static inline uint32_t moving_pixel(uint32_t x, uint32_t y, uint32_t guest, uint32_t frame) {
	return (moving_noise(x, y, guest) + frame * MOVING_STEP) & (MOVING_FRAMES - 1);
}

/* The frame of such a pixel. */
static inline uint32_t moving_frame(uint32_t x, uint32_t y, uint32_t guest, uint32_t pixel) {
	return ((pixel - moving_noise(x, y, guest)) * MOVING_STEP_INVERSE) & (MOVING_FRAMES - 1);
}

#endif
