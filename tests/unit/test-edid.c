#include "edid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint8_t edid[EDID_SIZE];

static void generate(uint32_t width, uint32_t height, uint32_t refresh) {
	const struct edid_monitor monitor = {
		.width = width, .height = height, .refresh = refresh, .serial = 1};
	edid_generate(edid, &monitor);
}

static unsigned sum(size_t from, size_t until) {
	unsigned sum = 0;
	for (size_t i = from; i < until; i++) {
		sum += edid[i];
	}
	return sum & 0xff;
}

static unsigned checksum(void) {
	return sum(0, 128);
}

/* The preferred timing, as a driver reads it. */
static struct {
	uint32_t clock, width, height, h_blank, v_blank; // clock in 10 kHz
	uint32_t h_front, h_sync, v_front, v_sync;
} timing;

static void read_timing(void) {
	const uint8_t *at = &edid[54];
	timing.clock = at[0] | at[1] << 8;
	timing.width = at[2] | (at[4] & 0xf0) << 4;
	timing.h_blank = at[3] | (at[4] & 0x0f) << 8;
	timing.height = at[5] | (at[7] & 0xf0) << 4;
	timing.v_blank = at[6] | (at[7] & 0x0f) << 8;
	timing.h_front = at[8] | (at[11] & 0xc0) << 2;
	timing.h_sync = at[9] | (at[11] & 0x30) << 4;
	timing.v_front = at[10] >> 4 | (at[11] & 0x0c) << 2;
	timing.v_sync = (at[10] & 0x0f) | (at[11] & 0x03) << 4;
}

/* Pixels of a whole frame. */
static double total(void) {
	return (timing.width + timing.h_blank) * (double)(timing.height + timing.v_blank);
}

static double refresh(void) {
	return timing.clock * 10000.0 / total();
}

static void the_preferred_mode_comes_first(void **state) {
	const struct {
		uint32_t width, height, refresh;
	} cases[] = {
		{640, 480, 60000},
		{1024, 768, 60000},
		{1280, 800, 60000},
		{1366, 768, 59940},
		{1920, 1080, 60000},
		{1920, 1080, 144000},
		{2560, 1440, 120000},
		{3840, 2160, 60000},
		{64, 64, 60000},
		{4095, 200, 60000},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		generate(cases[i].width, cases[i].height, cases[i].refresh);
		read_timing();
		assert_int_equal(checksum(), 0);
		assert_int_equal(timing.width, cases[i].width);
		assert_int_equal(timing.height, cases[i].height);
		double error = refresh() - cases[i].refresh / 1000.0;
		assert_true(error * total() > -5100 && error * total() < 5100); // half a step
		assert_true(timing.h_front + timing.h_sync < timing.h_blank);
		assert_true(timing.v_front + timing.v_sync < timing.v_blank);
	}
}

static void blanking_lasts_as_long_as_a_monitor_needs(void **state) {
	generate(1920, 1080, 60000);
	read_timing();
	// What VESA's own spreadsheet gives for 1920x1080 with reduced blanking.
	assert_int_equal(timing.h_blank, 160);
	assert_int_equal(timing.v_blank, 31);
	assert_int_equal(timing.v_sync, 5);
}

static uint32_t get16(size_t at) {
	return edid[at] | edid[at + 1] << 8;
}

static void a_large_mode_stands_in_an_extension(void **state) {
	generate(7680, 4320, 60000);
	assert_int_equal(edid[126], 1);
	assert_int_equal(checksum(), 0);
	assert_int_equal(sum(128, 256), 0);
	assert_int_equal(edid[128], 0x70);
	assert_int_equal(sum(129, 255), 0);
	// Product, parameters, interface, timing.
	const size_t parameters = 148, timing_at = 176;
	assert_int_equal(edid[133], 0);
	assert_int_equal(edid[parameters], 1);
	assert_int_equal(get16(parameters + 3), 20320); // tenths of millimetres
	assert_int_equal(get16(parameters + 5), 11430);
	assert_int_equal(get16(parameters + 7), 7680);
	assert_int_equal(get16(parameters + 9), 4320);
	assert_int_equal(edid[163], 0x0f);
	assert_int_equal(edid[timing_at], 3);
	assert_int_equal(get16(timing_at + 7) + 1, 7680);
	assert_int_equal(get16(timing_at + 15) + 1, 4320);
	double clock = (get16(timing_at + 3) + (edid[timing_at + 5] << 16) + 1) * 10000.0;
	double pixels = (7680 + get16(timing_at + 9) + 1) * (4320.0 + get16(timing_at + 17) + 1);
	assert_true(clock / pixels > 59.99 && clock / pixels < 60.01);
	read_timing();
	assert_int_equal(timing.width, 1920);
	assert_int_equal(timing.height, 1080);
}

