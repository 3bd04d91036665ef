#ifndef TESTS_GUESTS_CARD_H
#define TESTS_GUESTS_CARD_H

#include <stdint.h>

/*
 * The test card, pixel by pixel. The guest draws it and the tests compute it again, so
 * that a picture can be compared bit by bit without ever being stored.
 *
 * A white line runs round the edge: a picture that is cut off or shifted by one pixel
 * shows at once. Outside the circle lies a grid of 32 pixels. Inside it, from top to
 * bottom: eight colour bars, sixteen greys, a ramp of each primary colour, and noise, in
 * which no two neighbouring pixels agree and every bit of a pixel matters.
 */

enum card_band {
	CARD_BARS,
	CARD_GREYS,
	CARD_RED,
	CARD_GREEN,
	CARD_BLUE,
	CARD_NOISE,
};

static inline uint32_t card_noise(uint32_t x, uint32_t y) {
	uint32_t n = x * 0x9e3779b1u ^ (y + 1) * 0x85ebca77u;
	n ^= n >> 15;
	n *= 0xc2b2ae3du;
	n ^= n >> 13;
	return n & 0xffffff;
}

static inline uint32_t card_grid(uint32_t x, uint32_t y) {
	if (x % 32 == 0 || y % 32 == 0) {
		return 0x9098a0;
	}
	return (x / 32 + y / 32) % 2 ? 0x384048 : 0x303840;
}

static inline enum card_band card_band(uint32_t y, uint32_t height) {
	static const enum card_band bands[12] = {CARD_BARS, CARD_BARS, CARD_BARS, CARD_BARS,
		CARD_BARS, CARD_GREYS, CARD_GREYS, CARD_RED, CARD_GREEN, CARD_BLUE, CARD_NOISE,
		CARD_NOISE};
	return bands[(uint64_t)y * 12 / height];
}

/* What lies inside the circle, which is `size` pixels wide; x counts from its left. */
static inline uint32_t card_inside(uint32_t x, uint32_t size, enum card_band band, uint32_t noise) {
	static const uint32_t bars[8] = {
		0xffffff, 0xffff00, 0x00ffff, 0x00ff00, 0xff00ff, 0xff0000, 0x0000ff, 0x000000};
	uint32_t ramp = (uint64_t)x * 256 / size;
	switch (band) {
	case CARD_BARS:
		return bars[(uint64_t)x * 8 / size];
	case CARD_GREYS:
		return ((uint64_t)x * 16 / size) * 0x111111;
	case CARD_RED:
		return ramp << 16;
	case CARD_GREEN:
		return ramp << 8;
	case CARD_BLUE:
		return ramp;
	case CARD_NOISE:
		break;
	}
	return noise;
}

/* The pixel at x, y of a card of width by height pixels, 0x00RRGGBB. */
static inline uint32_t card_pixel(uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
	if (x == 0 || y == 0 || x == width - 1 || y == height - 1) {
		return 0xffffff;
	}
	uint32_t size = width < height ? width : height;
	int64_t dx = 2 * (int64_t)x + 1 - width, dy = 2 * (int64_t)y + 1 - height;
	int64_t distance = dx * dx + dy * dy, radius = (int64_t)size - size / 16;
	if (distance > radius * radius) {
		return card_grid(x, y);
	}
	uint32_t left = (width - size) / 2;
	return card_inside(x - left, size, card_band(y, height), card_noise(x, y));
}

#endif
