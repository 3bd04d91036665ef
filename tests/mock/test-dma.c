/*
 * Guest memory as the VMM announces it: rows 8 to 12 of the list of bad inputs. What a
 * virtqueue does with such memory (row 11's used ring) belongs to the virtqueue's tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "memfd.h"
#include "mock.h"

#define PAGE UINT64_C(4096)
#define RAM_SIZE (UINT64_C(4) << 20)
#define RAM_ADDRESS (UINT64_C(1) << 32)
#define READ_WRITE (VFU_DMA_READABLE | VFU_DMA_WRITABLE)

static int make_ram(void) {
	int fd = memfd_create_sealed("ram", RAM_SIZE);
	assert_true(fd >= 0);
	return fd;
}

/* Row 8 */

static void maps_that_cannot_be_are_refused(void **state) {
	struct mock *mock = *state;
	const struct {
		const char *what;
		uint64_t address, size, offset;
		uint32_t flags;
	} maps[] = {
		{"address + size wraps", UINT64_MAX - PAGE + 1, 2 * PAGE, 0, READ_WRITE},
		{"size 0", RAM_ADDRESS, 0, 0, READ_WRITE},
		{"size 2^64 - 1", 0, UINT64_MAX, 0, READ_WRITE},
		{"size 2^63", 0, UINT64_C(1) << 63, 0, READ_WRITE},
		{"address unaligned", RAM_ADDRESS + 1, PAGE, 0, READ_WRITE},
		{"address aligned to 512", RAM_ADDRESS + 512, PAGE, 0, READ_WRITE},
		{"size unaligned", RAM_ADDRESS, PAGE + 1, 0, READ_WRITE},
		{"size below a page", RAM_ADDRESS, 1, 0, READ_WRITE},
		{"offset unaligned", RAM_ADDRESS, PAGE, 1, READ_WRITE},
		{"offset + size wraps", RAM_ADDRESS, 2 * PAGE, UINT64_MAX - PAGE + 1, READ_WRITE},
		{"offset past the file", RAM_ADDRESS, PAGE, RAM_SIZE, READ_WRITE},
		{"a page more than the file", RAM_ADDRESS, RAM_SIZE + PAGE, 0, READ_WRITE},
		{"offset + size past the file", RAM_ADDRESS, RAM_SIZE, PAGE, READ_WRITE},
		{"negative offset", RAM_ADDRESS, PAGE, UINT64_C(1) << 63, READ_WRITE},
		{"unknown flags", RAM_ADDRESS, PAGE, 0, 0xfffffff0},
	};
	int fd = make_ram();
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		int answer = vmm_dma_map(&mock->vmm, maps[i].address, maps[i].size, maps[i].flags,
			fd, maps[i].offset);
		if (answer != -EINVAL) {
			fail_msg("%s: answered with %d", maps[i].what, answer);
		}
		mock_assert_served(mock);
	}
	close(fd);
}

