#include "table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void bars_are_shown_as_the_guest_programmed_them(void **state) {
	struct device_state device = {
		.bars = {[0] = {0xfd000000, 1 << 24}, [2] = {0, 4096}},
	};
	struct table_row row;
	table_row_fill(&row, &device);
	assert_int_equal(row.segments_len, 2);
	assert_int_equal(row.segments[0].bar, 0);
	assert_int_equal(row.segments[0].guest_address, 0xfd000000);
	assert_true(row.segments[0].mapped);
	assert_int_equal(row.segments[1].bar, 2);
	assert_int_equal(row.segments[1].guest_address, 0);
	assert_false(row.segments[1].mapped);
	assert_int_equal(row.interrupt, TABLE_INTERRUPT_NONE);
}

static void impossible_bars_are_left_out(void **state) {
	static const struct device_state_bar bars[] = {
		{0, 3},
		{0, UINT64_MAX},
		{0, UINT64_C(1) << 63},
		{UINT64_MAX, 4096},
		{INT64_MAX, 4096},
		{INT64_MAX - 4096, 4096},
	};
	struct device_state device = {0};
	struct table_row row;
	memcpy(device.bars, bars, sizeof(bars));
	table_row_fill(&row, &device);
	assert_int_equal(row.segments_len, 1);
	assert_int_equal(row.segments[0].bar, 5);
}

static void interrupts_are_shown_as_the_guest_set_them_up(void **state) {
	static const struct {
		uint32_t intx, msix;
		uint8_t pin, line;
		enum table_interrupt interrupt;
		unsigned vector;
	} cases[] = {
		{0, 0, 1, 11, TABLE_INTERRUPT_NONE, 0},
		{1, 0, 1, 11, TABLE_INTERRUPT_INTX, 11},
		{1, 0, 0, 11, TABLE_INTERRUPT_NONE, 0},
		{1, 0, 1, 255, TABLE_INTERRUPT_NONE, 0},
		{77, 0, 1, 11, TABLE_INTERRUPT_NONE, 0},
		{1, 3, 1, 11, TABLE_INTERRUPT_MSIX, 3},
		{0, 2048, 0, 0, TABLE_INTERRUPT_MSIX, 2048},
		{0, 2049, 0, 0, TABLE_INTERRUPT_NONE, 0},
		{0, UINT32_MAX, 0, 0, TABLE_INTERRUPT_NONE, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct device_state device = {0};
		struct table_row row;
		device.irq.intx_enabled = cases[i].intx;
		device.irq.msix_enabled = cases[i].msix;
		device.pci_config[0x3d] = cases[i].pin;
		device.pci_config[0x3c] = cases[i].line;
		table_row_fill(&row, &device);
		assert_int_equal(row.interrupt, cases[i].interrupt);
		assert_int_equal(row.vector, cases[i].vector);
	}
	assert_string_equal(table_interrupt_name(TABLE_INTERRUPT_MSIX), "msix");
}

static void a_state_of_noise_is_survived(void **state) {
	struct device_state device;
	struct table_row row;
	memset(&device, 0xff, sizeof(device));
	table_row_fill(&row, &device);
	assert_int_equal(row.segments_len, 0);
	assert_int_equal(row.interrupt, TABLE_INTERRUPT_NONE);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bars_are_shown_as_the_guest_programmed_them),
		cmocka_unit_test(impossible_bars_are_left_out),
		cmocka_unit_test(interrupts_are_shown_as_the_guest_set_them_up),
		cmocka_unit_test(a_state_of_noise_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
