#include "virtio-pci.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "vfio-user-regions.h"

#define BAR 2
#define WINDOW 0x1000 // in the BAR
#define ISR 0x0800
#define DEVICE 0x1000
#define NOTIFY 0x2000
#define CONFIG_SIZE 24
#define QUEUES 2
#define QUEUE_SIZE 64
#define VECTORS 3
#define NONE VIRTIO_MSI_NO_VECTOR

#define RING_RESET (UINT64_C(1) << VIRTIO_F_RING_RESET)
#define OFFERED (UINT64_C(1) << 1 | UINT64_C(1) << 28 | RING_RESET)
#define VERSION_1 (UINT64_C(1) << VIRTIO_F_VERSION_1)
#define READY 0xf // acknowledge, driver, FEATURES_OK, DRIVER_OK

static struct device_state state;
static struct irq irq;
static struct keep keep;
static struct pci_function pci;
static struct pci_description description;
static struct virtio_pci virtio;

/* What the owner was told. */
static unsigned resets, readies, notifications[QUEUES], queue_resets[QUEUES];
static struct {
	uint32_t offset, count;
	uint8_t bytes[8];
} config_access;

static void handle_reset(void *data) {
	resets++;
}

static void handle_ready(void *data) {
	readies++;
}

static void handle_notified(void *data, unsigned queue) {
	notifications[queue]++;
}

static void handle_queue_reset(void *data, unsigned queue) {
	queue_resets[queue]++;
}

static void handle_config_read(void *data, uint32_t offset, void *ret, uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		((uint8_t *)ret)[i] = (uint8_t)(0x40 + offset + i);
	}
}

static void handle_config_write(void *data, uint32_t offset, const void *bytes, uint32_t count) {
	config_access.offset = offset;
	config_access.count = count;
	memcpy(config_access.bytes, bytes, count);
}

static const struct virtio_pci_ops ops = {
	handle_reset,
	handle_ready,
	handle_notified,
	handle_queue_reset,
	handle_config_read,
	handle_config_write,
};

static int bar_read(void *data, uint64_t offset, void *ret, uint32_t count) {
	return offset < WINDOW ? 0 : virtio_pci_read(&virtio, offset - WINDOW, ret, count);
}

static int bar_write(void *data, uint64_t offset, const void *bytes, uint32_t count) {
	return offset < WINDOW ? 0 : virtio_pci_write(&virtio, offset - WINDOW, bytes, count);
}

static void handle_command_written(void *data) {
	virtio_pci_command_written(data);
}

static const struct pci_bar_ops bar_ops = {bar_read, bar_write};

/* A process begins, or goes on from the state. */
static bool begin(void) {
	const struct virtio_pci_setup setup = {
		.state = &state,
		.irq = &irq,
		.pci = &pci,
		.bar = BAR,
		.offset = WINDOW,
		.features = OFFERED,
		.queues = QUEUES,
		.queue_size = QUEUE_SIZE,
		.config_size = CONFIG_SIZE,
		.ops = &ops,
	};
	virtio_pci_init(&virtio, &setup);
	description = (struct pci_description){
		.vendor = 0x1af4,
		.device = 0x1050,
		.class = 0x030000,
		.intx = true,
		.bars = {[BAR] = {.size = 16384, .fd = -1, .ops = &bar_ops},
			[4] = {.size = 4096, .fd = -1}},
		.msix = {.vectors = VECTORS, .bar = 4, .table = 0, .pending = 0x800},
		.capabilities = virtio.capabilities,
		.capabilities_len = VIRTIO_PCI_CAPABILITIES,
		.command_written = handle_command_written,
		.data = &virtio,
	};
	irq_init(&irq, NULL, &state.irq, &keep, true, VECTORS);
	return pci_init(&pci, &description, &state);
}

static int power_on(void **unused) {
	memset(&state, 0, sizeof(state));
	resets = readies = 0;
	memset(notifications, 0, sizeof(notifications));
	memset(queue_resets, 0, sizeof(queue_resets));
	memset(&config_access, 0, sizeof(config_access));
	keep_init(&keep, LINK_FUNCTION_GPU, -1);
	return !begin();
}

