#include "dispi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "memfd.h"

#define APERTURE (16u << 20)
#define LIMIT (24u << 20)

static struct slice slice;
static struct device_state_dispi dispi;
static struct scanout scanout;

static int open_slice(void **state) {
	return slice_init(&slice, memfd_create_sealed("slice", LIMIT), 0, LIMIT, APERTURE);
}

static int close_slice(void **state) {
	slice_finish(&slice);
	return 0;
}

static int power_on(void **state) {
	dispi_reset(&dispi);
	return 0;
}

static void set_mode(uint16_t width, uint16_t height, uint16_t bpp) {
	dispi_write(&dispi, DISPI_ENABLE, 0);
	dispi_write(&dispi, DISPI_XRES, width);
	dispi_write(&dispi, DISPI_YRES, height);
	dispi_write(&dispi, DISPI_BPP, bpp);
	dispi_write(&dispi, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB_ENABLED);
}

static uint16_t value(unsigned index) {
	return dispi_read(&dispi, &slice, index);
}

static void the_display_is_off_at_power_on(void **state) {
	assert_true(dispi_scanout(&dispi, &slice, &scanout));
	assert_int_equal(scanout.format, SCANOUT_NONE);
	assert_int_equal(value(DISPI_ID), DISPI_ID5);
	assert_int_equal(value(DISPI_MEMORY_64K), 256);
	assert_int_equal(value(DISPI_REGISTERS), 0xffff);
	assert_int_equal(value(UINT32_MAX), 0xffff);
}

static void every_depth_has_its_format(void **state) {
	const struct {
		uint16_t bpp;
		enum scanout_format format;
		uint32_t stride;
	} cases[] = {
		{0, SCANOUT_C8, 640},
		{8, SCANOUT_C8, 640},
		{15, SCANOUT_XRGB1555, 1280},
		{16, SCANOUT_RGB565, 1280},
		{24, SCANOUT_RGB888, 1920},
		{32, SCANOUT_XRGB8888, 2560},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_mode(640, 480, cases[i].bpp);
		assert_true(dispi_scanout(&dispi, &slice, &scanout));
		const struct scanout expected = {cases[i].format, 640, 480, cases[i].stride, 0};
		assert_true(scanout_equal(&scanout, &expected));
	}
}

static void depths_that_do_not_exist_are_ignored(void **state) {
	set_mode(640, 480, 32);
	const uint16_t bad[] = {1, 4, 7, 9, 17, 31, 33, 64, 0xffff};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(dispi_write(&dispi, DISPI_BPP, bad[i]), DISPI_NOTHING);
		assert_int_equal(value(DISPI_BPP), 32);
	}
}

static void sizes_beyond_the_largest_are_ignored(void **state) {
	set_mode(640, 480, 32);
	assert_int_equal(dispi_write(&dispi, DISPI_XRES, DISPI_MAX_SIZE + 1), DISPI_NOTHING);
	assert_int_equal(dispi_write(&dispi, DISPI_YRES, 0xffff), DISPI_NOTHING);
	assert_int_equal(value(DISPI_XRES), 640);
	assert_int_equal(value(DISPI_YRES), 480);
}

static void a_mode_that_does_not_fit_shows_nothing(void **state) {
	const struct {
		uint16_t width, height;
	} cases[] = {{0, 480}, {640, 0}, {0, 0}, {2048, 2049}, {16384, 16384}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_mode(cases[i].width, cases[i].height, 32);
		assert_false(dispi_scanout(&dispi, &slice, &scanout));
		assert_int_equal(scanout.format, SCANOUT_NONE);
	}
	set_mode(2048, 2048, 32); // all of the aperture
	assert_true(dispi_scanout(&dispi, &slice, &scanout));
	assert_int_equal(scanout.height, 2048);
}

static void no_register_values_leave_the_aperture(void **state) {
	const uint16_t values[] = {0, 1, 7, 64, 1024, 2048, 4096, 16384, 32768, 65535};
	const size_t n = sizeof(values) / sizeof(values[0]);
	size_t shown = 0;
	for (size_t i = 0; i < n * n * n * n * n; i++) {
		size_t rest = i;
		uint16_t pick[5];
		for (size_t j = 0; j < 5; j++) {
			pick[j] = values[rest % n];
			rest /= n;
		}
		const uint16_t depths[] = {8, 15, 16, 24, 32};
		set_mode(pick[0], pick[1], depths[i % 5]);
		dispi_write(&dispi, DISPI_VIRT_WIDTH, pick[2]);
		dispi_write(&dispi, DISPI_X_OFFSET, pick[3]);
		dispi_write(&dispi, DISPI_Y_OFFSET, pick[4]);
		if (!dispi_scanout(&dispi, &slice, &scanout)) {
			continue;
		}
		shown++;
		uint64_t row = (uint64_t)scanout.width * scanout_format_bytes(scanout.format);
		uint64_t end =
			scanout.offset + (uint64_t)scanout.stride * (scanout.height - 1) + row;
		assert_true(end <= APERTURE && row <= scanout.stride);
	}
	assert_true(shown > 100);
}

