/*
 * Accesses to the regions and interrupt set-up: rows 13 and 14 of the list of bad inputs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "mock.h"

#define CONFIG_SIZE 256
#define BAR2_SIZE 4096
#define BAR0_SIZE (16u << 20)

/* Row 13 */

static const struct {
	const char *what;
	uint32_t region;
	uint64_t offset;
	uint32_t count;
} outside[] = {
	{"configuration: one past the end", VFU_REGION_CONFIG, 4096, 1},
	{"configuration: across the end", VFU_REGION_CONFIG, 4094, 4},
	{"configuration: offset wraps", VFU_REGION_CONFIG, UINT64_MAX, 4},
	{"configuration: offset + count is 2^64", VFU_REGION_CONFIG, UINT64_MAX - 3, 4},
	{"configuration: more than all", VFU_REGION_CONFIG, 0, 4097},
	{"BAR2: past the end", VFU_REGION_BAR2, BAR2_SIZE, 4},
	{"BAR2: across the end", VFU_REGION_BAR2, BAR2_SIZE - 2, 4},
	{"BAR2: offset wraps", VFU_REGION_BAR2, UINT64_MAX - 1, 4},
	{"BAR2: offset 2^32", VFU_REGION_BAR2, UINT64_C(1) << 32, 2},
	{"BAR2: offset 2^63", VFU_REGION_BAR2, UINT64_C(1) << 63, 2},
	{"BAR0: past the end", VFU_REGION_BAR0, BAR0_SIZE, 4},
	{"BAR0: across the end", VFU_REGION_BAR0, BAR0_SIZE - 2, 4},
	{"BAR0: offset wraps", VFU_REGION_BAR0, UINT64_MAX - 2, 4},
	{"no such BAR", 1, 0, 4},
	{"no such BAR", 3, 0, 4},
	{"no such BAR", 4, 0, 4},
	{"no such BAR", 5, 0, 4},
	{"no VGA region", VFU_REGION_VGA, 0x3c0, 1},
	{"region 9", 9, 0, 4},
	{"region 2^31", UINT32_C(1) << 31, 0, 4},
	{"region 2^32 - 1", UINT32_MAX, 0, 4},
};

static void reads_outside_are_refused(void **state) {
	struct mock *mock = *state;
	static uint8_t data[8192];
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		int answer = vmm_read(
			&mock->vmm, outside[i].region, outside[i].offset, data, outside[i].count);
		mock_assert_refused(mock, answer, outside[i].what);
		assert_int_equal(answer, -EINVAL);
	}
}

static void writes_outside_are_refused(void **state) {
	struct mock *mock = *state;
	struct {
		struct vfu_region_access access;
		uint8_t data[8192];
	} body = {0};
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		body.access = (struct vfu_region_access){
			.offset = outside[i].offset,
			.region = outside[i].region,
			.count = outside[i].count,
		};
		int answer = mock_answer(mock, VFU_REGION_WRITE, &body,
			sizeof(body.access) + outside[i].count, NULL, 0);
		mock_assert_refused(mock, answer, outside[i].what);
		assert_int_equal(answer, -EINVAL);
	}
}

static void reads_that_ask_for_too_much_are_refused(void **state) {
	struct mock *mock = *state;
	const uint32_t counts[] = {1 << 20, (1 << 20) + 1, 1u << 31, UINT32_MAX - 15, UINT32_MAX};
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		const struct vfu_region_access access = {
			.region = VFU_REGION_CONFIG, .count = counts[i]};
		int answer = mock_answer(mock, VFU_REGION_READ, &access, sizeof(access), NULL, 0);
		mock_assert_refused(mock, answer, "a read of a megabyte and more");
	}
}

/* The kind of CVE-2021-3545: replies share a buffer, and where nothing lives there is nothing
 * to fill it with. */
static void reads_of_nothing_hold_no_earlier_reply(void **state) {
	struct mock *mock = *state;
	static uint8_t data[4096], zero[sizeof(data)];
	memset(data, 0xa5, sizeof(data));
	assert_int_equal(vmm_write(&mock->vmm, VFU_REGION_BAR0, 0, data, sizeof(data)), 0);
	for (uint64_t offset = 0x700; offset < BAR2_SIZE; offset += 8) {
		assert_int_equal(vmm_read(&mock->vmm, VFU_REGION_BAR0, 0, data, sizeof(data)), 0);
		assert_int_equal(data[sizeof(data) - 1], 0xa5);
		assert_int_equal(vmm_read(&mock->vmm, VFU_REGION_BAR2, offset, data, 8), 0);
		assert_memory_equal(data, zero, 8);
	}
}