static int power_off(void **unused) {
	irq_finish(&irq);
	keep_finish(&keep);
	return 0;
}

static uint64_t get(uint32_t offset, uint32_t count) {
	uint64_t value = 0;
	assert_int_equal(virtio_pci_read(&virtio, offset, &value, count), 0);
	return value;
}

static void put(uint32_t offset, uint64_t value, uint32_t count) {
	assert_int_equal(virtio_pci_write(&virtio, offset, &value, count), 0);
}

static void put_config(uint32_t offset, uint32_t value, uint32_t count) {
	const struct vfio_user_access access = {
		VFIO_PCI_CONFIG_REGION_INDEX, offset, count, (uint8_t *)&value};
	assert_int_equal(region_access(&pci, &access, NULL), 0);
}

static uint32_t get_config(uint32_t offset, uint32_t count) {
	uint32_t value = 0;
	const struct vfio_user_access access = {VFIO_PCI_CONFIG_REGION_INDEX, offset, count, NULL};
	assert_int_equal(region_access(&pci, &access, &value), 0);
	return value;
}

static void accept_features(uint64_t features) {
	put(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	put(VIRTIO_PCI_COMMON_GF, (uint32_t)features, 4);
	put(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	put(VIRTIO_PCI_COMMON_GF, features >> 32, 4);
}

static void enable_queue(uint16_t queue) {
	put(VIRTIO_PCI_COMMON_Q_SELECT, queue, 2);
	put(VIRTIO_PCI_COMMON_Q_DESCLO, 0x10000, 4);
	put(VIRTIO_PCI_COMMON_Q_AVAILLO, 0x11000, 4);
	put(VIRTIO_PCI_COMMON_Q_USEDLO, 0x12000, 4);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

/* All that a driver does until its device runs. */
static void drive(void) {
	put_config(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	put(VIRTIO_PCI_COMMON_STATUS, 3, 1);
	accept_features(OFFERED | VERSION_1);
	put(VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_STATUS, 1), 0xb);
	enable_queue(0);
	enable_queue(1);
	put(VIRTIO_PCI_COMMON_STATUS, READY, 1);
	assert_true(virtio_pci_runs(&virtio));
}

/* Binds an eventfd, as the VMM does; returns a second descriptor to look at it. */
static int bind_interrupt(uint32_t index, uint32_t vector) {
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), watched = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	const struct vfio_user_interrupts request = {
		.index = index,
		.start = vector,
		.count = 1,
		.data = VFIO_IRQ_SET_DATA_EVENTFD,
		.action = VFIO_IRQ_SET_ACTION_TRIGGER,
	};
	assert_int_equal(irq_set(&irq, &request, &fd, 1), 0);
	return watched;
}

static uint64_t take(int fd) {
	uint64_t count = 0;
	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

/* Where a driver finds a structure; the address of the capability, or 0. */
static unsigned find(uint8_t type) {
	unsigned at = get_config(PCI_CAPABILITY_LIST, 1);
	for (unsigned i = 0; at != 0 && i < 16; i++) {
		if (get_config(at, 1) == PCI_CAP_ID_VNDR && get_config(at + 3, 1) == type) {
			return at;
		}
		at = get_config(at + 1, 1);
	}
	return 0;
}

static void capabilities_point_to_the_structures(void **unused) {
	const struct {
		uint8_t type;
		uint32_t offset, length;
		uint8_t cap_length;
	} cases[] = {
		{VIRTIO_PCI_CAP_COMMON_CFG, WINDOW, 60, 16},
		{VIRTIO_PCI_CAP_NOTIFY_CFG, WINDOW + NOTIFY, 4 * QUEUES, 20},
		{VIRTIO_PCI_CAP_ISR_CFG, WINDOW + ISR, 1, 16},
		{VIRTIO_PCI_CAP_DEVICE_CFG, WINDOW + DEVICE, CONFIG_SIZE, 16},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned at = find(cases[i].type);
		assert_int_not_equal(at, 0);
		assert_int_equal(get_config(at + 2, 1), cases[i].cap_length);
		assert_int_equal(get_config(at + 4, 1), BAR);
		assert_int_equal(get_config(at + 8, 4), cases[i].offset);
		assert_int_equal(get_config(at + 12, 4), cases[i].length);
	}
	assert_int_equal(get_config(find(VIRTIO_PCI_CAP_NOTIFY_CFG) + 16, 4), 4);
	assert_int_equal(get_config(find(VIRTIO_PCI_CAP_PCI_CFG) + 2, 1), 20);
}

static void registers_at_power_on(void **unused) {
	drive();
	for (unsigned i = 0; i < 2; i++) {
		// First by the driver's reset, then by the VMM's.
		if (i == 0) {
			put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
		} else {
			drive();
			pci_reset(&pci);
			virtio_pci_reset(&virtio);
		}
		assert_int_equal(get(VIRTIO_PCI_COMMON_STATUS, 1), 0);
		assert_int_equal(get(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
		assert_int_equal(get(VIRTIO_PCI_COMMON_MSIX, 2), NONE);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NONE);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0);
		assert_int_equal(get(ISR, 1), 0);
		assert_int_equal(virtio_pci_features(&virtio), 0);
		assert_false(virtio_pci_runs(&virtio));
	}
	assert_int_equal(resets, 4); // drive() resets, too
}

static void features_are_negotiated_in_halves(void **unused) {
	put(VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_DF, 4), (uint32_t)OFFERED);
	put(VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_DF, 4), OFFERED >> 32 | 1);
	const uint32_t others[] = {2, 31, UINT32_MAX};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		put(VIRTIO_PCI_COMMON_DFSELECT, others[i], 4);
		assert_int_equal(get(VIRTIO_PCI_COMMON_DF, 4), 0);
		put(VIRTIO_PCI_COMMON_GFSELECT, others[i], 4);
		put(VIRTIO_PCI_COMMON_GF, UINT32_MAX, 4);
		assert_int_equal(get(VIRTIO_PCI_COMMON_GF, 4), 0);
	}
	accept_features(OFFERED | VERSION_1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_GF, 4), OFFERED >> 32 | 1);
	assert_int_equal(virtio_pci_features(&virtio), 0);
	put(VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
	assert_int_equal(virtio_pci_features(&virtio), OFFERED | VERSION_1);
	accept_features(VERSION_1); // too late
	assert_int_equal(virtio_pci_features(&virtio), OFFERED | VERSION_1);
}

