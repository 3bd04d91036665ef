#include "convert.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pixels are little-endian");

#define OPAQUE UINT32_C(0xff000000)

static uint32_t widen5(uint32_t value) {
	return value << 3 | value >> 2;
}

static uint32_t widen6(uint32_t value) {
	return value << 2 | value >> 4;
}

static uint16_t load16(const uint8_t *source) {
	uint16_t value;
	memcpy(&value, source, sizeof(value));
	return value;
}

static void convert_c8(
	const uint32_t *palette, const uint8_t *source, uint32_t *target, uint32_t width) {
	for (uint32_t i = 0; i < width; i++) {
		target[i] = OPAQUE | palette[source[i]];
	}
}

static void convert_xrgb1555(const uint8_t *source, uint32_t *target, uint32_t width) {
	for (uint32_t i = 0; i < width; i++) {
		uint32_t p = load16(source + 2 * (size_t)i);
		target[i] = OPAQUE | widen5(p >> 10 & 0x1f) << 16 | widen5(p >> 5 & 0x1f) << 8 |
			widen5(p & 0x1f);
	}
}

static void convert_rgb565(const uint8_t *source, uint32_t *target, uint32_t width) {
	for (uint32_t i = 0; i < width; i++) {
		uint32_t p = load16(source + 2 * (size_t)i);
		target[i] = OPAQUE | widen5(p >> 11) << 16 | widen6(p >> 5 & 0x3f) << 8 |
			widen5(p & 0x1f);
	}
}

static void convert_rgb888(const uint8_t *source, uint32_t *target, uint32_t width) {
	for (uint32_t i = 0; i < width; i++, source += 3) {
		target[i] =
			OPAQUE | (uint32_t)source[2] << 16 | (uint32_t)source[1] << 8 | source[0];
	}
}

static uint32_t load32(const uint8_t *source) {
	uint32_t value;
	memcpy(&value, source, sizeof(value));
	return value;
}

static void convert_xbgr8888(const uint8_t *source, uint32_t *target, uint32_t width) {
	for (uint32_t i = 0; i < width; i++) {
		uint32_t p = load32(source + 4 * (size_t)i);
		target[i] = OPAQUE | (p & 0xff) << 16 | (p & 0xff00) | (p >> 16 & 0xff);
	}
}

static void convert_bgrx8888(const uint8_t *source, uint32_t *target, uint32_t width) {
	for (uint32_t i = 0; i < width; i++) {
		target[i] = OPAQUE | __builtin_bswap32(load32(source + 4 * (size_t)i));
	}
}

static void convert_rgbx8888(const uint8_t *source, uint32_t *target, uint32_t width) {
	for (uint32_t i = 0; i < width; i++) {
		target[i] = OPAQUE | load32(source + 4 * (size_t)i) >> 8;
	}
}

static void convert_xrgb8888(const uint8_t *source, uint32_t *target, uint32_t width) {
	for (uint32_t i = 0; i < width; i++) {
		target[i] = OPAQUE | load32(source + 4 * (size_t)i);
	}
}

void convert_row(enum scanout_format format, const uint32_t *palette, const uint8_t *source,
	uint32_t *target, uint32_t width) {
	switch (format) {
	case SCANOUT_NONE:
		break;
	case SCANOUT_C8:
		convert_c8(palette, source, target, width);
		break;
	case SCANOUT_XRGB1555:
		convert_xrgb1555(source, target, width);
		break;
	case SCANOUT_RGB565:
		convert_rgb565(source, target, width);
		break;
	case SCANOUT_RGB888:
		convert_rgb888(source, target, width);
		break;
	case SCANOUT_XRGB8888:
		convert_xrgb8888(source, target, width);
		break;
	case SCANOUT_XBGR8888:
		convert_xbgr8888(source, target, width);
		break;
	case SCANOUT_BGRX8888:
		convert_bgrx8888(source, target, width);
		break;
	case SCANOUT_RGBX8888:
		convert_rgbx8888(source, target, width);
		break;
	}
}
