#include "pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "vfio-user-regions.h"

static struct device_state state;
static struct pci_function pci;
static struct pci_description description;
static uint64_t accessed; // offset of the last access to BAR2

static int bar_read(void *data, uint64_t offset, void *ret, uint32_t count) {
	accessed = offset;
	memset(ret, 0xab, count);
	return 0;
}

static int bar_write(void *data, uint64_t offset, const void *bytes, uint32_t count) {
	accessed = offset;
	return 0;
}

static const struct pci_bar_ops bar_ops = {bar_read, bar_write};

static int power_on(void **unused) {
	static const uint8_t body[] = {0x11, 0x22, 0x33, 0x44}, writable[] = {0, 0xff, 0, 0x0f};
	static const struct pci_capability capabilities[] = {{PCI_CAP_ID_VNDR, 4, body, writable}};
	memset(&state, 0, sizeof(state));
	description = (struct pci_description){
		.vendor = 0x1af4,
		.device = 0x1050,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class = 0x030000,
		.revision = 1,
		.intx = true,
		.bars = {[0] = {.size = 16 << 20, .flags = PCI_BAR_PREFETCH, .fd = 5},
			[2] = {.size = 4096, .fd = -1, .ops = &bar_ops},
			[4] = {.size = UINT64_C(8) << 30, .flags = PCI_BAR_64, .fd = -1}},
		.msix = {.vectors = 4, .bar = 2, .table = 0x800, .pending = 0xc00},
		.capabilities = capabilities,
		.capabilities_len = 1,
	};
	return !pci_init(&pci, &description, &state);
}

static uint32_t get(uint32_t offset, uint32_t count) {
	uint32_t value = 0;
	pci_config_read(&pci, offset, &value, count);
	return value;
}

static void put(uint32_t offset, uint32_t value, uint32_t count) {
	pci_config_write(&pci, offset, &value, count);
}

