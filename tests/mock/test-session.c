/*
 * What a VMM and a guest that mean well do, in the order in which QEMU 11.1 does it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "guest-bochs.h"
#include "memfd.h"
#include "mock.h"

#define CONFIG VFU_REGION_CONFIG
#define PCI_COMMAND 0x04
#define PCI_CLASS 0x08
#define PCI_BAR0 0x10
#define PCI_SUBSYSTEM 0x2c
#define PCI_ROM 0x30
#define PCI_INTERRUPT 0x3c

static void qemu_message_sequence_is_served(void **state) {
	struct mock *mock = *state;
	struct vmm *vmm = &mock->vmm;
	int ram = memfd_create_sealed("ram", 64 << 20);
	assert_int_equal(vmm_dma_map(vmm, 0, 0xa0000, 3, ram, 0), 0);
	assert_int_equal(vmm_dma_map(vmm, 0xfffc0000, 0x40000, 1, -1, 0), 0);
	assert_int_equal(vmm_dma_map(vmm, 0x100000, 0x3f00000, 3, ram, 0x100000), 0);
	struct vfu_device_info info;
	assert_int_equal(vmm_get_info(vmm, &info), 0);
	assert_int_equal(info.flags, VFU_DEVICE_RESET | VFU_DEVICE_PCI);
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 5);
	const uint32_t regions[] = {0, 1, 2, 3, 4, 5, VFU_REGION_CONFIG};
	for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
		struct vmm_region region;
		assert_int_equal(vmm_get_region(vmm, regions[i], &region), 0);
		vmm_region_finish(&region);
	}
	struct vfu_irq_info irq;
	assert_int_equal(vmm_get_irq(vmm, VFU_IRQ_ERR, &irq), 0);
	assert_int_equal(vmm_get_irq(vmm, VFU_IRQ_MSIX, &irq), 0);
	uint8_t config[256];
	assert_int_equal(vmm_read(vmm, CONFIG, 0, config, sizeof(config)), 0);
	assert_int_equal(vmm_write32(vmm, CONFIG, PCI_ROM, 0xfffff800), 0);
	assert_int_equal(vmm_read32(vmm, CONFIG, PCI_ROM), 0);
	assert_int_equal(vmm_reset(vmm), 0);
	// Firmware moves the memory about.
	for (int i = 0; i < 20; i++) {
		assert_int_equal(vmm_dma_unmap(vmm, 0x100000, 0x3f00000), 0);
		assert_int_equal(vmm_dma_map(vmm, 0x100000, 0x3f00000, 3, ram, 0x100000), 0);
	}
	assert_int_equal(device_host_state(&mock->host)->resets, 1);
	close(ram);
}

static void function_is_a_bochs_display(void **state) {
	struct vmm *vmm = &((struct mock *)*state)->vmm;
	assert_int_equal(vmm_read32(vmm, CONFIG, 0), 0x11111234);
	assert_int_equal(vmm_read32(vmm, CONFIG, PCI_CLASS), 0x03800002);
	assert_int_equal(vmm_read32(vmm, CONFIG, PCI_SUBSYSTEM), 0x11001af4);
	// One function, ordinary header.
	assert_int_equal(vmm_read8(vmm, CONFIG, 0x0e), 0);
}

static void identity_cannot_be_written(void **state) {
	struct vmm *vmm = &((struct mock *)*state)->vmm;
	uint8_t before[64], after[64];
	assert_int_equal(vmm_read(vmm, CONFIG, 0, before, sizeof(before)), 0);
	const uint64_t offsets[] = {0x00, PCI_CLASS, 0x0c, PCI_SUBSYSTEM, 0x34};
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		assert_int_equal(vmm_write32(vmm, CONFIG, offsets[i], ~before[offsets[i]]), 0);
	}
	assert_int_equal(vmm_read(vmm, CONFIG, 0, after, sizeof(after)), 0);
	assert_memory_equal(before, after, 0x04);
	assert_memory_equal(before + 0x08, after + 0x08, 4);
	assert_memory_equal(before + PCI_SUBSYSTEM, after + PCI_SUBSYSTEM, 4);
	assert_int_equal(before[0x0e], after[0x0e]);
	assert_int_equal(before[0x34], after[0x34]);
}

static void bars_tell_their_sizes(void **state) {
	struct vmm *vmm = &((struct mock *)*state)->vmm;
	const struct {
		uint32_t size, type;
	} bars[] = {{16 << 20, 0x8}, {0, 0}, {4096, 0}, {0, 0}, {0, 0}, {0, 0}};
	for (uint32_t i = 0; i < ARRAY_SIZE(bars); i++) {
		uint64_t at = PCI_BAR0 + 4 * i;
		uint32_t mask = bars[i].size != 0 ? -bars[i].size | bars[i].type : 0;
		assert_int_equal(vmm_write32(vmm, CONFIG, at, UINT32_MAX), 0);
		assert_int_equal(vmm_read32(vmm, CONFIG, at), mask);
		assert_int_equal(vmm_write32(vmm, CONFIG, at, 0), 0);
		assert_int_equal(vmm_read32(vmm, CONFIG, at), bars[i].type);
		struct vmm_region region;
		assert_int_equal(vmm_get_region(vmm, i, &region), 0);
		assert_int_equal(region.size, bars[i].size);
		vmm_region_finish(&region);
	}
}

static void programmed_bars_are_in_the_state(void **state) {
	struct mock *mock = *state;
	struct bochs_guest guest;
	assert_int_equal(bochs_start(&guest, &mock->vmm), 0);
	const struct device_state *shown = device_host_state(&mock->host);
	assert_int_equal(shown->bars[0].address, BOCHS_BAR0_ADDRESS);
	assert_int_equal(shown->bars[0].size, 16 << 20);
	assert_int_equal(shown->bars[2].address, BOCHS_BAR2_ADDRESS);
	assert_int_equal(shown->bars[2].size, 4096);
	assert_int_equal(vmm_reset(&mock->vmm), 0);
	device_host_state(&mock->host);
	assert_int_equal(shown->bars[0].address, 0);
	bochs_finish(&guest);
}

static void bar0_is_the_slice_itself(void **state) {
	struct mock *mock = *state;
	struct bochs_guest guest;
	assert_int_equal(bochs_start(&guest, &mock->vmm), 0);
	assert_int_equal(guest.vram.flags & 7,
		VFU_REGION_FLAG_READ | VFU_REGION_FLAG_WRITE | VFU_REGION_FLAG_MMAP);
	guest.vram.map[0] = 0x11;
	guest.vram.map[guest.vram.size - 1] = 0x22;
	assert_int_equal(mock->host.slice[0], 0x11);
	assert_int_equal(mock->host.slice[mock->host.slice_size - 1], 0x22);
	// An access that comes as a message reaches the same bytes.
	assert_int_equal(vmm_read8(&mock->vmm, VFU_REGION_BAR0, 0), 0x11);
	assert_int_equal(vmm_write8(&mock->vmm, VFU_REGION_BAR0, 1, 0x33), 0);
	assert_int_equal(guest.vram.map[1], 0x33);
	bochs_finish(&guest);
}

static void slice_cannot_be_resized_by_the_vmm(void **state) {
	struct mock *mock = *state;
	struct vmm_region region;
	assert_int_equal(vmm_get_region(&mock->vmm, VFU_REGION_BAR0, &region), 0);
	assert_int_equal(ftruncate(region.fd, 0), -1);
	assert_int_equal(ftruncate(region.fd, 32 << 20), -1);
	int seals = fcntl(region.fd, F_GET_SEALS);
	assert_int_equal(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	vmm_region_finish(&region);
}

static void writes_to_vram_do_not_trap(void **state) {
	struct mock *mock = *state;
	struct bochs_guest guest;
	assert_int_equal(bochs_start(&guest, &mock->vmm), 0);
	assert_int_equal(bochs_set_mode(&guest, 1024, 768, 32), 0);
	uint64_t before[TRAP_CLASS_COUNT];
	memcpy(before, device_host_state(&mock->host)->traps, sizeof(before));
	for (uint32_t i = 0; i < 100; i++) {
		bochs_fill(&guest, 0, 0, 1024, 768, i);
	}
	mock_assert_served(mock);
	assert_memory_equal(before, device_host_state(&mock->host)->traps, sizeof(before));
	assert_int_equal(before[TRAP_VRAM], 0);
	bochs_finish(&guest);
}

static void traps_are_counted_by_class(void **state) {
	struct mock *mock = *state;
	struct vmm *vmm = &mock->vmm;
	const struct {
		uint32_t region;
		uint64_t offset;
		bool write;
		uint32_t count;
		enum trap_class trap;
	} accesses[] = {
		{CONFIG, 0, false, 4, TRAP_CONFIG_READ},
		{CONFIG, PCI_COMMAND, true, 2, TRAP_CONFIG_WRITE},
		{VFU_REGION_BAR2, BOCHS_DISPI, false, 2, TRAP_DISPI_READ},
		{VFU_REGION_BAR2, BOCHS_DISPI + 2 * BOCHS_ENABLE, true, 2, TRAP_MODE_SET},
		{VFU_REGION_BAR2, BOCHS_EDID, false, 1, TRAP_EDID_READ},
		{VFU_REGION_BAR2, BOCHS_VGA + 8, true, 1, TRAP_PALETTE},
		{VFU_REGION_BAR2, BOCHS_QEXT, false, 4, TRAP_QEXT},
		{VFU_REGION_BAR2, 0xff0, false, 4, TRAP_OTHER},
		{VFU_REGION_BAR0, 0, false, 4, TRAP_VRAM},
	};
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		uint64_t before = device_host_state(&mock->host)->traps[accesses[i].trap];
		uint8_t data[4] = {0xc1};
		if (accesses[i].write) {
			vmm_write(vmm, accesses[i].region, accesses[i].offset, data,
				accesses[i].count);
		} else {
			vmm_read(vmm, accesses[i].region, accesses[i].offset, data,
				accesses[i].count);
		}
		if (device_host_state(&mock->host)->traps[accesses[i].trap] != before + 1) {
			fail_msg("access %zu is not counted as %s", i,
				trap_class_name(accesses[i].trap));
		}
	}
}

static void dispi_registers_keep_what_is_written(void **state) {
	struct mock *mock = *state;
	struct bochs_guest guest;
	assert_int_equal(bochs_start(&guest, &mock->vmm), 0);
	assert_int_equal(bochs_read(&guest, BOCHS_ID), 0xb0c5);
	assert_int_equal(bochs_read(&guest, BOCHS_MEMORY_64K), (16 << 20) / 65536);
	assert_int_equal(bochs_set_mode(&guest, 1024, 768, 32), 0);
	assert_int_equal(bochs_read(&guest, BOCHS_XRES), 1024);
	assert_int_equal(bochs_read(&guest, BOCHS_YRES), 768);
	assert_int_equal(bochs_read(&guest, BOCHS_BPP), 32);
	assert_int_equal(bochs_read(&guest, BOCHS_VIRT_WIDTH), 1024);
	assert_true((bochs_read(&guest, BOCHS_ENABLE) & BOCHS_ENABLED) != 0);
	assert_true(device_host_state(&mock->host)->traps[TRAP_MODE_SET] > 0);
	bochs_finish(&guest);
}

static void edid_is_valid_and_prefers_the_configured_mode(void **state) {
	struct mock *mock = *state;
	uint8_t edid[128], sum = 0;
	for (size_t i = 0; i < sizeof(edid); i++) {
		edid[i] = vmm_read8(&mock->vmm, VFU_REGION_BAR2, BOCHS_EDID + i);
		sum += edid[i];
	}
	const uint8_t magic[8] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
	assert_memory_equal(edid, magic, sizeof(magic));
	assert_int_equal(sum, 0);
	// The first detailed timing is the preferred mode.
	assert_int_equal(edid[56] | (edid[58] & 0xf0) << 4, 1024);
	assert_int_equal(edid[59] | (edid[61] & 0xf0) << 4, 768);
	unsigned clock = edid[54] | edid[55] << 8; // 10 kHz
	unsigned width = 1024 + (edid[57] | (edid[58] & 0x0f) << 8);
	unsigned height = 768 + (edid[60] | (edid[61] & 0x0f) << 8);
	unsigned refresh = clock * 10000 / (width * height);
	assert_in_range(refresh, 58, 61);
}

static void palette_is_in_the_state(void **state) {
	struct mock *mock = *state;
	struct bochs_guest guest;
	assert_int_equal(bochs_start(&guest, &mock->vmm), 0);
	assert_int_equal(bochs_set_palette(&guest, 7, 63, 32, 0), 0);
	const uint8_t *entry = device_host_state(&mock->host)->dispi.palette[7];
	assert_true(entry[0] > entry[1] && entry[1] > entry[2]);
	assert_int_equal(entry[2], 0);
	bochs_finish(&guest);
}

static void reset_turns_the_display_off(void **state) {
	struct mock *mock = *state;
	struct bochs_guest guest;
	assert_int_equal(bochs_start(&guest, &mock->vmm), 0);
	assert_int_equal(bochs_set_mode(&guest, 800, 600, 32), 0);
	uint64_t resets = device_host_state(&mock->host)->resets;
	assert_int_equal(vmm_reset(&mock->vmm), 0);
	assert_int_equal(device_host_state(&mock->host)->resets, resets + 1);
	assert_int_equal(bochs_read(&guest, BOCHS_ENABLE) & BOCHS_ENABLED, 0);
	assert_int_equal(vmm_read16(&mock->vmm, CONFIG, PCI_COMMAND), 0);
	assert_int_equal(vmm_read32(&mock->vmm, CONFIG, PCI_BAR0), 0x8);
	bochs_finish(&guest);
}

static void state_says_who_wrote_it(void **state) {
	struct mock *mock = *state;
	const struct device_state *shown = device_host_state(&mock->host);
	const struct device_state_file *file = mock->host.state_file;
	assert_true(file->magic == DEVICE_STATE_MAGIC);
	assert_int_equal(file->version, DEVICE_STATE_VERSION);
	assert_int_equal(file->size, sizeof(*file));
	assert_int_equal(shown->generation, 1);
	assert_int_equal(shown->vmm_connected, 1);
	uint64_t sessions = shown->vmm_sessions;
	mock_reconnect(mock);
	device_host_state(&mock->host);
	assert_int_equal(shown->vmm_sessions, sessions + 1);
	mock_disconnect(mock);
	device_host_state(&mock->host);
	assert_int_equal(shown->vmm_connected, 0);
}

static void link_tells_of_the_vmm(void **state) {
	struct mock *mock = *state;
	struct link_message message;
	while (device_host_receive(&mock->host, &message, 50) == 1) {
	}
	mock_disconnect(mock);
	assert_int_equal(device_host_receive(&mock->host, &message, MOCK_PROMPT_MSEC), 1);
	assert_int_equal(message.type, LINK_VMM);
	assert_int_equal(message.vmm.connected, 0);
	mock_reconnect(mock);
	assert_int_equal(device_host_receive(&mock->host, &message, MOCK_PROMPT_MSEC), 1);
	assert_int_equal(message.type, LINK_VMM);
	assert_int_equal(message.vmm.connected, 1);
}

static void next_vmm_finds_no_maps_and_no_mode(void **state) {
	struct mock *mock = *state;
	struct bochs_guest guest;
	int ram = memfd_create_sealed("ram", 1 << 20);
	assert_int_equal(vmm_dma_map(&mock->vmm, 0, 1 << 20, 3, ram, 0), 0);
	close(ram);
	assert_int_equal(bochs_start(&guest, &mock->vmm), 0);
	assert_int_equal(bochs_set_mode(&guest, 800, 600, 32), 0);
	bochs_finish(&guest);
	mock_reconnect(mock);
	assert_int_equal(device_host_state(&mock->host)->dma_maps, 0);
	assert_int_equal(vmm_read32(&mock->vmm, CONFIG, PCI_BAR0), 0x8);
	assert_int_equal(bochs_start(&guest, &mock->vmm), 0);
	assert_int_equal(bochs_set_mode(&guest, 640, 480, 32), 0);
	bochs_finish(&guest);
}

static void write_multi_is_negotiated(void **state) {
	struct mock *mock = *state;
	assert_true(mock->vmm.write_multi);
	struct vfu_write_multi_entry entries[200];
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		entries[i] = (struct vfu_write_multi_entry){
			.region = VFU_REGION_BAR2,
			.offset = BOCHS_DISPI + 2 * BOCHS_XRES,
			.count = 2,
			.data = {(uint8_t)(8 * (i + 1)), (uint8_t)(8 * (i + 1) >> 8)},
		};
	}
	assert_int_equal(vmm_write_multi(&mock->vmm, entries, ARRAY_SIZE(entries)), 0);
	assert_int_equal(vmm_read16(&mock->vmm, VFU_REGION_BAR2, BOCHS_DISPI + 2 * BOCHS_XRES),
		8 * ARRAY_SIZE(entries));
}

static void write_without_reply_is_done(void **state) {
	struct mock *mock = *state;
	struct {
		struct vfu_region_access access;
		uint16_t value;
	} write = {
		.access = {.region = VFU_REGION_BAR2,
			.offset = BOCHS_DISPI + 2 * BOCHS_XRES,
			.count = 2},
		.value = 1600,
	};
	assert_int_equal(
		vmm_send(&mock->vmm, VFU_REGION_WRITE, VFU_NO_REPLY, &write, 18, NULL, 0), 0);
	assert_int_equal(
		vmm_read16(&mock->vmm, VFU_REGION_BAR2, BOCHS_DISPI + 2 * BOCHS_XRES), 1600);
}

static enum link_type hear(int link, struct link_message *message, int *fds, size_t *n) {
	struct pollfd poll_fd = {.fd = link, .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, MOCK_PROMPT_MSEC), 1);
	assert_int_equal(link_receive(link, message, fds, n), 1);
	return message->type;
}

static void assert_same_file(int a, int b) {
	struct stat first, second;
	assert_return_code(fstat(a, &first), 0);
	assert_return_code(fstat(b, &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);
}

/* The device tells a new mulliond everything, in order. Returns the number of stores. */
static unsigned hear_all(const struct mock *mock, int link) {
	struct link_message message;
	int fds[FD_MAX];
	size_t n;
	unsigned stores = 0;
	assert_int_equal(hear(link, &message, fds, &n), LINK_ADOPT);
	assert_memory_equal(&message.setup, &mock->host.setup, sizeof(message.setup));
	assert_int_equal(n, LINK_FDS_OF(mock->host.setup.functions));
	for (size_t i = 0; i < n; i++) {
		assert_same_file(fds[i], mock->host.fds[i]);
	}
	fd_close_many(fds, n);
	while (hear(link, &message, fds, &n) == LINK_STORE) {
		stores++;
		fd_close_many(fds, n);
	}
	assert_int_equal(message.type, LINK_VMM);
	assert_int_equal(message.vmm.connected, 1);
	assert_int_equal(hear(link, &message, fds, &n), LINK_SANDBOX);
	assert_int_equal(hear(link, &message, fds, &n), LINK_GO);
	return stores;
}

