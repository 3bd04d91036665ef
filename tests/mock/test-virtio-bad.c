/*
 * What a hostile driver sends to the real device over virtio's transport: registers, rings and
 * chains that cannot be. Its queues stop and it is told that the device needs a reset; after
 * one, all works again. That nobody else notices is mock_teardown()'s to say.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "guest-gpu.h"
#include "mock.h"
#include "virtio-storage.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define FORMAT VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define NEEDS_RESET (VIRTIO_CONFIG_S_NEEDS_RESET | 0xf)
#define GAP UINT64_C(0x30000000)        // guest address of nothing
#define ELSEWHERE UINT64_C(0x100000000) // where the guest's memory is mapped again
#define READ_ONLY UINT64_C(0x20000000)  // of a page that the device may not write

static struct virtio_guest guest;

static int set_up(void **state) {
	const struct device_options options = {
		.slice_size = 32 << 20,
		.aperture_size = 16 << 20,
		.personality = LINK_PERSONALITY_VIRTIO_VGA,
		.hidden_refresh = 60000,
	};
	int error = mock_setup_device(state, &options);
	if (error == 0) {
		error = virtio_guest_start(&guest, &((struct mock *)*state)->vmm, NULL);
	}
	return error;
}

static int tear_down(void **state) {
	virtio_guest_finish(&guest);
	return mock_teardown(state);
}

/* The driver is loaded again, and all works. */
static void assert_works_after_reset(const char *what) {
	struct guest_gpu_picture picture;
	if (virtio_guest_drive(&guest) < 0) {
		fail_msg("%s: no reset: %s", what, guest.complaint);
	}
	assert_int_equal(guest_gpu_picture_create(&picture, &guest, 1, FORMAT, 64, 64, true), OK);
	struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
	assert_int_equal(guest_gpu_picture_update(&picture, all), OK);
}

/* The driver is told, by status and by interrupt, and the queue does nothing more. */
static void assert_stopped(const char *what) {
	if (!virtio_guest_config_changed(&guest, MOCK_PROMPT_MSEC)) {
		fail_msg("%s: the driver is not told", what);
	}
	uint8_t status = virtio_guest_status(&guest);
	if (status != NEEDS_RESET) {
		fail_msg("%s: the status is %#x", what, status);
	}
	uint16_t used = guest.queues[0].used->idx;
	virtio_guest_notify(&guest, 0);
	virtio_guest_notify(&guest, 1);
	assert_int_equal(virtio_guest_status(&guest), NEEDS_RESET);
	assert_int_equal(guest.queues[0].used->idx, used);
	assert_works_after_reset(what);
}

static struct vring_desc *desc(unsigned index) {
	return (struct vring_desc *)&guest.queues[0].desc[index];
}

/* Makes whatever lies in the table available. */
static void offer(uint16_t head) {
	struct virtio_guest_queue *queue = &guest.queues[0];
	queue->avail->ring[queue->avail->idx % queue->size] = head;
	__atomic_store_n(&queue->avail->idx, queue->avail->idx + 1, __ATOMIC_RELEASE);
	assert_int_equal(virtio_guest_notify(&guest, 0), 0);
}

