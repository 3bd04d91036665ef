#include "dma.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "memfd.h"

#define PAGE 4096
#define RAM (16 * PAGE)

static struct dma dma;
static int ram;

static int set_up(void **state) {
	ram = memfd_create_sealed("ram", RAM);
	return ram < 0;
}

static int tear_down(void **state) {
	dma_finish(&dma);
	close(ram);
	return 0;
}

static int add_at(uint64_t address, uint64_t size, uint64_t offset, uint32_t flags, int fd) {
	const struct vfio_user_dma_map map = {32, flags, offset, address, size};
	return dma_add(&dma, &map, fd);
}

static int add(uint64_t address, uint64_t size) {
	return add_at(address, size, 0, DMA_READ | DMA_WRITE, ram);
}

static void resolves_to_the_files_bytes(void **state) {
	assert_int_equal(pwrite(ram, "guest", 5, 3 * PAGE + 7), 5);
	assert_int_equal(add_at(0x100000000, 2 * PAGE, 2 * PAGE, 3, ram), 0);
	const char *bytes = dma_resolve(&dma, 0x100000000 + PAGE + 7, 5, DMA_READ);
	assert_non_null(bytes);
	assert_memory_equal(bytes, "guest", 5);
}

static void nothing_outside_one_map_resolves(void **state) {
	assert_int_equal(add(PAGE, PAGE), 0);
	assert_int_equal(add(2 * PAGE, PAGE), 0);
	assert_int_equal(add(8 * PAGE, PAGE), 0);
	const struct {
		uint64_t address, length;
		bool there;
	} cases[] = {
		{PAGE, PAGE, true},
		{PAGE, 0, true},
		{2 * PAGE - 1, 1, true},
		{2 * PAGE - 1, 2, false}, // across two maps
		{PAGE, PAGE + 1, false},
		{PAGE - 1, 1, false},
		{0, 1, false},
		{3 * PAGE, 1, false}, // a gap
		{3 * PAGE - 1, 2, false},
		{9 * PAGE, 1, false},
		{8 * PAGE, UINT64_MAX, false},
		{8 * PAGE + 1, UINT64_MAX, false},
		{UINT64_MAX, 1, false},
		{UINT64_MAX, UINT64_MAX, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool there = dma_resolve(&dma, cases[i].address, cases[i].length, DMA_READ) != NULL;
		assert_int_equal(there, cases[i].there);
	}
}

static void a_read_only_map_cannot_be_written(void **state) {
	assert_int_equal(add_at(0, PAGE, 0, DMA_READ, ram), 0);
	assert_non_null(dma_resolve(&dma, 0, 1, DMA_READ));
	assert_null(dma_resolve(&dma, 0, 1, DMA_WRITE));
	assert_null(dma_resolve(&dma, 0, 1, DMA_READ | DMA_WRITE));
}

static void a_map_without_a_file_resolves_to_nothing(void **state) {
	assert_int_equal(add_at(PAGE, PAGE, 0, DMA_READ, -1), 0);
	assert_null(dma_resolve(&dma, PAGE, 1, DMA_READ));
	assert_int_equal(add(PAGE, PAGE), -EEXIST);
	assert_int_equal(dma_remove(&dma, PAGE, PAGE), 0);
}

static void overlapping_maps_are_refused(void **state) {
	assert_int_equal(add(4 * PAGE, 4 * PAGE), 0);
	assert_int_equal(add(4 * PAGE, 4 * PAGE), -EEXIST);
	assert_int_equal(add(3 * PAGE, 2 * PAGE), -EEXIST);
	assert_int_equal(add(7 * PAGE, PAGE), -EEXIST);
	assert_int_equal(add(0, 16 * PAGE), -EEXIST);
	assert_int_equal(add(5 * PAGE, PAGE), -EEXIST);
	assert_int_equal(add(3 * PAGE, PAGE), 0);
	assert_int_equal(add(8 * PAGE, PAGE), 0);
	assert_int_equal(dma.maps_len, 3);
}

static void the_last_page_can_be_mapped(void **state) {
	uint64_t address = UINT64_MAX - PAGE + 1;
	assert_int_equal(add(address, PAGE), 0);
	assert_int_equal(add(address, PAGE), -EEXIST);
	assert_non_null(dma_resolve(&dma, UINT64_MAX, 1, DMA_WRITE));
	assert_null(dma_resolve(&dma, UINT64_MAX, 2, DMA_WRITE));
	assert_int_equal(dma_remove(&dma, address, PAGE), 0);
}

static void a_file_smaller_than_its_map_is_refused(void **state) {
	assert_int_equal(add(0, RAM), 0);
	assert_int_equal(add(RAM, RAM + PAGE), -EINVAL);
	assert_int_equal(add_at(RAM, RAM, PAGE, 3, ram), -EINVAL);
	assert_int_equal(add_at(RAM, PAGE, RAM, 3, ram), -EINVAL);
	assert_int_equal(dma.maps_len, 1);
}

static void files_that_can_shrink_are_refused(void **state) {
	int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(unsealed, PAGE), 0);
	assert_int_equal(add_at(0, PAGE, 0, 3, unsealed), -EINVAL);
	assert_int_equal(fcntl(unsealed, F_ADD_SEALS, F_SEAL_GROW), 0);
	assert_int_equal(add_at(0, PAGE, 0, 3, unsealed), -EINVAL);
	assert_int_equal(fcntl(unsealed, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(add_at(0, PAGE, 0, 3, unsealed), 0);
	close(unsealed);
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	assert_int_equal(add_at(PAGE, PAGE, 0, 3, zero), -EINVAL);
	close(zero);
	FILE *file = tmpfile();
	assert_int_equal(ftruncate(fileno(file), PAGE), 0);
	assert_int_equal(add_at(PAGE, PAGE, 0, 3, fileno(file)), -EINVAL);
	fclose(file);
}

static void only_exact_maps_are_removed(void **state) {
	assert_int_equal(dma_remove(&dma, 0, PAGE), -ENOENT);
	assert_int_equal(add(2 * PAGE, 2 * PAGE), 0);
	assert_int_equal(dma_remove(&dma, 2 * PAGE, PAGE), -ENOENT);
	assert_int_equal(dma_remove(&dma, 3 * PAGE, PAGE), -ENOENT);
	assert_int_equal(dma_remove(&dma, PAGE, 3 * PAGE), -ENOENT);
	assert_non_null(dma_resolve(&dma, 2 * PAGE, 1, DMA_READ));
	assert_int_equal(dma_remove(&dma, 2 * PAGE, 2 * PAGE), 0);
	assert_null(dma_resolve(&dma, 2 * PAGE, 1, DMA_READ));
	assert_int_equal(dma_remove(&dma, 2 * PAGE, 2 * PAGE), -ENOENT);
}

static void maps_stay_in_order_whatever_order_they_come_in(void **state) {
	const uint64_t pages[] = {5, 1, 9, 3, 7, 0, 8};
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		assert_int_equal(add_at(pages[i] * PAGE, PAGE, pages[i] * PAGE, 3, ram), 0);
	}
	for (size_t i = 1; i < dma.maps_len; i++) {
		assert_true(dma.maps[i - 1].address < dma.maps[i].address);
	}
	assert_int_equal(dma_remove(&dma, 5 * PAGE, PAGE), 0);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		assert_int_equal(
			dma_resolve(&dma, pages[i] * PAGE, PAGE, DMA_READ) != NULL, pages[i] != 5);
	}
}

static void the_number_of_maps_is_capped(void **state) {
	for (uint64_t i = 0; i < DMA_MAPS_MAX; i++) {
		assert_int_equal(add_at(i * PAGE, PAGE, 0, 3, -1), 0);
	}
	assert_int_equal(add_at((uint64_t)DMA_MAPS_MAX * PAGE, PAGE, 0, 3, -1), -ENOSPC);
	assert_int_equal(dma_remove(&dma, 17 * PAGE, PAGE), 0);
	assert_int_equal(add_at((uint64_t)DMA_MAPS_MAX * PAGE, PAGE, 0, 3, -1), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(resolves_to_the_files_bytes),
		TEST(nothing_outside_one_map_resolves),
		TEST(a_read_only_map_cannot_be_written),
		TEST(a_map_without_a_file_resolves_to_nothing),
		TEST(overlapping_maps_are_refused),
		TEST(the_last_page_can_be_mapped),
		TEST(a_file_smaller_than_its_map_is_refused),
		TEST(files_that_can_shrink_are_refused),
		TEST(only_exact_maps_are_removed),
		TEST(maps_stay_in_order_whatever_order_they_come_in),
		TEST(the_number_of_maps_is_capped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