#define PCI_COMMAND 4
#define PCI_BAR(n) (0x10 + 4 * (n))

static void overlapping_bars_harm_nobody(void **state) {
	struct mock *mock = *state;
	const uint32_t places[] = {0xe0000000, 0, 0xfffff000, 0xffffffff};
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		for (unsigned bar = 0; bar < 6; bar++) {
			vmm_write32(&mock->vmm, VFU_REGION_CONFIG, PCI_BAR(bar), places[i]);
		}
		// Regions are told by their index: an address means nothing to the device.
		for (uint16_t command = 0; command < 8; command++) {
			vmm_write16(&mock->vmm, VFU_REGION_CONFIG, PCI_COMMAND, command);
			assert_int_equal(vmm_read16(&mock->vmm, VFU_REGION_BAR2, 0x500), 0xb0c5);
			vmm_write32(&mock->vmm, VFU_REGION_BAR0, 0, 0x12345678);
			assert_int_equal(vmm_read32(&mock->vmm, VFU_REGION_BAR0, 0), 0x12345678);
		}
	}
	mock_assert_served(mock);
}

static void count_zero_is_harmless(void **state) {
	struct mock *mock = *state;
	const uint32_t regions[] = {VFU_REGION_BAR0, VFU_REGION_BAR2, VFU_REGION_CONFIG};
	for (size_t i = 0; i < ARRAY_SIZE(regions); i++) {
		int answer = vmm_read(&mock->vmm, regions[i], 0, NULL, 0);
		assert_true(answer == 0 || answer == -EINVAL);
		answer = vmm_write(&mock->vmm, regions[i], 0, "", 0);
		assert_true(answer == 0 || answer == -EINVAL);
		mock_assert_served(mock);
	}
}

static void count_and_body_must_agree(void **state) {
	struct mock *mock = *state;
	struct {
		struct vfu_region_access access;
		uint8_t data[64];
	} body = {.access = {.region = VFU_REGION_BAR2, .offset = 0x500}};
	const struct {
		uint32_t count, sent;
	} cases[] = {{4, 0}, {4, 3}, {4, 5}, {2, 64}, {64, 2}, {0, 1}, {UINT32_MAX, 4}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		body.access.count = cases[i].count;
		int answer = mock_answer(mock, VFU_REGION_WRITE, &body,
			sizeof(body.access) + cases[i].sent, NULL, 0);
		mock_assert_refused(mock, answer, "a write whose body has another length");
	}
	body.access.count = 4;
	int answer = mock_answer(mock, VFU_REGION_READ, &body, sizeof(body.access) + 4, NULL, 0);
	mock_assert_refused(mock, answer, "a read with a body");
}

static void short_access_body_is_refused(void **state) {
	struct mock *mock = *state;
	const struct vfu_region_access access = {.region = VFU_REGION_CONFIG, .count = 4};
	for (size_t size = 0; size < sizeof(access); size++) {
		int answer = mock_answer(mock, VFU_REGION_READ, &access, size, NULL, 0);
		mock_assert_refused(mock, answer, "a short REGION_READ");
		answer = mock_answer(mock, VFU_REGION_WRITE, &access, size, NULL, 0);
		mock_assert_refused(mock, answer, "a short REGION_WRITE");
	}
}

/* The device answers every width at every place with exactly the count asked, or refuses. */
static void odd_widths_are_served_or_refused(void **state) {
	struct mock *mock = *state;
	const struct {
		uint32_t region;
		uint64_t start, end;
	} spans[] = {
		{VFU_REGION_CONFIG, 0, 0x50},
		{VFU_REGION_BAR2, 0x3f0, 0x420},
		{VFU_REGION_BAR2, 0x4f8, 0x520},
		{VFU_REGION_BAR2, 0x5f8, 0x610},
		{VFU_REGION_BAR0, 0, 16},
		{VFU_REGION_BAR0, BAR0_SIZE - 16, BAR0_SIZE},
	};
	uint8_t data[32] = {0};
	for (size_t i = 0; i < ARRAY_SIZE(spans); i++) {
		for (uint64_t offset = spans[i].start; offset < spans[i].end; offset++) {
			for (uint32_t count = 1; count <= 16; count++) {
				int answer =
					vmm_read(&mock->vmm, spans[i].region, offset, data, count);
				assert_true(answer == 0 || answer == -EINVAL);
			}
		}
	}
	mock_assert_served(mock);
}

