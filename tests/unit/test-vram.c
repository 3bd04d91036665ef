#include "vram.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

static uint64_t place(struct vram *vram, const char *name, uint64_t limit) {
	uint64_t base = UINT64_MAX;
	assert_int_equal(vram_place(vram, name, limit, limit, &base), 0);
	return base;
}

static void slices_are_placed_from_the_bottom(void **state) {
	struct vram vram;
	vram_init(&vram, 256 * MIB);
	assert_int_equal(place(&vram, "a", 64 * MIB), 0);
	assert_int_equal(place(&vram, "b", 32 * MIB), 64 * MIB);
	assert_int_equal(vram_free_bytes(&vram), 160 * MIB);
	const struct vram_slice *b = vram_find(&vram, "b");
	assert_int_equal(b->base, 64 * MIB);
	assert_int_equal(b->limit, 32 * MIB);
	assert_null(vram_find(&vram, "c"));
	vram_finish(&vram);
}

static void a_freed_gap_is_used_first(void **state) {
	struct vram vram;
	vram_init(&vram, 256 * MIB);
	place(&vram, "a", 64 * MIB);
	place(&vram, "b", 64 * MIB);
	place(&vram, "c", 64 * MIB);
	vram_release(&vram, "b");
	assert_int_equal(place(&vram, "large", 64 * MIB), 64 * MIB);
	vram_release(&vram, "a");
	assert_int_equal(place(&vram, "d", 32 * MIB), 0);
	assert_int_equal(place(&vram, "e", 32 * MIB), 32 * MIB);
	for (size_t i = 1; i < vram.len; i++) {
		assert_true(
			vram.slices[i - 1].base + vram.slices[i - 1].limit <= vram.slices[i].base);
	}
	vram_finish(&vram);
}

static void bases_are_aligned_for_odd_sizes(void **state) {
	struct vram vram;
	vram_init(&vram, MIB);
	assert_int_equal(place(&vram, "a", 4096), 0);
	assert_int_equal(place(&vram, "b", 4096), VRAM_ALIGN);
	vram_finish(&vram);
}

static void what_does_not_fit_is_refused_and_changes_nothing(void **state) {
	struct vram vram;
	uint64_t base = 7;
	const uint64_t limits[] = {193 * MIB, 256 * MIB, UINT64_MAX, UINT64_MAX - VRAM_ALIGN};
	vram_init(&vram, 256 * MIB);
	place(&vram, "a", 64 * MIB);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		assert_int_equal(vram_place(&vram, "b", limits[i], 0, &base), -ENOSPC);
	}
	assert_int_equal(base, 7);
	assert_int_equal(vram.len, 1);
	assert_int_equal(place(&vram, "b", 192 * MIB), 64 * MIB);
	assert_int_equal(vram_free_bytes(&vram), 0);
	assert_int_equal(vram_place(&vram, "c", 4096, 4096, &base), -ENOSPC);
	vram_finish(&vram);
}

static void fragments_do_not_add_up(void **state) {
	struct vram vram;
	uint64_t base;
	vram_init(&vram, 96 * MIB);
	place(&vram, "a", 32 * MIB);
	place(&vram, "b", 32 * MIB);
	place(&vram, "c", 32 * MIB);
	vram_release(&vram, "a");
	vram_release(&vram, "c");
	assert_int_equal(vram_free_bytes(&vram), 64 * MIB);
	assert_int_equal(vram_place(&vram, "d", 64 * MIB, 0, &base), -ENOSPC);
	vram_finish(&vram);
}

static void impossible_slices_are_refused(void **state) {
	struct vram vram;
	uint64_t base;
	vram_init(&vram, 256 * MIB);
	assert_int_equal(vram_place(&vram, "a", 0, 0, &base), -EINVAL);
	assert_int_equal(vram_place(&vram, "a", MIB, MIB + 1, &base), -EINVAL);
	place(&vram, "a", MIB);
	assert_int_equal(vram_place(&vram, "a", MIB, MIB, &base), -EEXIST);
	vram_release(&vram, "nobody");
	assert_int_equal(vram.len, 1);
	vram_finish(&vram);
	vram_finish(&vram);
}

static void the_map_reads_well_in_one_line(void **state) {
	struct vram vram;
	vram_init(&vram, 256 * MIB);
	char *line = vram_describe(&vram);
	assert_string_equal(line, "256 MiB: free 0 to 256 MiB");
	free(line);
	place(&vram, "work", 64 * MIB);
	place(&vram, "play", 65536);
	vram_release(&vram, "work");
	line = vram_describe(&vram);
	assert_string_equal(line,
		"256 MiB: free 0 to 64 MiB, 'play' 65536 to 65600 KiB, free 65600 to 262144 KiB");
	free(line);
	vram_finish(&vram);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_are_placed_from_the_bottom),
		cmocka_unit_test(a_freed_gap_is_used_first),
		cmocka_unit_test(bases_are_aligned_for_odd_sizes),
		cmocka_unit_test(what_does_not_fit_is_refused_and_changes_nothing),
		cmocka_unit_test(fragments_do_not_add_up),
		cmocka_unit_test(impossible_slices_are_refused),
		cmocka_unit_test(the_map_reads_well_in_one_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
