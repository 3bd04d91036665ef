#ifndef CTL_SCREENSHOT_H
#define CTL_SCREENSHOT_H

#include <stdint.h>

/* A picture as the compositor hands it over; nothing of it is checked yet. */
struct picture {
	int fd; // stays the caller's; -1 for none
	uint64_t width, height, stride;
};

#define PICTURE_MAX_SIZE 32767 // pixels of a side, cairo's limit

/*
 * Writes XRGB8888 pixels as an opaque PNG. The file appears whole or not at all. Returns
 * NULL, or what is wrong, a static string.
 */
const char *picture_write_png(const struct picture *picture, const char *file);

#endif