static void a_virtual_screen_is_never_narrower_than_the_real_one(void **state) {
	dispi_write(&dispi, DISPI_VIRT_WIDTH, 100);
	set_mode(640, 480, 32);
	assert_int_equal(value(DISPI_VIRT_WIDTH), 640);
	assert_true(dispi_scanout(&dispi, &slice, &scanout));
	assert_int_equal(scanout.stride, 2560);
	assert_int_equal(dispi_write(&dispi, DISPI_VIRT_WIDTH, 1024), DISPI_MODE);
	assert_int_equal(value(DISPI_VIRT_WIDTH), 1024);
	assert_true(dispi_scanout(&dispi, &slice, &scanout));
	assert_int_equal(scanout.stride, 4096);
}

/* CVE-2016-3710: a bank register moved the window of the VGA memory past its end. Here the
 * register is kept, and nothing follows from it. */
static void a_bank_moves_nothing(void **state) {
	set_mode(640, 480, 32);
	struct scanout before, after;
	assert_true(dispi_scanout(&dispi, &slice, &before));
	const uint16_t banks[] = {1, 255, 256, 0x7fff, 0xffff};
	for (size_t i = 0; i < sizeof(banks) / sizeof(banks[0]); i++) {
		assert_int_equal(dispi_write(&dispi, DISPI_BANK, banks[i]), DISPI_NOTHING);
		assert_true(dispi_scanout(&dispi, &slice, &after));
		assert_true(scanout_equal(&before, &after));
	}
}

/* CVE-2016-3712: sizes were checked when the mode was set, and changed afterwards. */
static void a_mode_is_checked_again_after_every_register(void **state) {
	const struct {
		unsigned index;
		uint16_t value;
	} later[] = {
		{DISPI_XRES, 16384},
		{DISPI_YRES, 16384},
		{DISPI_VIRT_WIDTH, 0xffff},
		{DISPI_Y_OFFSET, 0xffff},
		{DISPI_Y_OFFSET, 6200},
	};
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		dispi_reset(&dispi);
		set_mode(640, 480, 32);
		assert_true(dispi_scanout(&dispi, &slice, &scanout));
		dispi_write(&dispi, later[i].index, later[i].value);
		assert_false(dispi_scanout(&dispi, &slice, &scanout));
		assert_int_equal(scanout.format, SCANOUT_NONE);
	}
}

static void offsets_flip(void **state) {
	set_mode(640, 480, 16);
	assert_int_equal(dispi_write(&dispi, DISPI_X_OFFSET, 8), DISPI_FLIP);
	assert_int_equal(dispi_write(&dispi, DISPI_Y_OFFSET, 480), DISPI_FLIP);
	assert_int_equal(dispi_write(&dispi, DISPI_Y_OFFSET, 480), DISPI_FLIP); // drawn again
	assert_true(dispi_scanout(&dispi, &slice, &scanout));
	assert_int_equal(scanout.offset, 480 * 1280 + 16);
	assert_int_equal(value(DISPI_X_OFFSET), 8);
	assert_int_equal(value(DISPI_Y_OFFSET), 480);
}

static void only_changes_of_a_shown_mode_are_mode_sets(void **state) {
	assert_int_equal(dispi_write(&dispi, DISPI_XRES, 640), DISPI_NOTHING);
	assert_int_equal(dispi_write(&dispi, DISPI_YRES, 480), DISPI_NOTHING);
	assert_int_equal(dispi_write(&dispi, DISPI_BPP, 32), DISPI_NOTHING);
	assert_int_equal(dispi_write(&dispi, DISPI_Y_OFFSET, 0), DISPI_NOTHING);
	assert_int_equal(dispi_write(&dispi, DISPI_ENABLE, 0x41), DISPI_MODE);
	assert_int_equal(dispi_write(&dispi, DISPI_ENABLE, 0x41), DISPI_NOTHING);
	assert_int_equal(dispi_write(&dispi, DISPI_XRES, 640), DISPI_NOTHING);
	assert_int_equal(dispi_write(&dispi, DISPI_XRES, 800), DISPI_MODE);
	assert_int_equal(dispi_write(&dispi, DISPI_BANK, 3), DISPI_NOTHING);
	assert_int_equal(dispi_write(&dispi, DISPI_ENABLE, 0), DISPI_MODE);
	assert_int_equal(dispi_write(&dispi, 300, 1), DISPI_NOTHING);
}