static void no_numbers_make_an_invalid_block(void **state) {
	const uint32_t extremes[] = {0, 1, 4095, 4096, 8192, 16384, 65536, UINT32_MAX};
	for (size_t i = 0; i < 512; i++) {
		uint32_t width = extremes[i % 8], height = extremes[i / 8 % 8];
		generate(width, height, extremes[i / 64]);
		read_timing();
		assert_int_equal(checksum(), 0);
		assert_int_equal(sum(128, 256), 0);
		assert_int_equal(edid[126], width > 4095 || height > 4095);
		assert_in_range(timing.width, 64, EDID_DETAILED_MAX);
		assert_in_range(timing.height, 64, EDID_DETAILED_MAX);
		assert_true(timing.clock > 0);
		assert_true(timing.v_front + timing.v_sync < timing.v_blank);
	}
}

static void it_is_an_edid_of_version_1_4(void **state) {
	const uint8_t magic[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
	generate(1280, 800, 60000);
	assert_memory_equal(edid, magic, sizeof(magic));
	assert_int_equal(edid[18], 1);
	assert_int_equal(edid[19], 4);
	assert_int_equal(edid[126], 0); // no extensions follow
}

/* The 13 bytes of a text descriptor. */
static const char *text(uint8_t tag) {
	for (size_t at = 54; at < 126; at += 18) {
		const uint8_t header[] = {0, 0, 0, tag, 0};
		if (memcmp(&edid[at], header, sizeof(header)) == 0) {
			return (const char *)&edid[at + 5];
		}
	}
	fail();
	return NULL;
}

static void the_monitor_is_called_as_its_guest(void **state) {
	const struct {
		const char *name, *shown;
	} cases[] = {
		{NULL, "mullion\n     "},
		{"", "mullion\n     "},
		{"   ", "mullion\n     "},
		{"work", "work\n        "},
		{"a b", "a b\n         "},
		{" work ", "work\n        "},
		{"twelve chars", "twelve chars\n"},
		{"thirteen char", "thirteen char"},
		{"much more than thirteen", "much more tha"},
		{"twelve chars and more", "twelve chars\n"},
		{"B\xc3\xbcro", "B?ro\n        "},
		{"\xe6\x97\xa5\xe6\x9c\xac", "??\n          "},
		{"\xf0\x9f\x90\xa7 tux", "? tux\n       "},
		{"\xbf\xbf", "mullion\n     "},
		{"a\nb\x7f\x1b", "a?b??\n       "},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct edid_monitor monitor = {1280, 800, 60000, .name = cases[i].name};
		edid_generate(edid, &monitor);
		assert_memory_equal(text(0xfc), cases[i].shown, 13);
		assert_int_equal(checksum(), 0);
	}
}

static void the_scale_makes_the_size_in_millimetres(void **state) {
	const struct {
		uint32_t width, height, scale, width_mm, height_mm;
	} cases[] = {
		{1920, 1080, 120, 508, 286}, // 96 pixels an inch
		{1920, 1080, 0, 508, 286},
		{3840, 2160, 240, 508, 286},
		{1920, 1080, 240, 254, 143},
		{1920, 1080, 180, 339, 191},
		{1920, 1080, 1, 2032, 1143}, // as at the smallest scale
		{64, 64, UINT32_MAX, 2, 2},
		{16384, 16384, 30, 4095, 4095}, // as much as there is room for
		{7680, 4320, 240, 1016, 572},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct edid_monitor monitor = {
			cases[i].width, cases[i].height, 60000, cases[i].scale};
		edid_generate(edid, &monitor);
		assert_int_equal(edid[66] | (edid[68] & 0xf0) << 4, cases[i].width_mm);
		assert_int_equal(edid[67] | (edid[68] & 0x0f) << 8, cases[i].height_mm);
		uint32_t cm = cases[i].width_mm / 10;
		assert_int_equal(edid[21], cm < 1 ? 1 : cm > 255 ? 255 : cm);
		assert_int_equal(checksum(), 0);
	}
}

static void monitors_of_one_guest_differ(void **state) {
	const uint32_t serials[] = {1, 2, 16, UINT32_MAX};
	const char *const shown[] = {
		"1\n           ", "2\n           ", "16\n          ", "4294967295\n  "};
	for (size_t i = 0; i < 4; i++) {
		const struct edid_monitor monitor = {8192, 4320, 60000, .serial = serials[i]};
		edid_generate(edid, &monitor);
		assert_memory_equal(text(0xff), shown[i], 13);
		assert_memory_equal(&edid[12], &serials[i], 4);
		assert_memory_equal(&edid[128 + 5 + 8], &serials[i], 4); // DisplayID's
		assert_int_equal(sum(128, 256), 0);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_preferred_mode_comes_first),
		cmocka_unit_test(blanking_lasts_as_long_as_a_monitor_needs),
		cmocka_unit_test(a_large_mode_stands_in_an_extension),
		cmocka_unit_test(no_numbers_make_an_invalid_block),
		cmocka_unit_test(it_is_an_edid_of_version_1_4),
		cmocka_unit_test(the_monitor_is_called_as_its_guest),
		cmocka_unit_test(the_scale_makes_the_size_in_millimetres),
		cmocka_unit_test(monitors_of_one_guest_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
