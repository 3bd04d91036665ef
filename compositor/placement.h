#ifndef COMPOSITOR_PLACEMENT_H
#define COMPOSITOR_PLACEMENT_H

#include <stddef.h>

/* Pixels of the output layout; with border and title. */
struct place {
	int x, y, width, height;
};

#define PLACEMENT_WINDOWS 64 // more are not looked at

/*
 * Where a new window of this size goes in the area: where it covers least of the windows
 * that are there, above all of their titles, and of such places the topmost, then the
 * leftmost. Its own title always lies in the area. title: height of a title bar.
 */
void placement_find(const struct place *area, const struct place *taken, size_t n, int title,
	int width, int height, int *ret_x, int *ret_y);

/* The largest size of the same aspect that fits; never enlarges. At least 1x1. */
void placement_shrink(int max_width, int max_height, int *width, int *height);

/* The largest size of the same aspect that fits, and where it is centred in area. */
struct place placement_centre(const struct place *area, int width, int height);

#endif