static void getcaps_tells_the_largest_mode(void **state) {
	set_mode(640, 480, 16);
	dispi_write(&dispi, DISPI_ENABLE, DISPI_ENABLED | DISPI_GETCAPS);
	assert_int_equal(value(DISPI_XRES), DISPI_MAX_SIZE);
	assert_int_equal(value(DISPI_YRES), DISPI_MAX_SIZE);
	assert_int_equal(value(DISPI_BPP), 32);
	dispi_write(&dispi, DISPI_ENABLE, DISPI_ENABLED);
	assert_int_equal(value(DISPI_XRES), 640);
}

static void read_only_registers_keep_their_value(void **state) {
	dispi_write(&dispi, DISPI_MEMORY_64K, 1);
	assert_int_equal(value(DISPI_MEMORY_64K), 256);
	dispi_write(&dispi, DISPI_ID, 0x1234);
	assert_int_equal(value(DISPI_ID), DISPI_ID5);
	dispi_write(&dispi, DISPI_ID, DISPI_ID0 + 2);
	assert_int_equal(value(DISPI_ID), DISPI_ID0 + 2);
}

static void a_blanked_display_shows_nothing(void **state) {
	set_mode(640, 480, 32);
	dispi_vga_read(&dispi, DISPI_VGA_STATUS);
	assert_int_equal(dispi_vga_write(&dispi, DISPI_VGA_ATTRIBUTE, 0), DISPI_MODE);
	assert_true(dispi_scanout(&dispi, &slice, &scanout));
	assert_int_equal(scanout.format, SCANOUT_NONE);
	dispi_vga_read(&dispi, DISPI_VGA_STATUS);
	assert_int_equal(dispi_vga_write(&dispi, DISPI_VGA_ATTRIBUTE, 0x20), DISPI_MODE);
	// The second write is data of attribute 0, and turns nothing off.
	assert_int_equal(dispi_vga_write(&dispi, DISPI_VGA_ATTRIBUTE, 0), DISPI_NOTHING);
	assert_true(dispi_scanout(&dispi, &slice, &scanout));
	assert_int_equal(scanout.format, SCANOUT_XRGB8888);
}

static void a_retrace_can_be_waited_for(void **state) {
	uint8_t one = dispi_vga_read(&dispi, DISPI_VGA_STATUS);
	assert_int_not_equal(one & 8, dispi_vga_read(&dispi, DISPI_VGA_STATUS) & 8);
}

static void colours_are_six_bits_wide_unless_told_otherwise(void **state) {
	uint32_t palette[256];
	dispi_vga_write(&dispi, DISPI_VGA_PALETTE_INDEX, 255);
	const uint8_t bytes[] = {63, 0, 32, 1, 2, 3}; // the index goes on at 0
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(
			dispi_vga_write(&dispi, DISPI_VGA_PALETTE_DATA, bytes[i]), DISPI_COLOURS);
	}
	dispi_palette(&dispi, palette);
	assert_int_equal(palette[255], 0xff0082);
	assert_int_equal(palette[0], 0x04080c);
	dispi_write(&dispi, DISPI_ENABLE, DISPI_8BIT_DAC);
	dispi_palette(&dispi, palette);
	assert_int_equal(palette[255], 0x3f0020);
	dispi_vga_write(&dispi, DISPI_VGA_PALETTE_READ, 255);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(dispi_vga_read(&dispi, DISPI_VGA_PALETTE_DATA), bytes[i]);
	}
}

static void garbage_from_an_earlier_process_is_brought_into_range(void **state) {
	memset(&dispi, 0xff, sizeof(dispi));
	dispi_sanitize(&dispi);
	assert_int_equal(value(DISPI_ID), DISPI_ID5);
	assert_true(dispi.palette_component < 3);
	assert_int_equal(dispi.regs[DISPI_XRES], 0);
	assert_int_equal(dispi.blanked, 1);
	set_mode(640, 480, 32);
	struct device_state_dispi before = dispi;
	dispi_sanitize(&dispi);
	assert_memory_equal(&before, &dispi, sizeof(dispi));
}

#define TEST(name) cmocka_unit_test_setup(name, power_on)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(the_display_is_off_at_power_on),
		TEST(every_depth_has_its_format),
		TEST(depths_that_do_not_exist_are_ignored),
		TEST(sizes_beyond_the_largest_are_ignored),
		TEST(a_mode_that_does_not_fit_shows_nothing),
		TEST(no_register_values_leave_the_aperture),
		TEST(a_virtual_screen_is_never_narrower_than_the_real_one),
		TEST(a_bank_moves_nothing),
		TEST(a_mode_is_checked_again_after_every_register),
		TEST(offsets_flip),
		TEST(only_changes_of_a_shown_mode_are_mode_sets),
		TEST(getcaps_tells_the_largest_mode),
		TEST(read_only_registers_keep_their_value),
		TEST(a_blanked_display_shows_nothing),
		TEST(a_retrace_can_be_waited_for),
		TEST(colours_are_six_bits_wide_unless_told_otherwise),
		TEST(garbage_from_an_earlier_process_is_brought_into_range),
	};
	return cmocka_run_group_tests(tests, open_slice, close_slice);
}
