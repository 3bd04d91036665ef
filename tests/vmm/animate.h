#ifndef TESTS_ANIMATE_H
#define TESTS_ANIMATE_H

#include <stdint.h>

#include "guest-bochs.h"

/*
 * A guest that draws without end and believes nothing: a new frame of the moving picture
 * at a steady pace, each into the next of several buffers and then flipped to; now and
 * then a mode set and a map of memory. All that it has written it reads back, registers
 * as well as pixels, so that a device that is reset, forgets, or belongs to somebody else
 * does not go unnoticed.
 */

/* What others may read of it at any time, in a file. All times are CLOCK_MONOTONIC. */
struct animate_status {
	uint64_t frames;       // drawn and flipped to
	uint64_t frame_usec;   // when that was
	uint64_t longest_usec; // of the times between frames; a reader may set it to 0
	uint64_t mode_sets;
	uint64_t checks; // values read back
	uint64_t busy;   // where a reader sets it to 1: between frames, too, it never rests
};

struct animate {
	struct bochs_guest *guest; // borrowed, after bochs_set_mode() with 32 bits
	struct animate_status *status;
	uint32_t number; // whose picture it is
	uint32_t rate;   // frames a second
};

/* Draws until something is wrong; returns a line that says what, to free. */
char *animate(const struct animate *animate);

#endif