static void odd_writes_to_registers_are_harmless(void **state) {
	struct mock *mock = *state;
	uint8_t data[16];
	memset(data, 0xff, sizeof(data));
	for (uint64_t offset = 0; offset < BAR2_SIZE; offset += 3) {
		uint32_t count = (uint32_t)(offset % sizeof(data)) + 1;
		if (offset + count <= BAR2_SIZE) {
			int answer = vmm_write(&mock->vmm, VFU_REGION_BAR2, offset, data, count);
			assert_true(answer == 0 || answer == -EINVAL);
		}
	}
	for (uint64_t offset = 0; offset < CONFIG_SIZE; offset++) {
		int answer = vmm_write8(&mock->vmm, VFU_REGION_CONFIG, offset, 0xff);
		assert_true(answer == 0 || answer == -EINVAL);
	}
	mock_assert_served(mock);
	assert_int_equal(vmm_read32(&mock->vmm, VFU_REGION_CONFIG, 0), 0x11111234);
}

static void bad_region_index_has_no_info(void **state) {
	struct mock *mock = *state;
	const uint32_t indexes[] = {9, 10, 255, 1u << 31, UINT32_MAX};
	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++) {
		struct vmm_region region = {.fd = -1};
		assert_int_equal(vmm_get_region(&mock->vmm, indexes[i], &region), -EINVAL);
		struct vfu_irq_info irq;
		assert_int_equal(vmm_get_irq(&mock->vmm, indexes[i], &irq), -EINVAL);
	}
}

static void info_with_a_small_argsz_is_refused(void **state) {
	struct mock *mock = *state;
	const uint16_t commands[] = {VFU_GET_INFO, VFU_GET_REGION_INFO, VFU_GET_IRQ_INFO};
	const uint32_t sizes[] = {16, 32, 16};
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		uint32_t body[8] = {sizes[i] - 1};
		int answer = mock_answer(mock, commands[i], body, sizes[i], NULL, 0);
		mock_assert_refused(mock, answer, "argsz too small");
		body[0] = sizes[i];
		answer = mock_answer(mock, commands[i], body, sizes[i] - 1, NULL, 0);
		mock_assert_refused(mock, answer, "a short body");
	}
}

static void write_multi_is_checked_entry_by_entry(void **state) {
	struct mock *mock = *state;
	struct vfu_write_multi_entry entries[2] = {
		{.region = VFU_REGION_BAR2, .offset = 0x502, .count = 2, .data = {0x20, 0x03}},
		{.region = VFU_REGION_BAR2, .offset = 0x504, .count = 2, .data = {0x58, 0x02}},
	};
	assert_int_equal(vmm_write_multi(&mock->vmm, entries, 2), 0);
	assert_int_equal(vmm_read16(&mock->vmm, VFU_REGION_BAR2, 0x502), 800);
	assert_int_equal(vmm_read16(&mock->vmm, VFU_REGION_BAR2, 0x504), 600);
	const struct vfu_write_multi_entry bad[] = {
		{.region = 99, .count = 2},
		{.region = VFU_REGION_BAR2, .offset = BAR2_SIZE, .count = 2},
		{.region = VFU_REGION_BAR2, .offset = UINT64_MAX, .count = 2},
		{.region = VFU_REGION_BAR2, .offset = 0x504, .count = 9},
		{.region = VFU_REGION_BAR2, .offset = 0x504, .count = UINT32_MAX},
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		entries[1] = bad[i];
		int answer = vmm_write_multi(&mock->vmm, entries, 2);
		mock_assert_refused(mock, answer, "a bad entry");
	}
}

static void write_multi_count_must_match_its_body(void **state) {
	struct mock *mock = *state;
	uint64_t body[1 + 3 * 4] = {0};
	const struct {
		uint64_t count;
		uint32_t sent; // entries
	} cases[] = {{1, 0}, {4, 1}, {1, 4}, {UINT64_MAX, 1}, {UINT64_C(1) << 61, 0}, {1000000, 4}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		body[0] = cases[i].count;
		int answer =
			mock_answer(mock, VFU_WRITE_MULTI, body, 8 + cases[i].sent * 24, NULL, 0);
		mock_assert_refused(mock, answer, "a count that the body does not have");
	}
	for (size_t size = 0; size < 8; size++) {
		int answer = mock_answer(mock, VFU_WRITE_MULTI, body, size, NULL, 0);
		mock_assert_refused(mock, answer, "a WRITE_MULTI without its count");
	}
}