static void chains_that_cannot_be_stop_the_device(void **state) {
	const uint64_t at = VIRTIO_GUEST_RAM + guest.ram_size - 65536, gap = GAP;
	const struct {
		const char *name;
		uint16_t head;
		struct vring_desc first, second;
	} cases[] = {
		{"head out of the table", 64, {0}, {0}},
		{"head far out", UINT16_MAX, {0}, {0}},
		{"next out of the table", 0, {at, 24, 1, 64}, {0}},
		{"a loop", 0, {at, 24, 1, 1}, {at, 24, 1, 0}},
		{"readable after writable", 0, {at, 24, 3, 1}, {at, 24, 0, 0}},
		{"a buffer in a gap", 0, {gap, 24, 0, 0}, {0}},
		{"a buffer that ends outside", 0, {at, 65537, 0, 0}, {0}},
		{"a buffer that wraps", 0, {UINT64_MAX - 10, 24, 0, 0}, {0}},
		{"a buffer in the own BAR", 0, {VIRTIO_GUEST_BAR0, 24, 0, 0}, {0}},
		{"over 2^32", 0, {at, 4096, 1, 1}, {at, UINT32_MAX, 0, 0}},
		{"an answer into read-only memory", 0, {at, 24, 1, 1}, {READ_ONLY, 24, 2, 0}},
		{"an indirect table of length 0", 0, {at, 0, 4, 0}, {0}},
		{"an indirect table of length 17", 0, {at, 17, 4, 0}, {0}},
		{"a huge indirect table", 0, {at, UINT32_MAX - 15, 4, 0}, {0}},
		{"an indirect table in a gap", 0, {gap, 16, 4, 0}, {0}},
		{"an indirect table in the own BAR", 0, {VIRTIO_GUEST_BAR0, 16, 4, 0}, {0}},
		{"an indirect table with a next one", 0, {at, 16, 5, 1}, {at, 24, 0, 0}},
	};
	assert_int_equal(
		vmm_dma_map(guest.vmm, READ_ONLY, 4096, VFU_DMA_READABLE, guest.ram_fd, 0), 0);
	assert_int_equal(
		vmm_dma_map(guest.vmm, VIRTIO_GUEST_BAR0, 16 << 20, VFU_DMA_READABLE, -1, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		*desc(0) = cases[i].first;
		*desc(1) = cases[i].second;
		offer(cases[i].head);
		assert_stopped(cases[i].name);
	}
}

static void an_indirect_table_must_be_negotiated_and_flat(void **state) {
	uint64_t table = virtio_guest_alloc(&guest, 64, 16);
	struct vring_desc *inner = virtio_guest_at(&guest, table, 64);
	*desc(0) = (struct vring_desc){table, 32, VRING_DESC_F_INDIRECT, 0};
	inner[0] = (struct vring_desc){table, 32, VRING_DESC_F_INDIRECT, 0};
	offer(0);
	assert_stopped("nested");
	guest.options.no_features = true;
	assert_int_equal(virtio_guest_drive(&guest), 0);
	table = virtio_guest_alloc(&guest, 64, 16);
	inner = virtio_guest_at(&guest, table, 64);
	inner[0] = (struct vring_desc){VIRTIO_GUEST_RAM, 24, 0, 0};
	*desc(0) = (struct vring_desc){table, 16, VRING_DESC_F_INDIRECT, 0};
	offer(0);
	assert_stopped("not negotiated");
}

static void an_available_index_that_jumps_stops_the_device(void **state) {
	const uint16_t jumps[] = {65, 1000, 0x8000, UINT16_MAX};
	for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
		guest.queues[i % 2].avail->idx += jumps[i];
		assert_int_equal(virtio_guest_notify(&guest, i % 2), 0);
		assert_stopped("a jump");
	}
}