static void features_that_were_not_offered_are_refused(void **unused) {
	const struct {
		uint64_t features;
		bool good;
	} cases[] = {
		{VERSION_1, true},
		{VERSION_1 | 1 << 1, true},
		{0, false},
		{OFFERED, false}, // a legacy driver
		{VERSION_1 | 1, false},
		{VERSION_1 | UINT64_C(1) << 63, false},
		{UINT64_MAX, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
		accept_features(cases[i].features);
		put(VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
		assert_int_equal(get(VIRTIO_PCI_COMMON_STATUS, 1), cases[i].good ? 0xb : 0x3);
		// A driver that does not look.
		put(VIRTIO_PCI_COMMON_STATUS, READY, 1);
		assert_int_equal(get(VIRTIO_PCI_COMMON_STATUS, 1), cases[i].good ? READY : 0x3);
	}
	assert_int_equal(readies, 2);
}

static void status_bits_stay_until_a_reset(void **unused) {
	drive();
	put(VIRTIO_PCI_COMMON_STATUS, 1, 1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_STATUS, 1), READY);
	put(VIRTIO_PCI_COMMON_STATUS, READY | VIRTIO_CONFIG_S_NEEDS_RESET, 1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_STATUS, 1), READY);
	assert_int_equal(readies, 1);
	virtio_pci_needs_reset(&virtio);
	put(VIRTIO_PCI_COMMON_STATUS, READY, 1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_STATUS, 1), READY | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_false(virtio_pci_runs(&virtio));
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_STATUS, 1), 0);
	drive();
}

