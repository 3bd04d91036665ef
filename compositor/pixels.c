#include "pixels.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

int pixels_covered(int at, int length, float scale) {
	return (int)(roundf((float)(at + length) * scale) - roundf((float)at * scale));
}

int pixels_wanted(int length, int picture, float scale) {
	double exact = (double)length * (double)scale;
	return picture > 0 && fabs(exact - picture) < 1 ? picture : (int)lround(exact);
}

int pixels_snap_to(int pixel, int length, int pixels, float scale) {
	const int start = (int)lroundf((float)pixel / scale);
	int best = start, least = INT_MAX;
	for (int at = start - PIXELS_SNAP_MAX; at <= start + PIXELS_SNAP_MAX; at++) {
		int off = abs(pixels_covered(0, at, scale) - pixel);
		if (off < least && pixels_covered(at, length, scale) == pixels) {
			best = at;
			least = off;
		}
	}
	return best;
}

int pixels_snap(int at, int length, int pixels, float scale) {
	return pixels_covered(at, length, scale) == pixels
		? at
		: pixels_snap_to(pixels_covered(0, at, scale), length, pixels, scale);
}