/* A driver of queue 0 alone. */
static void drive_with(uint64_t table, uint64_t available, uint64_t used) {
	const struct virtio_guest_part *common = &guest.common;
	assert_int_equal(virtio_guest_reset(&guest), 0);
	virtio_guest_write(&guest, common, VIRTIO_PCI_COMMON_STATUS, 3, 1);
	virtio_guest_write(&guest, common, VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	virtio_guest_write(&guest, common, VIRTIO_PCI_COMMON_GF, 1, 4);
	virtio_guest_write(&guest, common, VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
	virtio_guest_write(&guest, common, VIRTIO_PCI_COMMON_MSIX, 0, 2);
	const uint64_t addresses[] = {table, available, used};
	for (uint32_t i = 0; i < 3; i++) {
		virtio_guest_write(
			&guest, common, VIRTIO_PCI_COMMON_Q_DESCLO + 8 * i, addresses[i], 8);
	}
	virtio_guest_write(&guest, common, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	virtio_guest_write(&guest, common, VIRTIO_PCI_COMMON_STATUS, 0xf, 1);
}

static void rings_that_cannot_be_stop_the_device(void **state) {
	const uint64_t ram = VIRTIO_GUEST_RAM, end = ram + guest.ram_size;
	const struct {
		const char *name;
		uint64_t table, available, used;
	} cases[] = {
		{"odd table", ram + 8, ram + 0x1000, ram + 0x2000},
		{"odd available ring", ram, ram + 0x1001, ram + 0x2000},
		{"odd used ring", ram, ram + 0x1000, ram + 0x2002},
		{"available ring in a gap", ram, GAP, ram + 0x2000},
		{"used ring in a gap", ram, ram + 0x1000, GAP},
		{"used ring in read-only memory", ram, ram + 0x1000, READ_ONLY},
		{"all at 0", 0, 0, 0},
		{"rings that wrap", UINT64_MAX - 15, UINT64_MAX - 1, UINT64_MAX - 3},
		{"rings that end outside", end - 16, end - 4, end - 8},
	};
	assert_int_equal(
		vmm_dma_map(guest.vmm, READ_ONLY, 4096, VFU_DMA_READABLE, guest.ram_fd, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(guest.ram, 0, 0x4000);
		*(uint16_t *)(guest.ram + guest.ram_size - 2) = 1; // available
		drive_with(cases[i].table, cases[i].available, cases[i].used);
		virtio_guest_notify(&guest, 0);
		if (!virtio_guest_config_changed(&guest, MOCK_PROMPT_MSEC)) {
			fail_msg("%s: the driver is not told", cases[i].name);
		}
		assert_int_equal(virtio_guest_status(&guest), NEEDS_RESET);
	}
	assert_works_after_reset("rings");
}

static void addresses_of_an_enabled_queue_stay(void **state) {
	virtio_guest_write(&guest, &guest.common, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	for (uint32_t i = 0; i < 3; i++) {
		virtio_guest_write(
			&guest, &guest.common, VIRTIO_PCI_COMMON_Q_DESCLO + 8 * i, GAP, 8);
	}
	virtio_guest_write(&guest, &guest.common, VIRTIO_PCI_COMMON_Q_SIZE, 2, 2);
	struct guest_gpu_picture picture;
	assert_int_equal(guest_gpu_picture_create(&picture, &guest, 1, FORMAT, 64, 64, true), OK);
}

/* What is pending when the guest takes bus mastering away is done when it gives it back. */
static void nothing_is_touched_while_bus_mastering_is_off(void **state) {
	struct vmm *vmm = guest.vmm;
	assert_int_equal(vmm_write16(vmm, VFU_REGION_CONFIG, PCI_COMMAND, PCI_COMMAND_MEMORY), 0);
	struct guest_gpu_request request = guest_gpu_create_2d(1, FORMAT, 64, 64);
	assert_true(guest_gpu_submit(&guest, GUEST_GPU_CONTROL, &request) >= 0);
	struct vring_used before = {0}, after;
	memcpy(&before, (void *)guest.queues[0].used, sizeof(before));
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(virtio_guest_notify(&guest, 0), 0);
	}
	mock_assert_served(*state);
	usleep(50000);
	memcpy(&after, (void *)guest.queues[0].used, sizeof(after));
	assert_memory_equal(&before, &after, sizeof(before));
	assert_null(virtio_storage_find(*state, 1));
	assert_int_equal(vmm_write16(vmm, VFU_REGION_CONFIG, PCI_COMMAND,
				 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER),
		0);
	struct virtio_guest_response response;
	assert_int_equal(virtio_guest_wait(&guest, GUEST_GPU_CONTROL, &response), 0);
	assert_non_null(virtio_storage_find(*state, 1));
}

/* Flushes are held for their frame when the driver, then the VMM, resets. */
static void a_reset_with_commands_in_flight_forgets_them(void **state) {
	struct guest_gpu_picture picture;
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(
			guest_gpu_picture_create(&picture, &guest, 1, FORMAT, 256, 256, true), OK);
		struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
		assert_int_equal(guest_gpu_call(&guest, guest_gpu_set_scanout(0, 1, all)), OK);
		for (unsigned k = 0; k < 8; k++) {
			struct guest_gpu_request transfer =
				guest_gpu_picture_transfer(&picture, all);
			struct guest_gpu_request flush =
				guest_gpu_fenced(guest_gpu_flush(1, all), k);
			guest_gpu_submit(&guest, GUEST_GPU_CONTROL, &transfer);
			guest_gpu_submit(&guest, GUEST_GPU_CONTROL, &flush);
		}
		virtio_guest_kick(&guest, GUEST_GPU_CONTROL);
		usleep((useconds_t)(i % 4 * 500));
		if (i % 2 == 0) {
			assert_int_equal(vmm_reset(guest.vmm), 0);
			assert_int_equal(vmm_write16(guest.vmm, VFU_REGION_CONFIG, PCI_COMMAND,
						 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER),
				0);
		}
		memset(guest.ram, 0x5a, guest.allocated);
		assert_int_equal(virtio_guest_reset(&guest), 0);
		// Nothing of it is answered any more.
		memset(guest.ram, 0x5a, 0x4000);
		usleep(20000);
		for (unsigned k = 0; k < 0x4000; k++) {
			assert_int_equal(guest.ram[k], 0x5a);
		}
		assert_int_equal(virtio_guest_drive(&guest), 0);
		assert_int_equal(
			device_host_state(&((struct mock *)*state)->host)->gpu.held_count, 0);
	}
}

/* A VMM that takes the memory away under the queues, and gives it back. */
static void memory_that_goes_and_comes_loses_nothing(void **state) {
	struct guest_gpu_picture picture;
	assert_int_equal(guest_gpu_picture_create(&picture, &guest, 1, FORMAT, 256, 256, true), OK);
	struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
	for (unsigned i = 0; i < 50; i++) {
		struct guest_gpu_request requests[] = {
			guest_gpu_picture_transfer(&picture, all),
			guest_gpu_flush(1, all),
		};
		guest_gpu_picture_fill(&picture, all, i);
		for (unsigned k = 0; k < 16; k++) {
			assert_true(
				guest_gpu_submit(&guest, GUEST_GPU_CONTROL, &requests[k % 2]) >= 0);
		}
		assert_int_equal(virtio_guest_kick(&guest, GUEST_GPU_CONTROL), 0);
		assert_int_equal(vmm_dma_unmap(guest.vmm, VIRTIO_GUEST_RAM, guest.ram_size), 0);
		usleep((useconds_t)(i % 5 * 2000));
		assert_int_equal(vmm_dma_map(guest.vmm, VIRTIO_GUEST_RAM, guest.ram_size, 3,
					 guest.ram_fd, 0),
			0);
		for (unsigned k = 0; k < 16; k++) {
			struct virtio_guest_response response;
			struct virtio_gpu_ctrl_hdr hdr;
			assert_int_equal(
				virtio_guest_wait(&guest, GUEST_GPU_CONTROL, &response), 0);
			assert_int_equal(guest_gpu_answer(&response, &hdr), OK);
		}
	}
	assert_int_equal(guest_gpu_picture_update(&picture, all), OK);
	virtio_storage_assert(*state, &picture);
}

/* A picture whose pages lie in memory of their own. */
static void make_picture_elsewhere(struct guest_gpu_picture *picture) {
	assert_int_equal(guest_gpu_picture_create(picture, &guest, 1, FORMAT, 64, 64, false), OK);
	struct virtio_gpu_mem_entry *entry;
	uint64_t address = virtio_guest_alloc(&guest, sizeof(*entry), sizeof(*entry));
	assert_int_not_equal(address, 0);
	entry = virtio_guest_at(&guest, address, sizeof(*entry));
	*entry = (struct virtio_gpu_mem_entry){
		.addr = picture->address - VIRTIO_GUEST_RAM + ELSEWHERE,
		.length = 64 * 64 * 4,
	};
	assert_int_equal(guest_gpu_call(&guest, guest_gpu_detach(1)), OK);
	assert_int_equal(guest_gpu_call(&guest, guest_gpu_attach(1, address, 1)), OK);
}

static void map_elsewhere(void) {
	assert_int_equal(vmm_dma_map(guest.vmm, ELSEWHERE, guest.ram_size, 3, guest.ram_fd, 0), 0);
}

/* The rings are there, and only what a command reads is not. */
static void pages_that_go_and_come_are_waited_for(void **state) {
	struct guest_gpu_picture picture;
	struct virtio_guest_response response;
	struct virtio_gpu_ctrl_hdr hdr;
	make_picture_elsewhere(&picture);
	map_elsewhere();
	struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
	for (unsigned i = 1; i <= 3; i++) {
		struct guest_gpu_request requests[] = {
			guest_gpu_picture_transfer(&picture, all),
			guest_gpu_create_2d(1 + i, FORMAT, 64, 64),
		};
		guest_gpu_picture_fill(&picture, all, 0x10101 * i);
		assert_int_equal(vmm_dma_unmap(guest.vmm, ELSEWHERE, guest.ram_size), 0);
		for (unsigned k = 0; k < 2; k++) {
			assert_true(guest_gpu_submit(&guest, GUEST_GPU_CONTROL, &requests[k]) >= 0);
		}
		assert_int_equal(virtio_guest_kick(&guest, GUEST_GPU_CONTROL), 0);
		usleep(20000);
		assert_int_equal(virtio_guest_take(&guest, GUEST_GPU_CONTROL, &response), 0);
		map_elsewhere();
		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(
				virtio_guest_wait(&guest, GUEST_GPU_CONTROL, &response), 0);
			assert_int_equal(guest_gpu_answer(&response, &hdr), OK);
		}
		virtio_storage_assert(*state, &picture);
	}
}

static void pages_that_stay_away_read_as_zeroes(void **state) {
	struct guest_gpu_picture picture;
	make_picture_elsewhere(&picture);
	map_elsewhere();
	struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
	guest_gpu_picture_fill(&picture, all, 0x123456);
	assert_int_equal(guest_gpu_call(&guest, guest_gpu_picture_transfer(&picture, all)), OK);
	assert_int_equal(vmm_dma_unmap(guest.vmm, ELSEWHERE, guest.ram_size), 0);
	assert_int_equal(guest_gpu_call(&guest, guest_gpu_picture_transfer(&picture, all)), OK);
	guest_gpu_picture_fill(&picture, all, 0);
	virtio_storage_assert(*state, &picture);
}

static void memory_that_stays_away_stops_the_device(void **state) {
	struct guest_gpu_request request = guest_gpu_create_2d(1, FORMAT, 64, 64);
	assert_true(guest_gpu_submit(&guest, GUEST_GPU_CONTROL, &request) >= 0);
	assert_int_equal(vmm_dma_unmap(guest.vmm, VIRTIO_GUEST_RAM, guest.ram_size), 0);
	assert_int_equal(virtio_guest_notify(&guest, GUEST_GPU_CONTROL), 0);
	assert_true(virtio_guest_config_changed(&guest, MOCK_PROMPT_MSEC));
	assert_int_equal(virtio_guest_status(&guest), NEEDS_RESET);
	assert_int_equal(
		vmm_dma_map(guest.vmm, VIRTIO_GUEST_RAM, guest.ram_size, 3, guest.ram_fd, 0), 0);
	assert_works_after_reset("memory");
}

static unsigned seed;

static uint64_t pick(void) {
	static const uint64_t favourites[] = {0, 1, 2, 3, 0xf, 0x40, 0x80, 0xff, 0xffff, UINT32_MAX,
		UINT64_MAX, VIRTIO_GUEST_RAM, VIRTIO_GUEST_RAM + 0x1000, 0xb, 64, 65535};
	unsigned n = (unsigned)rand_r(&seed);
	return n % 4 == 0 ? (uint64_t)rand_r(&seed) << 20 ^ (unsigned)rand_r(&seed)
			  : favourites[n / 4 % ARRAY_SIZE(favourites)];
}

/* Registers of every structure, of every width, at random; memory, too. */
static void registers_written_at_random_harm_nobody(void **state) {
	const struct virtio_guest_part *const parts[] = {
		&guest.common, &guest.notify, &guest.isr, &guest.device};
	seed = (unsigned)clock_usec();
	print_message("# seed %u\n", seed);
	for (unsigned i = 0; i < 20000; i++) {
		const struct virtio_guest_part *part =
			parts[rand_r(&seed) % 3 == 0 ? (unsigned)rand_r(&seed) % 4 : 0];
		uint32_t offset = (uint32_t)rand_r(&seed) % (part->length + 4);
		uint32_t count = 1u << rand_r(&seed) % 4;
		uint32_t aligned = rand_r(&seed) % 8 != 0 ? offset & ~(count - 1) : offset;
		if (i % 3 == 0) {
			virtio_guest_read(&guest, part, aligned, count);
		} else {
			virtio_guest_write(&guest, part, aligned, pick(), count);
		}
		if (i % 64 == 0) {
			uint32_t *word = (uint32_t *)guest.ram + rand_r(&seed) % 0x2000;
			*word = (uint32_t)pick();
		}
		if (i % 500 == 0) {
			virtio_guest_drive(&guest);
		}
	}
	mock_assert_served(*state);
	assert_works_after_reset("random writes");
}

/* Through configuration space, which firmware may do, and aimed anywhere. */
static void a_window_of_configuration_space_aimed_anywhere_harms_nobody(void **state) {
	struct vmm *vmm = guest.vmm;
	unsigned at = vmm_read8(vmm, VFU_REGION_CONFIG, PCI_CAPABILITY_LIST);
	while (at != 0 &&
		(vmm_read8(vmm, VFU_REGION_CONFIG, at) != PCI_CAP_ID_VNDR ||
			vmm_read8(vmm, VFU_REGION_CONFIG, at + 3) != VIRTIO_PCI_CAP_PCI_CFG)) {
		at = vmm_read8(vmm, VFU_REGION_CONFIG, at + 1);
	}
	assert_int_not_equal(at, 0);
	seed = (unsigned)clock_usec();
	for (unsigned i = 0; i < 3000; i++) {
		static const uint8_t bars[] = {2, 0, 4, 1, 7, 255, 2, 2};
		vmm_write8(vmm, VFU_REGION_CONFIG, at + 4, bars[rand_r(&seed) % 8]);
		uint32_t offset = rand_r(&seed) % 4 == 0
			? (uint32_t)pick()
			: guest.common.offset + (uint32_t)rand_r(&seed) % 0x3010;
		vmm_write32(vmm, VFU_REGION_CONFIG, at + 8, offset);
		vmm_write32(vmm, VFU_REGION_CONFIG, at + 12,
			rand_r(&seed) % 4 == 0 ? (uint32_t)pick() : 1u << rand_r(&seed) % 3);
		uint32_t data = at + 16 + (uint32_t)rand_r(&seed) % 4;
		uint64_t value = pick();
		if (i % 2 == 0) {
			vmm_write(vmm, VFU_REGION_CONFIG, data, &value, 1u << rand_r(&seed) % 3);
		} else {
			vmm_read(vmm, VFU_REGION_CONFIG, data, &value, 1u << rand_r(&seed) % 3);
		}
	}
	mock_assert_served(*state);
	assert_works_after_reset("the window");
}

/* Noise in rings and requests while it runs: answered, or the device stops. */
static void noise_in_memory_harms_nobody(void **state) {
	seed = (unsigned)clock_usec();
	print_message("# seed %u\n", seed);
	unsigned stops = 0;
	for (unsigned i = 0; i < 400; i++) {
		struct virtio_guest_queue *queue = &guest.queues[i % 2];
		for (unsigned k = 0; k < 16; k++) {
			queue->desc[k] = (struct vring_desc){
				.addr = VIRTIO_GUEST_RAM + (unsigned)rand_r(&seed) % 0x8000,
				.len = (uint32_t)rand_r(&seed) % 512,
				.flags = (uint16_t)(rand_r(&seed) % 8),
				.next = (uint16_t)(rand_r(&seed) % 17),
			};
			queue->avail->ring[(queue->avail->idx + k) % queue->size] =
				(uint16_t)(rand_r(&seed) % 16);
			uint32_t *word = (uint32_t *)guest.ram + 0x1000 + rand_r(&seed) % 0x1000;
			*word = 0x100 + (uint32_t)rand_r(&seed) % 12;
		}
		__atomic_store_n(&queue->avail->idx, queue->avail->idx + 1 + rand_r(&seed) % 15,
			__ATOMIC_RELEASE);
		virtio_guest_notify(&guest, i % 2);
		if (virtio_guest_status(&guest) != 0xf) {
			stops++;
			assert_int_equal(virtio_guest_drive(&guest), 0);
		}
	}
	assert_in_range(stops, 1, 400);
	mock_assert_served(*state);
	assert_works_after_reset("noise");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(chains_that_cannot_be_stop_the_device),
		TEST(an_indirect_table_must_be_negotiated_and_flat),
		TEST(an_available_index_that_jumps_stops_the_device),
		TEST(rings_that_cannot_be_stop_the_device),
		TEST(addresses_of_an_enabled_queue_stay),
		TEST(nothing_is_touched_while_bus_mastering_is_off),
		TEST(a_reset_with_commands_in_flight_forgets_them),
		TEST(memory_that_goes_and_comes_loses_nothing),
		TEST(pages_that_go_and_come_are_waited_for),
		TEST(pages_that_stay_away_read_as_zeroes),
		TEST(memory_that_stays_away_stops_the_device),
		TEST(registers_written_at_random_harm_nobody),
		TEST(a_window_of_configuration_space_aimed_anywhere_harms_nobody),
		TEST(noise_in_memory_harms_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