static void the_header_is_as_described(void **unused) {
	assert_int_equal(get(PCI_VENDOR_ID, 4), 0x10501af4);
	assert_int_equal(get(PCI_CLASS_REVISION, 4), 0x03000001);
	assert_int_equal(get(PCI_SUBSYSTEM_VENDOR_ID, 4), 0x11001af4);
	assert_int_equal(get(PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(get(PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(get(PCI_COMMAND, 2), 0);
}

static void what_is_read_only_stays(void **unused) {
	uint8_t before[PCI_CONFIG_SIZE], ones[PCI_CONFIG_SIZE];
	memcpy(before, state.pci_config, sizeof(before));
	memset(ones, 0xff, sizeof(ones));
	pci_config_write(&pci, 0, ones, sizeof(ones));
	assert_int_equal(get(PCI_VENDOR_ID, 4), 0x10501af4);
	assert_int_equal(get(PCI_COMMAND, 2),
		PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(get(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	assert_int_equal(get(PCI_INTERRUPT_PIN, 1), 1);
	pci_reset(&pci);
	assert_memory_equal(before, state.pci_config, sizeof(before));
}

static void bars_tell_their_size(void **unused) {
	put(PCI_BASE_ADDRESS_0, UINT32_MAX, 4);
	assert_int_equal(get(PCI_BASE_ADDRESS_0, 4), 0xff000008);
	put(PCI_BASE_ADDRESS_1, UINT32_MAX, 4);
	assert_int_equal(get(PCI_BASE_ADDRESS_1, 4), 0);
	put(PCI_BASE_ADDRESS_2, UINT32_MAX, 4);
	assert_int_equal(get(PCI_BASE_ADDRESS_2, 4), 0xfffff000);
	put(PCI_BASE_ADDRESS_4, UINT32_MAX, 4);
	put(PCI_BASE_ADDRESS_5, UINT32_MAX, 4);
	assert_int_equal(get(PCI_BASE_ADDRESS_4, 4), 0x00000004);
	assert_int_equal(get(PCI_BASE_ADDRESS_5, 4), 0xfffffffe);
	put(PCI_ROM_ADDRESS, UINT32_MAX, 4);
	assert_int_equal(get(PCI_ROM_ADDRESS, 4), 0);
}

static void the_state_shows_where_the_guest_put_its_bars(void **unused) {
	assert_int_equal(state.bars[0].size, 16 << 20);
	assert_int_equal(state.bars[0].address, 0);
	assert_int_equal(state.bars[1].size, 0);
	put(PCI_BASE_ADDRESS_0, 0xfd000000, 4);
	put(PCI_BASE_ADDRESS_0, UINT32_MAX, 4); // asking for the size moves nothing
	assert_int_equal(state.bars[0].address, 0xfd000000);
	put(PCI_BASE_ADDRESS_4, 0, 4);
	put(PCI_BASE_ADDRESS_5, 0x38, 4);
	assert_int_equal(state.bars[4].address, UINT64_C(0x3800000000));
	put(PCI_BASE_ADDRESS_0, 0, 4);
	assert_int_equal(state.bars[0].address, 0);
}

static void capabilities_form_a_list(void **unused) {
	uint32_t msix = get(PCI_CAPABILITY_LIST, 1);
	assert_int_equal(get(msix, 1), PCI_CAP_ID_MSIX);
	assert_int_equal(get(msix + PCI_MSIX_FLAGS, 2), 3);
	assert_int_equal(get(msix + PCI_MSIX_TABLE, 4), 0x802);
	assert_int_equal(get(msix + PCI_MSIX_PBA, 4), 0xc02);
	put(msix + PCI_MSIX_FLAGS, 0xffff, 2);
	assert_int_equal(get(msix + PCI_MSIX_FLAGS, 2), 0xc003);
	uint32_t vendor = get(msix + 1, 1);
	assert_int_equal(get(vendor, 1), PCI_CAP_ID_VNDR);
	assert_int_equal(get(vendor + 1, 1), 0);
	put(vendor + 2, 0, 4);
	assert_int_equal(get(vendor + 2, 4), 0x40330011);
}

static unsigned windows_read, windows_written, commands;

static void window_read(void *data, uint8_t *body) {
	windows_read++;
	body[3] = 0xee;
}

static void window_write(void *data, uint8_t *body) {
	windows_written++;
	assert_int_equal(body[3], 0x5a);
}

static void command_written(void *data) {
	commands++;
}

/* Only accesses that lie in it: a VMM may read configuration space as a whole. */
static void a_window_takes_what_lies_in_it(void **unused) {
	static const struct pci_window_ops ops = {window_read, window_write};
	static const uint8_t body[] = {1, 2, 0, 0, 0}, writable[] = {0, 0, 0xff, 0xff, 0xff};
	const struct pci_capability capabilities[] = {{.id = PCI_CAP_ID_VNDR,
							      .length = sizeof(body),
							      .body = body,
							      .writable = writable,
							      .window = 3,
							      .ops = &ops},
		{.id = PCI_CAP_ID_VNDR, .length = 2, .body = body, .window = 3, .ops = &ops}};
	description.capabilities = capabilities;
	assert_true(pci_init(&pci, &description, &state));
	uint32_t at = get(get(PCI_CAPABILITY_LIST, 1) + 1, 1) + 2;
	windows_read = windows_written = 0;
	get(0, 4);
	get(at, 2);
	get(at + 1, 4);
	get(at + 4, 2);
	put(at + 1, 0, 2);
	assert_int_equal(windows_read + windows_written, 0);
	assert_int_equal(get(at + 3, 1), 0xee);
	assert_int_equal(get(at + 2, 3) >> 8 & 0xff, 0xee);
	put(at + 3, 0x5a, 1);
	assert_int_equal(windows_read, 2);
	assert_int_equal(windows_written, 1);
	// One longer than its capability, or a second one.
	description.capabilities = &capabilities[1];
	assert_false(pci_init(&pci, &description, &state));
	const struct pci_capability two[] = {capabilities[0], capabilities[0]};
	description.capabilities = two;
	description.capabilities_len = 2;
	assert_false(pci_init(&pci, &description, &state));
}

static void writes_of_the_command_register_are_told(void **unused) {
	description.command_written = command_written;
	assert_true(pci_init(&pci, &description, &state));
	commands = 0;
	put(PCI_STATUS, 0, 2);
	put(PCI_VENDOR_ID, 0, 4);
	assert_int_equal(commands, 0);
	put(PCI_COMMAND, 0, 2);
	put(PCI_COMMAND + 1, 4, 1);
	put(PCI_COMMAND - 1, 0, 2);
	assert_int_equal(commands, 3);
}

static void the_command_register_gates(void **unused) {
	assert_false(pci_may_master(&pci));
	assert_true(pci_may_intx(&pci));
	assert_false(pci_msix_enabled(&pci));
	put(get(PCI_CAPABILITY_LIST, 1) + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	assert_true(pci_msix_enabled(&pci));
	put(PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, 2);
	assert_true(pci_may_master(&pci));
	assert_false(pci_may_intx(&pci));
}

static void impossible_descriptions_are_refused(void **unused) {
	struct pci_description bad = description;
	bad.bars[2].size = 4095;
	assert_false(pci_init(&pci, &bad, &state));
	bad = description;
	bad.bars[0].size = UINT64_C(1) << 32; // without PCI_BAR_64
	assert_false(pci_init(&pci, &bad, &state));
	bad = description;
	bad.bars[5].size = 4096; // the other half of BAR4
	assert_false(pci_init(&pci, &bad, &state));
	static const uint8_t body[200];
	const struct pci_capability large = {PCI_CAP_ID_VNDR, sizeof(body), body, NULL};
	bad = description;
	bad.capabilities = &large;
	assert_false(pci_init(&pci, &bad, &state));
}

static void a_later_process_goes_on_with_what_the_guest_wrote(void **unused) {
	put(PCI_BASE_ADDRESS_0, 0xfd000000, 4);
	put(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	state.pci_config[PCI_VENDOR_ID] = 0; // what is not the guest's is made anew
	assert_true(pci_init(&pci, &description, &state));
	assert_int_equal(get(PCI_BASE_ADDRESS_0, 4), 0xfd000008);
	assert_int_equal(get(PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	assert_int_equal(get(PCI_VENDOR_ID, 2), 0x1af4);
	assert_int_equal(state.bars[0].address, 0xfd000000);
}

static int access_region(uint32_t region, uint64_t offset, uint32_t count, bool write) {
	static uint8_t bytes[4096];
	const struct vfio_user_access access = {region, offset, count, write ? bytes : NULL};
	return region_access(&pci, &access, write ? NULL : bytes);
}

static void accesses_end_where_the_region_ends(void **unused) {
	for (int write = 0; write < 2; write++) {
		assert_int_equal(access_region(7, 0, 256, write), 0);
		assert_int_equal(access_region(7, 255, 1, write), 0);
		assert_int_equal(access_region(7, 253, 4, write), -EINVAL);
		assert_int_equal(access_region(7, 256, 1, write), -EINVAL);
		assert_int_equal(access_region(2, 4092, 4, write), 0);
		assert_int_equal(accessed, 4092);
		assert_int_equal(access_region(2, 4093, 4, write), -EINVAL);
		assert_int_equal(access_region(2, UINT64_MAX - 3, 4, write), -EINVAL);
		const uint32_t empty[] = {1, 3, 5, 6, 8, 9, UINT32_MAX};
		for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
			assert_int_equal(access_region(empty[i], 0, 1, write), -EINVAL);
		}
	}
	assert_int_equal(accessed, 4092);
}

static void regions_are_described(void **unused) {
	struct vfio_user_region_info info;
	int fd;
	assert_true(region_describe(&pci, 0, &info, &fd));
	assert_int_equal(fd, 5);
	assert_int_equal(info.flags, 7);
	assert_int_equal(info.size, 16 << 20);
	assert_true(region_describe(&pci, 2, &info, &fd));
	assert_int_equal(fd, -1);
	assert_int_equal(info.flags, 3);
	assert_true(region_describe(&pci, 7, &info, &fd));
	assert_int_equal(info.size, 256);
	assert_true(region_describe(&pci, 6, &info, &fd));
	assert_int_equal(info.size, 0);
	assert_int_equal(info.flags, 0);
	assert_false(region_describe(&pci, 9, &info, &fd));
	assert_false(region_describe(&pci, UINT32_MAX, &info, &fd));
}

#define TEST(name) cmocka_unit_test_setup(name, power_on)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(the_header_is_as_described),
		TEST(what_is_read_only_stays),
		TEST(bars_tell_their_size),
		TEST(the_state_shows_where_the_guest_put_its_bars),
		TEST(capabilities_form_a_list),
		TEST(a_window_takes_what_lies_in_it),
		TEST(writes_of_the_command_register_are_told),
		TEST(the_command_register_gates),
		TEST(impossible_descriptions_are_refused),
		TEST(a_later_process_goes_on_with_what_the_guest_wrote),
		TEST(accesses_end_where_the_region_ends),
		TEST(regions_are_described),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