static void queues_that_do_not_exist_read_as_nothing(void **unused) {
	drive();
	const uint16_t queues[] = {QUEUES, 100, UINT16_MAX};
	struct device_state before = state;
	for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
		put(VIRTIO_PCI_COMMON_Q_SELECT, queues[i], 2);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SELECT, 2), queues[i]);
		for (uint32_t at = VIRTIO_PCI_COMMON_Q_SIZE; at < 60; at += 2) {
			assert_int_equal(get(at, 2), 0);
			put(at, 1, 2);
			put(at, 1, 4);
		}
	}
	assert_memory_equal(before.virtio.queues, state.virtio.queues, sizeof(state.virtio.queues));
}

static void sizes_are_powers_of_two_up_to_the_largest(void **unused) {
	put(VIRTIO_PCI_COMMON_Q_SIZE, 16, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 16);
	const uint16_t bad[] = {0, 3, 17, QUEUE_SIZE * 2, 0x8000, UINT16_MAX};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(VIRTIO_PCI_COMMON_Q_SIZE, bad[i], 2);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 16);
	}
}

static void an_enabled_queue_stays_as_it_is(void **unused) {
	enable_queue(0);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	struct device_state_queue before = state.virtio.queues[0];
	put(VIRTIO_PCI_COMMON_Q_SIZE, 16, 2);
	for (uint32_t at = VIRTIO_PCI_COMMON_Q_DESCLO; at < 56; at += 4) {
		put(at, 0x55555555, 4);
	}
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
	state.virtio.queues[0].available = 9;
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(state.virtio.queues[0].available, 9);
	state.virtio.queues[0].available = 0;
	assert_memory_equal(&before, &state.virtio.queues[0], sizeof(before));
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2);
	put(VIRTIO_PCI_COMMON_Q_ENABLE, UINT16_MAX, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

static void one_queue_is_reset_by_itself(void **unused) {
	drive();
	struct device_state_queue other = state.virtio.queues[0];
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	state.virtio.queues[1].available = state.virtio.queues[1].used = 9;
	put(VIRTIO_PCI_COMMON_Q_RESET, 0, 2);
	put(VIRTIO_PCI_COMMON_Q_RESET, 2, 2);
	assert_int_equal(queue_resets[1], 0);
	put(VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	assert_int_equal(queue_resets[1], 1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_RESET, 2), 0);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), NONE);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0);
	put(NOTIFY + 4, 1, 2);
	assert_int_equal(notifications[1], 0);
	// There is nothing to reset any more.
	put(VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	assert_int_equal(queue_resets[1], 1);
	enable_queue(1);
	assert_int_equal(state.virtio.queues[1].available, 0);
	put(NOTIFY + 4, 1, 2);
	assert_int_equal(notifications[1], 1);
	assert_memory_equal(&other, &state.virtio.queues[0], sizeof(other));
	assert_true(virtio_pci_runs(&virtio));
	assert_int_equal(resets, 1);
}

static void a_queue_is_not_reset_where_that_was_not_negotiated(void **unused) {
	put(VIRTIO_PCI_COMMON_STATUS, 3, 1);
	accept_features(VERSION_1);
	put(VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
	enable_queue(0);
	put(VIRTIO_PCI_COMMON_STATUS, READY, 1);
	put(VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	assert_int_equal(queue_resets[0], 0);
}

static void addresses_come_in_halves_or_whole(void **unused) {
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	put(VIRTIO_PCI_COMMON_Q_DESCHI, 0x12, 4);
	put(VIRTIO_PCI_COMMON_Q_DESCLO, 0x3456789a, 4);
	put(VIRTIO_PCI_COMMON_Q_AVAILLO, UINT64_C(0xfedcba9876543210), 8);
	put(VIRTIO_PCI_COMMON_Q_USEDHI, 0xffffffff, 4);
	const struct device_state_queue *queue = &state.virtio.queues[1];
	assert_int_equal(queue->desc, UINT64_C(0x123456789a));
	assert_int_equal(queue->driver, UINT64_C(0xfedcba9876543210));
	assert_int_equal(queue->device, UINT64_C(0xffffffff00000000));
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8), queue->desc);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_AVAILHI, 4), 0xfedcba98);
}