static void io_fds_are_refused(void **state) {
	struct mock *mock = *state;
	const uint32_t body[4] = {64, 0, VFU_REGION_BAR2, 0};
	int answer = mock_answer(mock, VFU_GET_REGION_IO_FDS, body, sizeof(body), NULL, 0);
	mock_assert_refused(mock, answer, "GET_REGION_IO_FDS");
}

static void reset_with_a_body_is_refused(void **state) {
	struct mock *mock = *state;
	int answer = mock_answer(mock, VFU_RESET, "....", 4, NULL, 0);
	mock_assert_refused(mock, answer, "RESET with a body");
}

/* Row 14 */

static void interrupts_out_of_range_are_refused(void **state) {
	struct mock *mock = *state;
	const uint32_t trigger = VFU_IRQ_DATA_EVENTFD | VFU_IRQ_ACTION_TRIGGER;
	const uint32_t none = VFU_IRQ_DATA_NONE | VFU_IRQ_ACTION_TRIGGER;
	const struct {
		uint32_t flags, index, start, count;
	} sets[] = {
		{none, 5, 0, 1},
		{none, UINT32_MAX, 0, 1},
		{none, VFU_IRQ_MSIX, 0, UINT32_MAX},
		{none, VFU_IRQ_MSIX, UINT32_MAX, 1},
		{none, VFU_IRQ_MSIX, UINT32_MAX, UINT32_MAX},
		{none, VFU_IRQ_MSIX, 2048, 1},
		{none, VFU_IRQ_INTX, 1, 1},
		{none, VFU_IRQ_INTX, 0, 2},
		{trigger, VFU_IRQ_MSIX, 0, UINT32_MAX},
		{trigger, VFU_IRQ_MSIX, 2048, 0},
		{0, VFU_IRQ_MSIX, 0, 0},
		{VFU_IRQ_ACTION_TRIGGER, VFU_IRQ_INTX, 0, 1},
		{VFU_IRQ_DATA_NONE, VFU_IRQ_INTX, 0, 1},
		{VFU_IRQ_DATA_NONE | VFU_IRQ_DATA_BOOL | VFU_IRQ_ACTION_TRIGGER, VFU_IRQ_INTX, 0,
			1},
		{VFU_IRQ_DATA_NONE | VFU_IRQ_ACTION_TRIGGER | VFU_IRQ_ACTION_MASK, VFU_IRQ_INTX, 0,
			1},
		{0xffffffc0u | VFU_IRQ_DATA_NONE | VFU_IRQ_ACTION_TRIGGER, VFU_IRQ_INTX, 0, 1},
	};
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		int answer = vmm_set_irqs(&mock->vmm, sets[i].flags, sets[i].index, sets[i].start,
			sets[i].count, NULL, 0);
		char what[96];
		snprintf(what, sizeof(what), "SET_IRQS %#x index %u start %u count %u",
			sets[i].flags, sets[i].index, sets[i].start, sets[i].count);
		mock_assert_refused(mock, answer, what);
	}
}

static void descriptors_must_match_the_count(void **state) {
	struct mock *mock = *state;
	const uint32_t flags = VFU_IRQ_DATA_EVENTFD | VFU_IRQ_ACTION_TRIGGER;
	int fds[8];
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	const struct {
		uint32_t index, count;
		size_t fds;
	} cases[] = {{0, 1, 2}, {0, 1, 8}, {2, 1, 2}, {2, 2, 1}, {2, 3, 8}, {2, 0, 1}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int answer = vmm_set_irqs(
			&mock->vmm, flags, cases[i].index, 0, cases[i].count, fds, cases[i].fds);
		mock_assert_refused(mock, answer, "another number of descriptors than interrupts");
	}
	int answer = vmm_set_irqs(
		&mock->vmm, VFU_IRQ_DATA_NONE | VFU_IRQ_ACTION_TRIGGER, VFU_IRQ_INTX, 0, 1, fds, 1);
	mock_assert_refused(mock, answer, "a descriptor where the flags say none");
	fd_close_many(fds, ARRAY_SIZE(fds));
}

