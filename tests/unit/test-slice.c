#include "slice.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "memfd.h"

#define LIMIT (16 * 4096)

static void one_function_bounds_every_offset(void **state) {
	struct slice slice;
	assert_int_equal(
		slice_init(&slice, memfd_create_sealed("slice", LIMIT), 0x10000, LIMIT, LIMIT / 2),
		0);
	const struct {
		uint64_t offset, length;
		bool inside;
	} cases[] = {
		{0, 0, true},
		{0, 1, true},
		{0, LIMIT, true},
		{0, LIMIT + 1, false},
		{0, UINT64_MAX, false},
		{1, LIMIT, false},
		{1, LIMIT - 1, true},
		{1, UINT64_MAX, false},
		{LIMIT - 1, 1, true},
		{LIMIT - 1, 2, false},
		{LIMIT, 0, true},
		{LIMIT, 1, false},
		{LIMIT + 1, 0, false},
		{UINT64_MAX, 0, false},
		{UINT64_MAX, 1, false},
		{UINT64_MAX, UINT64_MAX, false},
		{UINT64_MAX - LIMIT + 1, LIMIT, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *at = slice_range(&slice, cases[i].offset, cases[i].length);
		assert_ptr_equal(at, cases[i].inside ? slice.map + cases[i].offset : NULL);
	}
	slice_finish(&slice);
	assert_null(slice_range(&slice, 0, 0));
	slice_finish(&slice);
}

static void impossible_slices_are_refused(void **state) {
	const struct {
		uint64_t base, limit, aperture;
		int result;
	} cases[] = {
		{0, LIMIT, LIMIT, 0},
		{UINT64_MAX - LIMIT, LIMIT, LIMIT, 0},
		{UINT64_MAX - LIMIT + 1, LIMIT, LIMIT, -EINVAL},
		{0, LIMIT, LIMIT + 1, -EINVAL},
		{0, 0, 0, -EINVAL},
		{0, LIMIT + 1, LIMIT, -ERANGE},
		{0, UINT64_MAX, LIMIT, -ERANGE},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice slice;
		int fd = memfd_create_sealed("slice", LIMIT);
		int result =
			slice_init(&slice, fd, cases[i].base, cases[i].limit, cases[i].aperture);
		assert_int_equal(result, cases[i].result);
		if (result < 0) {
			// The descriptor was the slice's from the start.
			assert_int_equal(fcntl(fd, F_GETFD), -1);
			assert_int_equal(slice.fd, -1);
			assert_null(slice.map);
		}
		slice_finish(&slice);
	}
}

static void memory_that_could_shrink_is_refused(void **state) {
	struct slice slice;
	int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, LIMIT), 0);
	assert_int_equal(slice_init(&slice, fd, 0, LIMIT, LIMIT), -EINVAL);
	assert_int_equal(slice_init(&slice, -1, 0, LIMIT, LIMIT), -EINVAL);
	slice_finish(&slice);
}

/* CVE-2021-3545 and its kind: what one guest drew must not be the next one's first picture. */
static void a_new_slice_holds_nothing_of_an_older_one(void **state) {
	for (int round = 0; round < 4; round++) {
		struct slice slice;
		int fd = memfd_create_sealed("slice", LIMIT);
		assert_int_equal(slice_init(&slice, fd, 0, LIMIT, LIMIT), 0);
		for (size_t i = 0; i < LIMIT; i++) {
			assert_int_equal(slice.map[i], 0);
		}
		memset(slice.map, 0xa5, LIMIT);
		slice_finish(&slice);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_function_bounds_every_offset),
		cmocka_unit_test(impossible_slices_are_refused),
		cmocka_unit_test(memory_that_could_shrink_is_refused),
		cmocka_unit_test(a_new_slice_holds_nothing_of_an_older_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