static void vectors_that_do_not_exist_read_back_as_none(void **unused) {
	const uint32_t registers[] = {VIRTIO_PCI_COMMON_MSIX, VIRTIO_PCI_COMMON_Q_MSIX};
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		put(registers[i], VECTORS - 1, 2);
		assert_int_equal(get(registers[i], 2), VECTORS - 1);
		const uint16_t bad[] = {VECTORS, 64, 0x8000, NONE};
		for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
			put(registers[i], 0, 2);
			put(registers[i], bad[k], 2);
			assert_int_equal(get(registers[i], 2), NONE);
		}
	}
}

static void other_widths_write_nothing(void **unused) {
	const struct {
		uint32_t at, width;
	} fields[] = {
		{VIRTIO_PCI_COMMON_DFSELECT, 4},
		{VIRTIO_PCI_COMMON_GFSELECT, 4},
		{VIRTIO_PCI_COMMON_GF, 4},
		{VIRTIO_PCI_COMMON_MSIX, 2},
		{VIRTIO_PCI_COMMON_STATUS, 1},
		{VIRTIO_PCI_COMMON_Q_SELECT, 2},
		{VIRTIO_PCI_COMMON_Q_SIZE, 2},
		{VIRTIO_PCI_COMMON_Q_MSIX, 2},
		{VIRTIO_PCI_COMMON_Q_ENABLE, 2},
		{VIRTIO_PCI_COMMON_Q_DESCLO, 4},
		{VIRTIO_PCI_COMMON_Q_USEDHI, 4},
	};
	struct device_state_virtio before = state.virtio;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		for (uint32_t count = 1; count < 8; count++) {
			if (count != fields[i].width) {
				put(fields[i].at, 0x0101010101010101, count);
			}
			put(fields[i].at + 1, 0x0101010101010101, count == 4 ? 3 : count);
		}
	}
	// A status of one byte at an odd address is the generation's, which is read-only.
	assert_memory_equal(&before, &state.virtio, sizeof(before));
	// Bytes are read as they lie there.
	put(VIRTIO_PCI_COMMON_Q_SIZE, 32, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_NUMQ, 8) >> 48, 32);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE + 1, 1), 0);
}