static void device_serves_on_without_mulliond_and_tells_the_next_one_all(void **state) {
	struct mock *mock = *state;
	int ram = memfd_create_sealed("ram", 1 << 20);
	assert_int_equal(vmm_dma_map(&mock->vmm, 0, 1 << 20, 3, ram, 0), 0);
	unsigned before = process_fds(mock->host.process.pid);
	shutdown(mock->host.link, SHUT_RDWR);
	mock_assert_served(mock);
	for (unsigned i = 0; i < 20; i++) {
		int link = device_host_adopt(&mock->host);
		// The VMM's connection and its memory.
		assert_int_equal(hear_all(mock, link), 2);
		struct link_message message = {.type = LINK_PING, .beat.cookie = i};
		int fds[FD_MAX];
		size_t n;
		assert_int_equal(link_send(link, &message, NULL, 0), 0);
		assert_int_equal(hear(link, &message, fds, &n), LINK_PONG);
		assert_int_equal(message.beat.cookie, i);
		mock_assert_served(mock);
		assert_int_equal(process_fds(mock->host.process.pid), before);
		close(link);
	}
	mock_assert_served(mock);
	close(ram);
}

static void device_takes_one_mulliond_at_a_time(void **state) {
	struct mock *mock = *state;
	shutdown(mock->host.link, SHUT_RDWR);
	int first = device_host_adopt(&mock->host);
	hear_all(mock, first);
	int second = device_host_adopt(&mock->host);
	struct pollfd poll_fd = {.fd = second, .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, 100), 0);
	close(first);
	hear_all(mock, second);
	// One that goes in the middle is like one that never came.
	close(second);
	close(device_host_adopt(&mock->host));
	second = device_host_adopt(&mock->host);
	hear_all(mock, second);
	close(second);
}

