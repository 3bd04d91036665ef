#ifndef COMPOSITOR_PIXELS_H
#define COMPOSITOR_PIXELS_H

/*
 * From lengths of the layout to pixels of an output with a scale. wlroots rounds both ends of
 * what it draws: where the scale is no whole number, how many pixels a length covers depends on
 * its place. All places are counted from the output's edge.
 */

#define PIXELS_SNAP_MAX 16 // of the layout

/* What the length covers from `at` on. */
int pixels_covered(int at, int length, float scale);

/* What the length ought to cover: a picture's own size, 0 for none, where some place has just
 * that many pixels, and else the nearest number. */
int pixels_wanted(int length, int picture, float scale);

/* The place nearest to `at`, at most PIXELS_SNAP_MAX away, where the length covers so many
 * pixels; `at` itself where there is none. */
int pixels_snap(int at, int length, int pixels, float scale);

/* The same, nearest to a pixel of the output. */
int pixels_snap_to(int pixel, int length, int pixels, float scale);

#endif