static void overlapping_maps_are_refused(void **state) {
	struct mock *mock = *state;
	const struct {
		uint64_t address, size;
	} maps[] = {
		{RAM_ADDRESS, RAM_SIZE},
		{RAM_ADDRESS, PAGE},
		{RAM_ADDRESS + RAM_SIZE - PAGE, PAGE},
		{RAM_ADDRESS + RAM_SIZE - PAGE, 2 * PAGE},
		{RAM_ADDRESS - PAGE, 2 * PAGE},
		{RAM_ADDRESS + PAGE, PAGE},
	};
	int fd = make_ram();
	assert_int_equal(vmm_dma_map(&mock->vmm, RAM_ADDRESS, RAM_SIZE, READ_WRITE, fd, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		int answer =
			vmm_dma_map(&mock->vmm, maps[i].address, maps[i].size, READ_WRITE, fd, 0);
		assert_true(answer == -EINVAL || answer == -EEXIST);
	}
	assert_int_equal(
		vmm_dma_map(&mock->vmm, RAM_ADDRESS + RAM_SIZE, PAGE, READ_WRITE, fd, 0), 0);
	assert_int_equal(vmm_dma_map(&mock->vmm, RAM_ADDRESS - PAGE, PAGE, READ_WRITE, fd, 0), 0);
	assert_int_equal(device_host_state(&mock->host)->dma_maps, 3);
	close(fd);
}

static void short_map_body_is_refused(void **state) {
	struct mock *mock = *state;
	const struct vfu_dma_map map = {.argsz = sizeof(map), .flags = 3, .size = PAGE};
	int fd = make_ram();
	for (size_t size = 0; size < sizeof(map); size++) {
		int answer = mock_answer(mock, VFU_DMA_MAP, &map, size, &fd, 1);
		mock_assert_refused(mock, answer, "a short DMA_MAP");
	}
	close(fd);
}

/* Row 9 */

static void file_that_can_shrink_is_refused(void **state) {
	struct mock *mock = *state;
	const int seals[] = {0, F_SEAL_GROW, F_SEAL_GROW | F_SEAL_SEAL};
	for (size_t i = 0; i < ARRAY_SIZE(seals); i++) {
		int fd = memfd_create("ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_int_equal(ftruncate(fd, RAM_SIZE), 0);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
		assert_int_equal(
			vmm_dma_map(&mock->vmm, RAM_ADDRESS, RAM_SIZE, READ_WRITE, fd, 0), -EINVAL);
		ftruncate(fd, 0);
		close(fd);
		mock_assert_served(mock);
	}
}

static int regular_file(void) {
	const char *folder = getenv("XDG_RUNTIME_DIR");
	int fd = open(folder != NULL ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd >= 0 && ftruncate(fd, RAM_SIZE) == 0 ? fd : -1;
}

static void files_that_are_no_memfd_are_refused(void **state) {
	struct mock *mock = *state;
	int pipes[2], sockets[2];
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	int fds[] = {
		regular_file(),
		open("/dev/zero", O_RDWR | O_CLOEXEC),
		open("/dev/null", O_RDWR | O_CLOEXEC),
		open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		open("/proc/self/mem", O_RDWR | O_CLOEXEC),
		open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		open("/", O_PATH | O_CLOEXEC),
		eventfd(0, EFD_CLOEXEC),
		pipes[0],
		pipes[1],
		sockets[0],
		sockets[1],
	};
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_true(fds[i] >= 0);
		int answer = vmm_dma_map(&mock->vmm, RAM_ADDRESS, PAGE, READ_WRITE, fds[i], 0);
		if (answer != -EINVAL) {
			fail_msg("file %zu: answered with %d", i, answer);
		}
		mock_assert_served(mock);
	}
	fd_close_many(fds, ARRAY_SIZE(fds));
}

static void read_only_file_never_kills_the_device(void **state) {
	struct mock *mock = *state;
	int fd = make_ram();
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int read_only = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read_only >= 0);
	// Whether it is taken is the device's choice; a crash or a block is not.
	int answer = vmm_dma_map(&mock->vmm, RAM_ADDRESS, RAM_SIZE, READ_WRITE, read_only, 0);
	assert_true(answer == 0 || answer == -EINVAL || answer == -EACCES);
	answer = vmm_dma_map(&mock->vmm, 2 * RAM_ADDRESS, RAM_SIZE, VFU_DMA_READABLE, read_only, 0);
	assert_true(answer == 0 || answer == -EINVAL);
	mock_assert_served(mock);
	close(read_only);
	close(fd);
}

/* Row 10 */

static void number_of_maps_is_capped(void **state) {
	struct mock *mock = *state;
	int fd = make_ram();
	uint64_t count = 0;
	int answer = 0;
	uint64_t end = clock_usec() + 20 * USEC_PER_SEC;
	while (answer == 0 && count <= 70000 && clock_usec() < end) {
		answer = vmm_dma_map(
			&mock->vmm, RAM_ADDRESS + count * 2 * PAGE, PAGE, READ_WRITE, fd, 0);
		count += answer == 0;
	}
	assert_true(answer < 0 && answer != -ETIMEDOUT && answer != -ECONNRESET);
	assert_in_range(count, 64, 65535);
	mock_assert_served(mock);
	assert_int_equal(device_host_state(&mock->host)->dma_maps, count);
	// A freed place can be used again.
	assert_int_equal(vmm_dma_unmap(&mock->vmm, RAM_ADDRESS, PAGE), 0);
	assert_int_equal(vmm_dma_map(&mock->vmm, RAM_ADDRESS, PAGE, READ_WRITE, fd, 0), 0);
	close(fd);
}

static void maps_hold_no_descriptors(void **state) {
	struct mock *mock = *state;
	int fd = make_ram();
	int before = process_fds(mock->host.process.pid);
	for (uint64_t i = 0; i < 60; i++) {
		assert_int_equal(vmm_dma_map(&mock->vmm, RAM_ADDRESS + i * 2 * PAGE, PAGE,
					 READ_WRITE, fd, 0),
			0);
	}
	assert_in_range(process_fds(mock->host.process.pid), before, before + 60);
	mock_reconnect(mock);
	assert_int_equal(device_host_state(&mock->host)->dma_maps, 0);
	close(fd);
}

/* Row 11 */

static void maps_without_a_file_are_taken_and_ignored(void **state) {
	struct mock *mock = *state;
	// ROM, and the device's own BAR0.
	assert_int_equal(vmm_write32(&mock->vmm, VFU_REGION_CONFIG, 0x10, 0xe0000000), 0);
	assert_int_equal(vmm_dma_map(&mock->vmm, 0xfffc0000, 0x40000, VFU_DMA_READABLE, -1, 0), 0);
	assert_int_equal(vmm_dma_map(&mock->vmm, 0xe0000000, 16 << 20, READ_WRITE, -1, 0), 0);
	mock_assert_served(mock);
	assert_int_equal(vmm_dma_unmap(&mock->vmm, 0xe0000000, 16 << 20), 0);
	assert_int_equal(vmm_dma_unmap(&mock->vmm, 0xfffc0000, 0x40000), 0);
}

static void impossible_maps_without_a_file_are_refused(void **state) {
	struct mock *mock = *state;
	const uint64_t maps[][2] = {
		{UINT64_MAX - PAGE + 1, 2 * PAGE},
		{RAM_ADDRESS, 0},
		{RAM_ADDRESS + 1, PAGE},
	};
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		assert_int_equal(vmm_dma_map(&mock->vmm, maps[i][0], maps[i][1], READ_WRITE, -1, 0),
			-EINVAL);
	}
}

