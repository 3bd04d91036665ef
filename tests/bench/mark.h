#ifndef TESTS_MARK_H
#define TESTS_MARK_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The boxes of `frames mark`, see tests/guests/frames.c. */

#define MARK_X 50 // in the guest's picture
#define MARK_Y 40
#define MARK_WIDTH 100
#define MARK_HEIGHT 20
#define MARK_COLOUR 0xa55a00 // and its number in the lowest 8 bits

struct mark {
	uint32_t last; // pixel, 0 before the first
};

/* Takes a pixel that was seen at a time, in nanoseconds, and prints "NUMBER TIME" if it shows
 * another box than before. Returns whether it shows one. */
static inline bool mark_see(struct mark *mark, uint32_t pixel, uint64_t nsec) {
	pixel &= 0xffffff;
	if ((pixel & 0xffff00) != MARK_COLOUR) {
		return false;
	}
	if (pixel != mark->last) {
		mark->last = pixel;
		printf("%" PRIu32 " %" PRIu64 "\n", pixel & 0xff, nsec);
		fflush(stdout);
	}
	return true;
}

#endif
