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

#include "fd.h"
#include "memfd.h"

#define PAGE 4096
#define RAM (16 * PAGE)

static struct dma dma;
static struct device_state_dma table;
static struct keep keep;
static int ram;

static int set_up(void **state) {
	ram = memfd_create_sealed("ram", RAM);
	table.count = 0;
	keep_init(&keep, LINK_FUNCTION_GPU, -1);
	return ram < 0 || dma_init(&dma, &table, &keep) < 0;
}

static int tear_down(void **state) {
	dma_finish(&dma);
	keep_finish(&keep);
	close(ram);
	return 0;
}

static int add_at(uint64_t address, uint64_t size, uint64_t offset, uint32_t flags, int fd) {
	const struct vfio_user_dma_map map = {32, flags, offset, address, size};
	if (fd < 0) {
		return dma_add(&dma, &map, NULL);
	}
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int result = dma_add(&dma, &map, &copy);
	fd_close(copy);
	return result;
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

static void as_much_resolves_as_there_is_in_one_map(void **state) {
	assert_int_equal(add(PAGE, PAGE), 0);
	assert_int_equal(add_at(2 * PAGE, PAGE, 0, DMA_READ, ram), 0);
	const struct {
		uint64_t address, length, some;
	} cases[] = {
		{PAGE, 1, 1},
		{PAGE, PAGE, PAGE},
		{PAGE, UINT64_MAX, PAGE},
		{2 * PAGE - 1, 2, 1},
		{2 * PAGE, UINT64_MAX, PAGE},
		{3 * PAGE, 1, 0},
		{PAGE - 1, 2, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t some = cases[i].length;
		bool there = dma_resolve_some(&dma, cases[i].address, &some, DMA_READ) != NULL;
		assert_int_equal(there, cases[i].some != 0);
		assert_int_equal(some, there ? cases[i].some : cases[i].length);
	}
	uint64_t some = 1;
	assert_null(dma_resolve_some(&dma, 2 * PAGE, &some, DMA_WRITE));
}

/* What is missing may come back at once: a VMM remaps, or a process has died while it did. */
static void locates_bytes_in_the_file_that_is_kept(void **state) {
	uint64_t length = UINT64_MAX, offset = 0;
	assert_int_equal(add_at(0x100000000, 2 * PAGE, 3 * PAGE, DMA_READ, ram), 0);
	int fd = dma_locate(&dma, 0x100000000 + PAGE, &length, DMA_READ, &offset);
	assert_int_equal(fd, keep_get(&keep, (struct link_key){.kind = LINK_KIND_MEMORY}));
	assert_true(fd >= 0);
	assert_int_equal(offset, 4 * PAGE);
	assert_int_equal(length, PAGE);
	assert_int_equal(dma_locate(&dma, 0x100000000, &length, DMA_WRITE, &offset), -1);
	assert_int_equal(dma_locate(&dma, 0x100000000 - 1, &length, DMA_READ, &offset), -1);
	assert_int_equal(add_at(0x200000000, PAGE, 0, DMA_READ, -1), 0);
	assert_int_equal(dma_locate(&dma, 0x200000000, &length, DMA_READ, &offset), -1);
}

static void memory_is_settled_once_nothing_was_taken_away_for_long(void **state) {
	assert_true(dma_settled(&dma));
	assert_int_equal(add(0, PAGE), 0);
	assert_true(dma_settled(&dma));
	assert_int_equal(dma_remove(&dma, 0, PAGE), 0);
	assert_false(dma_settled(&dma));
	dma.removed -= DMA_SETTLE_USEC;
	assert_true(dma_settled(&dma));
	assert_int_equal(add(0, PAGE), 0);
	dma_finish(&dma);
	assert_int_equal(dma_init(&dma, &table, &keep), 0);
	assert_false(dma_settled(&dma));
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
	assert_int_equal(table.count, 3);
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
	assert_int_equal(table.count, 1);
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
	for (size_t i = 1; i < table.count; i++) {
		assert_true(table.maps[i - 1].address < table.maps[i].address);
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

static int kept_files(void) {
	int n = 0;
	for (uint32_t i = 0; i < DMA_FILES_MAX; i++) {
		n += keep_get(&keep, (struct link_key){LINK_KIND_MEMORY, 0, i, 0}) >= 0;
	}
	return n;
}

static void a_file_is_kept_once_and_as_long_as_it_is_mapped(void **state) {
	int other = memfd_create_sealed("other", RAM);
	assert_int_equal(add(0, PAGE), 0);
	assert_int_equal(add_at(PAGE, PAGE, PAGE, 3, ram), 0);
	assert_int_equal(kept_files(), 1);
	assert_int_equal(add_at(2 * PAGE, PAGE, 0, 3, other), 0);
	assert_int_equal(kept_files(), 2);
	assert_int_equal(dma_remove(&dma, 0, PAGE), 0);
	assert_int_equal(kept_files(), 2);
	assert_int_equal(dma_remove(&dma, PAGE, PAGE), 0);
	assert_int_equal(kept_files(), 1);
	dma_clear(&dma);
	assert_int_equal(kept_files(), 0);
	assert_int_equal(table.count, 0);
	close(other);
}

static void the_number_of_files_is_capped(void **state) {
	for (uint64_t i = 0; i <= DMA_FILES_MAX; i++) {
		int fd = memfd_create_sealed("one of many", PAGE);
		assert_int_equal(add_at(i * PAGE, PAGE, 0, 3, fd), i < DMA_FILES_MAX ? 0 : -ENOSPC);
		close(fd);
	}
	assert_int_equal(add(0x1000000, PAGE), -ENOSPC);
	assert_int_equal(dma_remove(&dma, 5 * PAGE, PAGE), 0);
	assert_int_equal(add(0x1000000, PAGE), 0);
}

/* What a process finds that replaces one which died. */
static void a_later_process_maps_the_same_memory(void **state) {
	assert_int_equal(pwrite(ram, "guest", 5, 3 * PAGE), 5);
	assert_int_equal(add_at(8 * PAGE, PAGE, 3 * PAGE, 3, ram), 0);
	assert_int_equal(add_at(PAGE, PAGE, 0, 1, -1), 0);
	dma_finish(&dma);
	// Of a message that was never committed.
	keep_put(&keep, (struct link_key){LINK_KIND_MEMORY, 0, 9, 0}, dup(ram));
	assert_int_equal(dma_init(&dma, &table, &keep), 0);
	assert_int_equal(kept_files(), 1);
	const char *bytes = dma_resolve(&dma, 8 * PAGE, 5, DMA_READ);
	assert_non_null(bytes);
	assert_memory_equal(bytes, "guest", 5);
	assert_null(dma_resolve(&dma, PAGE, 1, DMA_READ));
	assert_int_equal(dma_remove(&dma, 8 * PAGE, PAGE), 0);
	assert_int_equal(kept_files(), 0);
}

static void a_map_whose_file_is_lost_resolves_to_nothing(void **state) {
	assert_int_equal(add(0, PAGE), 0);
	dma_finish(&dma);
	keep_clear(&keep, (struct link_key){LINK_KIND_MEMORY, 0, 0, 0});
	assert_int_equal(dma_init(&dma, &table, &keep), 0);
	assert_null(dma_resolve(&dma, 0, 1, DMA_READ));
	assert_int_equal(dma_remove(&dma, 0, PAGE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(resolves_to_the_files_bytes),
		TEST(nothing_outside_one_map_resolves),
		TEST(as_much_resolves_as_there_is_in_one_map),
		TEST(locates_bytes_in_the_file_that_is_kept),
		TEST(memory_is_settled_once_nothing_was_taken_away_for_long),
		TEST(a_read_only_map_cannot_be_written),
		TEST(a_map_without_a_file_resolves_to_nothing),
		TEST(overlapping_maps_are_refused),
		TEST(the_last_page_can_be_mapped),
		TEST(a_file_smaller_than_its_map_is_refused),
		TEST(files_that_can_shrink_are_refused),
		TEST(only_exact_maps_are_removed),
		TEST(maps_stay_in_order_whatever_order_they_come_in),
		TEST(the_number_of_maps_is_capped),
		TEST(a_file_is_kept_once_and_as_long_as_it_is_mapped),
		TEST(the_number_of_files_is_capped),
		TEST(a_later_process_maps_the_same_memory),
		TEST(a_map_whose_file_is_lost_resolves_to_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