/* Row 12 */

static void unmap_of_what_is_not_mapped_is_enoent(void **state) {
	struct mock *mock = *state;
	int fd = make_ram();
	assert_int_equal(vmm_dma_unmap(&mock->vmm, RAM_ADDRESS, PAGE), -ENOENT);
	assert_int_equal(vmm_dma_map(&mock->vmm, RAM_ADDRESS, RAM_SIZE, READ_WRITE, fd, 0), 0);
	const uint64_t parts[][2] = {
		{RAM_ADDRESS, PAGE},
		{RAM_ADDRESS + PAGE, RAM_SIZE - PAGE},
		{RAM_ADDRESS, RAM_SIZE + PAGE},
		{RAM_ADDRESS - PAGE, RAM_SIZE},
		{RAM_ADDRESS + 1, RAM_SIZE},
		{0, UINT64_MAX},
	};
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		int answer = vmm_dma_unmap(&mock->vmm, parts[i][0], parts[i][1]);
		assert_true(answer == -ENOENT || answer == -EINVAL);
	}
	assert_int_equal(device_host_state(&mock->host)->dma_maps, 1);
	assert_int_equal(vmm_dma_unmap(&mock->vmm, RAM_ADDRESS, RAM_SIZE), 0);
	assert_int_equal(vmm_dma_unmap(&mock->vmm, RAM_ADDRESS, RAM_SIZE), -ENOENT);
	assert_int_equal(device_host_state(&mock->host)->dma_maps, 0);
	close(fd);
}

static void short_unmap_body_is_refused(void **state) {
	struct mock *mock = *state;
	const struct vfu_dma_unmap unmap = {
		.argsz = sizeof(unmap), .address = RAM_ADDRESS, .size = PAGE};
	for (size_t size = 0; size < sizeof(unmap); size++) {
		int answer = mock_answer(mock, VFU_DMA_UNMAP, &unmap, size, NULL, 0);
		mock_assert_refused(mock, answer, "a short DMA_UNMAP");
	}
}

static void unmap_with_an_absurd_bitmap_is_refused(void **state) {
	struct mock *mock = *state;
	int fd = make_ram();
	struct {
		struct vfu_dma_unmap unmap;
		uint64_t page_size, bitmap_size;
	} body = {
		.unmap = {.argsz = UINT32_MAX,
			.flags = 1,
			.address = RAM_ADDRESS,
			.size = RAM_SIZE},
		.page_size = PAGE,
	};
	const uint64_t sizes[] = {0, 1, UINT32_MAX, UINT64_MAX};
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		body.bitmap_size = sizes[i];
		assert_int_equal(
			vmm_dma_map(&mock->vmm, RAM_ADDRESS, RAM_SIZE, READ_WRITE, fd, 0), 0);
		int answer = mock_answer(mock, VFU_DMA_UNMAP, &body, sizeof(body), NULL, 0);
		mock_assert_refused(mock, answer, "an unmap with a dirty bitmap");
	}
	close(fd);
}

static void firmware_that_remaps_everything_is_served(void **state) {
	struct mock *mock = *state;
	int fd = make_ram();
	for (int i = 0; i < 200; i++) {
		uint64_t address = i % 2 == 0 ? 0 : RAM_ADDRESS;
		assert_int_equal(vmm_dma_map(&mock->vmm, address, RAM_SIZE, READ_WRITE, fd, 0), 0);
		assert_int_equal(vmm_dma_unmap(&mock->vmm, address, RAM_SIZE), 0);
	}
	close(fd);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		mock_test(maps_that_cannot_be_are_refused),
		mock_test(overlapping_maps_are_refused),
		mock_test(short_map_body_is_refused),
		mock_test(file_that_can_shrink_is_refused),
		mock_test(files_that_are_no_memfd_are_refused),
		mock_test(read_only_file_never_kills_the_device),
		mock_test(number_of_maps_is_capped),
		mock_test(maps_hold_no_descriptors),
		mock_test(maps_without_a_file_are_taken_and_ignored),
		mock_test(impossible_maps_without_a_file_are_refused),
		mock_test(unmap_of_what_is_not_mapped_is_enoent),
		mock_test(short_unmap_body_is_refused),
		mock_test(unmap_with_an_absurd_bitmap_is_refused),
		mock_test(firmware_that_remaps_everything_is_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
