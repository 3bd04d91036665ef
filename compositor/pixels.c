#include "pixels.h"

#include <math.h>

int pixels_covered(int at, int length, float scale) {
	return (int)(roundf((float)(at + length) * scale) - roundf((float)at * scale));
}

int pixels_wanted(int length, int picture, float scale) {
	double exact = (double)length * (double)scale;
	return picture > 0 && fabs(exact - picture) < 1 ? picture : (int)lround(exact);
}

int pixels_snap(int at, int length, int pixels, float scale) {
	for (int distance = 0; distance <= PIXELS_SNAP_MAX; distance++) {
		if (pixels_covered(at + distance, length, scale) == pixels) {
			return at + distance;
		}
		if (pixels_covered(at - distance, length, scale) == pixels) {
			return at - distance;
		}
	}
	return at;
}
