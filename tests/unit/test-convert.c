#include "convert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Every 16-bit value, against the definition of widening: v * 255 / max, whose nearest
 * integer repeating the upper bits gives for 5 and 6 bits up to one step. */
static uint32_t channel(uint32_t value, uint32_t bits) {
	return bits == 5 ? value * 8 + value / 4 : value * 4 + value / 16;
}

static uint32_t pixel(uint32_t red, uint32_t green, uint32_t blue) {
	return 0xff000000 | red << 16 | green << 8 | blue;
}

static void rgb565_is_exact(void **state) {
	for (uint32_t value = 0; value < 0x10000; value++) {
		uint8_t source[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
		uint32_t target;
		convert_row(SCANOUT_RGB565, NULL, source, &target, 1);
		assert_int_equal(target,
			pixel(channel(value / 2048, 5), channel(value / 32 % 64, 6),
				channel(value % 32, 5)));
	}
}

static void xrgb1555_is_exact_and_ignores_the_top_bit(void **state) {
	for (uint32_t value = 0; value < 0x10000; value++) {
		uint8_t source[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
		uint32_t target;
		convert_row(SCANOUT_XRGB1555, NULL, source, &target, 1);
		assert_int_equal(target,
			pixel(channel(value / 1024 % 32, 5), channel(value / 32 % 32, 5),
				channel(value % 32, 5)));
	}
}

static void c8_goes_through_the_palette(void **state) {
	uint32_t palette[256], target[256];
	uint8_t source[256];
	for (uint32_t i = 0; i < 256; i++) {
		palette[i] = i * 0x010305 ^ 0x123456;
		source[i] = (uint8_t)(255 - i);
	}
	convert_row(SCANOUT_C8, palette, source, target, 256);
	for (uint32_t i = 0; i < 256; i++) {
		assert_int_equal(target[i], 0xff000000 | palette[255 - i]);
	}
}

static void rgb888_is_blue_green_red_at_any_alignment(void **state) {
	uint8_t source[1 + 3 * 5];
	for (uint8_t i = 0; i < sizeof(source); i++) {
		source[i] = (uint8_t)(i * 17);
	}
	uint32_t target[6] = {[5] = 0xdeadbeef};
	convert_row(SCANOUT_RGB888, NULL, source + 1, target, 5);
	for (uint32_t i = 0; i < 5; i++) {
		const uint8_t *p = source + 1 + 3 * (size_t)i;
		assert_int_equal(target[i], pixel(p[2], p[1], p[0]));
	}
	assert_int_equal(target[5], 0xdeadbeef);
}

static void xrgb8888_becomes_opaque_at_any_alignment(void **state) {
	uint8_t source[9] = {0, 1, 2, 3, 4, 0xf0, 0xe0, 0xd0, 0xc0};
	uint32_t target[2];
	convert_row(SCANOUT_XRGB8888, NULL, source + 1, target, 2);
	assert_int_equal(target[0], 0xff030201);
	assert_int_equal(target[1], 0xffd0e0f0);
}

static void black_and_white_stay_so(void **state) {
	static const enum scanout_format formats[] = {
		SCANOUT_XRGB1555, SCANOUT_RGB565, SCANOUT_RGB888, SCANOUT_XRGB8888};
	uint8_t black[4] = {0}, white[4] = {255, 255, 255, 255};
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		uint32_t target;
		convert_row(formats[i], NULL, black, &target, 1);
		assert_int_equal(target, 0xff000000);
		convert_row(formats[i], NULL, white, &target, 1);
		assert_int_equal(target, 0xffffffff);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rgb565_is_exact),
		cmocka_unit_test(xrgb1555_is_exact_and_ignores_the_top_bit),
		cmocka_unit_test(c8_goes_through_the_palette),
		cmocka_unit_test(rgb888_is_blue_green_red_at_any_alignment),
		cmocka_unit_test(xrgb8888_becomes_opaque_at_any_alignment),
		cmocka_unit_test(black_and_white_stay_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