/* For tests after which the device has no link. */
static int teardown_without_link(void **state) {
	struct mock *mock = *state;
	vmm_close(&mock->vmm);
	int status = device_host_stop(&mock->host);
	free(mock);
	return status == 0 ? 0 : -1;
}

static void idle_client_is_not_dropped(void **state) {
	struct mock *mock = *state;
	usleep(6500000);
	mock_assert_served(mock);
}

static void idle_device_sleeps(void **state) {
	struct mock *mock = *state;
	mock_assert_served(mock);
	usleep(50000);
	int64_t before = process_switches(mock->host.process.pid);
	usleep(1000000);
	assert_in_range(process_switches(mock->host.process.pid) - before, 0, 3);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		mock_test(qemu_message_sequence_is_served),
		mock_test(function_is_a_bochs_display),
		mock_test(identity_cannot_be_written),
		mock_test(bars_tell_their_sizes),
		mock_test(programmed_bars_are_in_the_state),
		mock_test(bar0_is_the_slice_itself),
		mock_test(slice_cannot_be_resized_by_the_vmm),
		mock_test(writes_to_vram_do_not_trap),
		mock_test(traps_are_counted_by_class),
		mock_test(dispi_registers_keep_what_is_written),
		mock_test(edid_is_valid_and_prefers_the_configured_mode),
		mock_test(palette_is_in_the_state),
		mock_test(reset_turns_the_display_off),
		mock_test(state_says_who_wrote_it),
		mock_test(link_tells_of_the_vmm),
		mock_test(next_vmm_finds_no_maps_and_no_mode),
		mock_test(write_multi_is_negotiated),
		mock_test(write_without_reply_is_done),
		cmocka_unit_test_setup_teardown(
			device_serves_on_without_mulliond_and_tells_the_next_one_all, mock_setup,
			teardown_without_link),
		cmocka_unit_test_setup_teardown(
			device_takes_one_mulliond_at_a_time, mock_setup, teardown_without_link),
		mock_test(idle_client_is_not_dropped),
		mock_test(idle_device_sleeps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