static void accesses_end_where_the_window_ends(void **unused) {
	uint8_t bytes[VIRTIO_PCI_WINDOW + 1];
	memset(bytes, 0x5a, sizeof(bytes));
	const struct {
		uint64_t offset;
		uint32_t count;
		int result;
	} cases[] = {
		{0, VIRTIO_PCI_WINDOW, 0},
		{0, VIRTIO_PCI_WINDOW + 1, -EINVAL},
		{VIRTIO_PCI_WINDOW - 1, 1, 0},
		{VIRTIO_PCI_WINDOW - 1, 2, -EINVAL},
		{VIRTIO_PCI_WINDOW, 1, -EINVAL},
		{UINT64_MAX, 1, -EINVAL},
		{UINT64_MAX, 2, -EINVAL},
		{12, 0, 0},
		{ISR, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(virtio_pci_write(&virtio, cases[i].offset, bytes, cases[i].count),
			cases[i].result);
		assert_int_equal(virtio_pci_read(&virtio, cases[i].offset, bytes, cases[i].count),
			cases[i].result);
	}
}

static void the_devices_configuration_is_bounded(void **unused) {
	uint8_t bytes[16];
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(virtio_pci_read(&virtio, DEVICE + CONFIG_SIZE - 2, bytes, 8), 0);
	const uint8_t cut[8] = {0x40 + CONFIG_SIZE - 2, 0x40 + CONFIG_SIZE - 1};
	assert_memory_equal(bytes, cut, sizeof(cut));
	assert_int_equal(get(DEVICE + CONFIG_SIZE, 4), 0);
	put(DEVICE + 4, 0x99, 4);
	assert_int_equal(config_access.offset, 4);
	assert_int_equal(config_access.count, 4);
	assert_int_equal(config_access.bytes[0], 0x99);
	put(DEVICE + CONFIG_SIZE - 2, UINT64_MAX, 8);
	assert_int_equal(config_access.offset, CONFIG_SIZE - 2);
	assert_int_equal(config_access.count, 2);
}

static void notifications_come_while_the_device_runs(void **unused) {
	put(NOTIFY, 0, 2);
	assert_int_equal(notifications[0], 0); // long before DRIVER_OK
	drive();
	memset(notifications, 0, sizeof(notifications));
	put(NOTIFY, 0, 2);
	put(NOTIFY + 4, 1, 2);
	put(NOTIFY + 4, 1, 4);
	assert_int_equal(notifications[0], 1);
	assert_int_equal(notifications[1], 2);
	put(NOTIFY + 2, 0, 2);
	put(NOTIFY + 4 * QUEUES, 0, 2);
	put(NOTIFY + 0xffe, 0, 2);
	assert_int_equal(get(NOTIFY, 4), 0);
	assert_int_equal(notifications[0] + notifications[1], 3);
	virtio_pci_needs_reset(&virtio);
	put(NOTIFY, 0, 2);
	assert_int_equal(notifications[0], 1);
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	put(NOTIFY, 0, 2);
	assert_int_equal(notifications[0], 1);
}

static void a_queue_that_is_not_enabled_is_not_notified(void **unused) {
	drive();
	state.virtio.queues[1].enabled = 0;
	memset(notifications, 0, sizeof(notifications));
	put(NOTIFY + 4, 1, 2);
	assert_int_equal(notifications[1], 0);
}

static void nothing_runs_while_bus_mastering_is_off(void **unused) {
	int vector = bind_interrupt(VFIO_PCI_MSIX_IRQ_INDEX, 0);
	drive();
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
	put_config(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	memset(notifications, 0, sizeof(notifications));
	assert_false(virtio_pci_runs(&virtio));
	put(NOTIFY, 0, 2);
	virtio_pci_interrupt(&virtio, 0);
	assert_int_equal(notifications[0], 0);
	assert_int_equal(take(vector), 0);
	// What was notified meanwhile is not lost.
	put_config(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_true(virtio_pci_runs(&virtio));
	assert_int_equal(notifications[0], 1);
	assert_int_equal(notifications[1], 1);
	virtio_pci_interrupt(&virtio, 0);
	assert_int_equal(take(vector), 1);
	close(vector);
}

static void interrupts_go_to_the_vectors_of_their_queues(void **unused) {
	int vectors[VECTORS], pin = bind_interrupt(VFIO_PCI_INTX_IRQ_INDEX, 0);
	for (uint32_t i = 0; i < VECTORS; i++) {
		vectors[i] = bind_interrupt(VFIO_PCI_MSIX_IRQ_INDEX, i);
	}
	drive();
	put(VIRTIO_PCI_COMMON_MSIX, 0, 2);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	put(VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	virtio_pci_interrupt(&virtio, 0);
	virtio_pci_interrupt(&virtio, 1); // has none
	virtio_pci_interrupt(&virtio, QUEUES);
	assert_int_equal(take(vectors[2]), 1);
	assert_int_equal(take(vectors[0]), 0);
	assert_int_equal(get(ISR, 1), 0);
	virtio_pci_config_changed(&virtio);
	assert_int_equal(take(vectors[0]), 1);
	assert_int_equal(get(ISR, 1), VIRTIO_PCI_ISR_CONFIG);
	virtio_pci_needs_reset(&virtio);
	virtio_pci_needs_reset(&virtio);
	assert_int_equal(take(vectors[0]), 1);
	assert_int_equal(take(vectors[1]), 0);
	assert_int_equal(take(pin), 0);
	assert_int_equal(get_config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
	for (uint32_t i = 0; i < VECTORS; i++) {
		close(vectors[i]);
	}
	close(pin);
}

static void without_msix_the_pin_stands_until_isr_is_read(void **unused) {
	int pin = bind_interrupt(VFIO_PCI_INTX_IRQ_INDEX, 0);
	drive();
	virtio_pci_interrupt(&virtio, 1);
	assert_int_equal(take(pin), 1);
	assert_int_equal(state.irq.level, 1);
	assert_int_equal(get_config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, PCI_STATUS_INTERRUPT);
	virtio_pci_config_changed(&virtio);
	assert_int_equal(get(ISR, 4), 3);
	assert_int_equal(state.irq.level, 0);
	assert_int_equal(get_config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
	assert_int_equal(get(ISR, 1), 0);
	// Disabled, it is pending only.
	put_config(PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, 2);
	virtio_pci_interrupt(&virtio, 0);
	assert_int_equal(state.irq.level, 0);
	assert_int_equal(get_config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, PCI_STATUS_INTERRUPT);
	put_config(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_int_equal(state.irq.level, 1);
	put(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(state.irq.level, 0);
	close(pin);
}

static void nobody_is_told_before_the_driver_is_ready(void **unused) {
	int pin = bind_interrupt(VFIO_PCI_INTX_IRQ_INDEX, 0);
	virtio_pci_config_changed(&virtio);
	assert_int_equal(get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), 1);
	virtio_pci_needs_reset(&virtio);
	assert_int_equal(get(ISR, 1), 0);
	assert_int_equal(take(pin), 0);
	close(pin);
}

/* Aims the window into configuration space. */
static unsigned aim(uint32_t bar, uint32_t offset, uint32_t length) {
	unsigned at = find(VIRTIO_PCI_CAP_PCI_CFG);
	put_config(at + 4, bar, 1);
	put_config(at + 8, offset, 4);
	put_config(at + 12, length, 4);
	return at + 16;
}

static void configuration_space_reaches_the_structures(void **unused) {
	unsigned data = aim(BAR, WINDOW + VIRTIO_PCI_COMMON_NUMQ, 2);
	assert_int_equal(get_config(data, 2), QUEUES);
	data = aim(BAR, WINDOW + VIRTIO_PCI_COMMON_STATUS, 1);
	put_config(data, 3, 1);
	assert_int_equal(get(VIRTIO_PCI_COMMON_STATUS, 1), 3);
	assert_int_equal(get_config(data, 4), 3);
	data = aim(BAR, WINDOW + VIRTIO_PCI_COMMON_Q_DESCLO, 4);
	put_config(data, 0x12345000, 4);
	assert_int_equal(state.virtio.queues[0].desc, 0x12345000);
	data = aim(BAR, WINDOW + DEVICE + 4, 4);
	assert_int_equal(get_config(data, 4), 0x47464544);
	// Whoever reads all of configuration space does nothing.
	state.virtio.isr = 1;
	aim(BAR, WINDOW + ISR, 1);
	uint8_t space[PCI_CONFIG_SIZE];
	const struct vfio_user_access all = {VFIO_PCI_CONFIG_REGION_INDEX, 0, sizeof(space), NULL};
	assert_int_equal(region_access(&pci, &all, space), 0);
	assert_int_equal(state.virtio.isr, 1);
	assert_int_equal(get_config(data, 1), 1);
	assert_int_equal(state.virtio.isr, 0);
}

static void a_window_aimed_nowhere_reads_zeroes(void **unused) {
	const struct {
		uint32_t bar, offset, length;
	} cases[] = {
		{BAR, WINDOW + 2, 4},  // not aligned
		{BAR, WINDOW + 18, 0}, // impossible lengths
		{BAR, WINDOW + 18, 3},
		{BAR, WINDOW + 18, 8},
		{BAR, WINDOW + 18, UINT32_MAX},
		{BAR, WINDOW - 4, 4}, // the registers before it
		{BAR, 0, 4},
		{BAR, WINDOW + VIRTIO_PCI_WINDOW, 4},
		{BAR, UINT32_MAX - 3, 4},
		{4, WINDOW + 16, 4}, // another BAR
		{0, WINDOW + 16, 4},
		{6, WINDOW + 16, 4},
		{7, find(VIRTIO_PCI_CAP_PCI_CFG) & ~3u, 4}, // itself, were it a region
		{255, WINDOW + 16, 4},
	};
	put(VIRTIO_PCI_COMMON_STATUS, 3, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned data = aim(cases[i].bar, cases[i].offset, cases[i].length);
		struct device_state_virtio before = state.virtio;
		put_config(data, 0, 4);
		put_config(data, UINT32_MAX, 4);
		put_config(data + 1, UINT32_MAX, 2);
		assert_int_equal(get_config(data, 4), 0);
		assert_int_equal(get_config(data + 3, 1), 0);
		assert_memory_equal(&before, &state.virtio, sizeof(before));
	}
	assert_int_equal(state.traps[TRAP_VRAM], 0);
}

static void traps_are_counted(void **unused) {
	memset(state.traps, 0, sizeof(state.traps));
	get(VIRTIO_PCI_COMMON_STATUS, 1);
	put(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	get(DEVICE, 4);
	get(ISR, 1);
	put(NOTIFY + 4, 1, 2);
	get(0x700, 4);
	assert_int_equal(state.traps[TRAP_VIRTIO_CONFIG], 3);
	assert_int_equal(state.traps[TRAP_VIRTIO_ISR], 1);
	assert_int_equal(state.traps[TRAP_VIRTIO_NOTIFY], 1);
	assert_int_equal(state.traps[TRAP_OTHER], 1);
}

static void a_later_process_goes_on(void **unused) {
	int pin = bind_interrupt(VFIO_PCI_INTX_IRQ_INDEX, 0);
	drive();
	virtio_pci_interrupt(&virtio, 0);
	struct device_state before = state;
	assert_true(begin());
	assert_memory_equal(&before.virtio, &state.virtio, sizeof(state.virtio));
	assert_memory_equal(before.pci_config, state.pci_config, sizeof(state.pci_config));
	assert_true(virtio_pci_runs(&virtio));
	assert_int_equal(resets, 1);
	assert_int_equal(get(ISR, 1), 1);
	assert_int_equal(state.irq.level, 0);
	close(pin);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, power_on, power_off)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(capabilities_point_to_the_structures),
		TEST(registers_at_power_on),
		TEST(features_are_negotiated_in_halves),
		TEST(features_that_were_not_offered_are_refused),
		TEST(status_bits_stay_until_a_reset),
		TEST(queues_that_do_not_exist_read_as_nothing),
		TEST(sizes_are_powers_of_two_up_to_the_largest),
		TEST(an_enabled_queue_stays_as_it_is),
		TEST(one_queue_is_reset_by_itself),
		TEST(a_queue_is_not_reset_where_that_was_not_negotiated),
		TEST(addresses_come_in_halves_or_whole),
		TEST(vectors_that_do_not_exist_read_back_as_none),
		TEST(other_widths_write_nothing),
		TEST(accesses_end_where_the_window_ends),
		TEST(the_devices_configuration_is_bounded),
		TEST(notifications_come_while_the_device_runs),
		TEST(a_queue_that_is_not_enabled_is_not_notified),
		TEST(nothing_runs_while_bus_mastering_is_off),
		TEST(interrupts_go_to_the_vectors_of_their_queues),
		TEST(without_msix_the_pin_stands_until_isr_is_read),
		TEST(nobody_is_told_before_the_driver_is_ready),
		TEST(configuration_space_reaches_the_structures),
		TEST(a_window_aimed_nowhere_reads_zeroes),
		TEST(traps_are_counted),
		TEST(a_later_process_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
