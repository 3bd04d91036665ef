#include "placement.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define GAP 16         // pixels between windows
#define TITLE_WEIGHT 8 // covering a title is that much worse than covering a picture
#define OUTSIDE_WEIGHT 2

static int min(int a, int b) {
	return a < b ? a : b;
}

static int max(int a, int b) {
	return a > b ? a : b;
}

static int64_t overlap(const struct place *a, const struct place *b) {
	int width = min(a->x + a->width, b->x + b->width) - max(a->x, b->x);
	int height = min(a->y + a->height, b->y + b->height) - max(a->y, b->y);
	return width > 0 && height > 0 ? (int64_t)width * height : 0;
}

static int64_t cost(const struct place *area, const struct place *taken, size_t n, int title,
	const struct place *at) {
	int64_t inside = overlap(area, at);
	int64_t sum = OUTSIDE_WEIGHT * ((int64_t)at->width * at->height - inside);
	for (size_t i = 0; i < n; i++) {
		struct place bar = taken[i];
		bar.height = title;
		sum += overlap(&taken[i], at) + TITLE_WEIGHT * overlap(&bar, at);
		// Exactly on top of another the lower one cannot even be guessed.
		sum += taken[i].x == at->x && taken[i].y == at->y ? INT32_MAX : 0;
	}
	return sum;
}

/* Columns (or rows) worth trying along one axis. */
static size_t candidates(int start, int length, int size, const struct place *taken, size_t n,
	bool vertical, int step, int *ret) {
	size_t len = 0;
	int last = start + length - size - GAP;
	ret[len++] = start + GAP;
	ret[len++] = start + (length - size) / 2;
	ret[len++] = last;
	for (size_t i = 0; i < n; i++) {
		int from = vertical ? taken[i].y : taken[i].x;
		int to = from + (vertical ? taken[i].height : taken[i].width);
		ret[len++] = to + GAP;
		ret[len++] = from - size - GAP;
		ret[len++] = from + step;
		ret[len++] = from;
	}
	int gap = length - size >= 2 * GAP ? GAP : 0;
	int first = start + gap;
	last = max(first, start + length - size - gap);
	for (size_t i = 0; i < len; i++) {
		ret[i] = max(first, min(ret[i], last));
	}
	return len;
}

void placement_find(const struct place *area, const struct place *taken, size_t n, int title,
	int width, int height, int *ret_x, int *ret_y) {
	int xs[3 + 4 * PLACEMENT_WINDOWS], ys[3 + 4 * PLACEMENT_WINDOWS];
	n = n > PLACEMENT_WINDOWS ? PLACEMENT_WINDOWS : n;
	int step = title + GAP;
	size_t xs_len = candidates(area->x, area->width, width, taken, n, false, step, xs);
	size_t ys_len = candidates(area->y, area->height, height, taken, n, true, step, ys);
	int64_t best = INT64_MAX;
	struct place at = {.width = width, .height = height};
	*ret_x = area->x;
	*ret_y = area->y;
	for (size_t i = 0; i < ys_len; i++) {
		for (size_t j = 0; j < xs_len; j++) {
			at.x = xs[j];
			at.y = ys[i];
			int64_t this = cost(area, taken, n, title, &at);
			if (this < best ||
				(this == best &&
					(at.y < *ret_y || (at.y == *ret_y && at.x < *ret_x)))) {
				best = this;
				*ret_x = at.x;
				*ret_y = at.y;
			}
		}
	}
}

static struct place fit(int max_width, int max_height, int width, int height) {
	struct place size = {.width = max_width, .height = max_height};
	if ((int64_t)max_width * height <= (int64_t)max_height * width) {
		size.height = max(1, (int)((int64_t)max_width * height / width));
	} else {
		size.width = max(1, (int)((int64_t)max_height * width / height));
	}
	return size;
}

void placement_shrink(int max_width, int max_height, int *width, int *height) {
	if (*width > max_width || *height > max_height) {
		struct place size = fit(max(1, max_width), max(1, max_height), *width, *height);
		*width = size.width;
		*height = size.height;
	}
}

struct place placement_centre(const struct place *area, int width, int height) {
	struct place place =
		fit(max(1, area->width), max(1, area->height), max(1, width), max(1, height));
	place.x = area->x + (area->width - place.width) / 2;
	place.y = area->y + (area->height - place.height) / 2;
	return place;
}