static void bool_data_must_be_there(void **state) {
	struct mock *mock = *state;
	struct {
		struct vfu_irq_set set;
		uint8_t data[8];
	} body = {.set = {.argsz = sizeof(body.set) + 8,
			  .flags = VFU_IRQ_DATA_BOOL | VFU_IRQ_ACTION_TRIGGER,
			  .count = 1}};
	const size_t sizes[] = {20, 22, 28};
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int answer = mock_answer(mock, VFU_SET_IRQS, &body, sizes[i], NULL, 0);
		mock_assert_refused(mock, answer, "another number of bytes than interrupts");
	}
}

static void short_set_irqs_is_refused(void **state) {
	struct mock *mock = *state;
	const struct vfu_irq_set set = {.argsz = sizeof(set), .flags = 0x21};
	for (size_t size = 0; size < sizeof(set); size++) {
		int answer = mock_answer(mock, VFU_SET_IRQS, &set, size, NULL, 0);
		mock_assert_refused(mock, answer, "a short SET_IRQS");
	}
}

/* The eventfds may be of any kind that QEMU after an escape can hand over: the device may
 * refuse them, and must not block on them. */
static void interrupt_on_hostile_descriptors_never_blocks(void **state) {
	struct mock *mock = *state;
	int pipes[2], sockets[2];
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(fcntl(pipes[1], F_SETPIPE_SZ, 4096), 4096);
	char page[4096] = {0};
	assert_int_equal(write(pipes[1], page, sizeof(page)), sizeof(page));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	int full = eventfd(0, EFD_CLOEXEC);
	uint64_t most = UINT64_MAX - 1;
	assert_int_equal(write(full, &most, sizeof(most)), sizeof(most));
	int fds[] = {pipes[0], pipes[1], sockets[0], sockets[1], full,
		open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/full", O_WRONLY | O_CLOEXEC)};
	const uint32_t indexes[] = {VFU_IRQ_INTX, VFU_IRQ_MSIX};
	for (size_t i = 0; i < ARRAY_SIZE(fds) * ARRAY_SIZE(indexes); i++) {
		uint32_t index = indexes[i % ARRAY_SIZE(indexes)];
		int fd = fds[i / ARRAY_SIZE(indexes)];
		uint64_t before = clock_usec();
		int answer = vmm_set_irqs(&mock->vmm, VFU_IRQ_DATA_EVENTFD | VFU_IRQ_ACTION_TRIGGER,
			index, 0, 1, &fd, 1);
		if (fd != full) {
			assert_true(answer < 0 && answer != -ETIMEDOUT);
		}
		if (answer == 0) {
			// Raise it by hand: the eventfd is full and blocking.
			answer = vmm_set_irqs(&mock->vmm,
				VFU_IRQ_DATA_NONE | VFU_IRQ_ACTION_TRIGGER, index, 0, 1, NULL, 0);
		}
		assert_true(answer != -ETIMEDOUT);
		assert_in_range(clock_usec() - before, 0, MOCK_PROMPT_MSEC * USEC_PER_MSEC);
		mock_reconnect(mock);
	}
	fd_close_many(fds, ARRAY_SIZE(fds));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		mock_test(reads_outside_are_refused),
		mock_test(writes_outside_are_refused),
		mock_test(reads_that_ask_for_too_much_are_refused),
		mock_test(reads_of_nothing_hold_no_earlier_reply),
		mock_test(overlapping_bars_harm_nobody),
		mock_test(count_zero_is_harmless),
		mock_test(count_and_body_must_agree),
		mock_test(short_access_body_is_refused),
		mock_test(odd_widths_are_served_or_refused),
		mock_test(odd_writes_to_registers_are_harmless),
		mock_test(bad_region_index_has_no_info),
		mock_test(info_with_a_small_argsz_is_refused),
		mock_test(write_multi_is_checked_entry_by_entry),
		mock_test(write_multi_count_must_match_its_body),
		mock_test(io_fds_are_refused),
		mock_test(reset_with_a_body_is_refused),
		mock_test(interrupts_out_of_range_are_refused),
		mock_test(descriptors_must_match_the_count),
		mock_test(bool_data_must_be_there),
		mock_test(short_set_irqs_is_refused),
		mock_test(interrupt_on_hostile_descriptors_never_blocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
