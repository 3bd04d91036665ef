#include "heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAGE 4096

static void pieces_are_aligned_and_lie_inside(void **state) {
	struct heap heap;
	assert_int_equal(heap_init(&heap, 3, 10 * PAGE + 1, PAGE, 32), 0);
	uint64_t offset, count = 0;
	while (heap_take(&heap, 1, &offset)) {
		assert_int_equal(offset % PAGE, 0);
		assert_true(offset >= PAGE && offset + PAGE <= 10 * PAGE);
		count++;
	}
	assert_int_equal(count, 9);
	assert_int_equal(heap.used, 9 * PAGE);
	heap_finish(&heap);
	heap_finish(&heap);
}

static void lengths_that_wrap_are_refused(void **state) {
	const uint64_t lengths[] = {0, 9 * PAGE, UINT64_MAX, UINT64_MAX - PAGE, UINT64_MAX / 2};
	struct heap heap;
	assert_int_equal(heap_init(&heap, 0, 8 * PAGE, PAGE, 32), 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint64_t offset = 77;
		assert_false(heap_take(&heap, lengths[i], &offset));
		assert_int_equal(offset, 77);
		assert_false(heap_claim(&heap, 0, lengths[i]));
		assert_false(heap_claim(&heap, PAGE, lengths[i]));
	}
	assert_int_equal(heap.used, 0);
	heap_finish(&heap);
}

static void an_empty_or_impossible_space_has_nothing(void **state) {
	const uint64_t spaces[][2] = {{PAGE, PAGE}, {PAGE, 0}, {1, PAGE}, {UINT64_MAX, UINT64_MAX}};
	for (size_t i = 0; i < 4; i++) {
		struct heap heap;
		uint64_t offset;
		assert_int_equal(heap_init(&heap, spaces[i][0], spaces[i][1], PAGE, 4), 0);
		assert_false(heap_take(&heap, 1, &offset));
		assert_false(heap_claim(&heap, 0, 1));
		heap_finish(&heap);
	}
}

static void freed_neighbours_are_one_piece_again(void **state) {
	struct heap heap;
	uint64_t at[4], all;
	assert_int_equal(heap_init(&heap, 0, 4 * PAGE, PAGE, 8), 0);
	for (int i = 0; i < 4; i++) {
		assert_true(heap_take(&heap, PAGE, &at[i]));
	}
	heap_free(&heap, at[1]);
	heap_free(&heap, at[2]);
	heap_free(&heap, at[2]); // twice, and what never was: nothing
	heap_free(&heap, 1);
	assert_false(heap_take(&heap, 3 * PAGE, &all));
	assert_true(heap_take(&heap, 2 * PAGE, &all));
	assert_int_equal(all, PAGE);
	heap_finish(&heap);
}

static void no_more_ranges_than_agreed_are_taken(void **state) {
	struct heap heap;
	uint64_t offset;
	assert_int_equal(heap_init(&heap, 0, 100, 1, 3), 0);
	for (int i = 0; i < 3; i++) {
		assert_true(heap_take(&heap, 1, &offset));
	}
	assert_false(heap_take(&heap, 1, &offset));
	assert_false(heap_claim(&heap, 50, 1));
	heap_clear(&heap);
	assert_true(heap_take(&heap, 100, &offset));
	heap_finish(&heap);
}

static void what_is_claimed_must_be_free(void **state) {
	struct heap heap;
	assert_int_equal(heap_init(&heap, PAGE, 9 * PAGE, PAGE, 8), 0);
	assert_true(heap_claim(&heap, 3 * PAGE, 2 * PAGE));
	const struct {
		uint64_t page, pages;
		bool free;
	} cases[] = {
		{2, 2, false},
		{3, 1, false},
		{4, 1, false},
		{4, 2, false},
		{1, 8, false},
		{0, 1, false},
		{8, 2, false},
		{1, 2, true},
		{5, 4, true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(heap_claim(&heap, cases[i].page * PAGE, cases[i].pages * PAGE),
			cases[i].free);
	}
	heap_free(&heap, PAGE);
	assert_false(heap_claim(&heap, PAGE + 1, 1));
	heap_finish(&heap);
	assert_int_equal(heap_init(&heap, 0, 20, 1, 8), 0);
	assert_true(heap_claim(&heap, 5, 5));
	assert_false(heap_claim(&heap, 9, 1));
	assert_false(heap_claim(&heap, 4, 2));
	assert_true(heap_claim(&heap, 4, 1));
	assert_true(heap_claim(&heap, 10, 10));
	heap_finish(&heap);
}

#define CELLS 64

/* Against a space of cells, each free or of one owner. */
static void random_use_matches_a_plain_model(void **state) {
	struct heap heap;
	uint8_t owner[CELLS] = {0}, lengths[256] = {0};
	uint64_t at[256];
	assert_int_equal(heap_init(&heap, 0, CELLS, 1, 16), 0);
	unsigned live = 0;
	srand(7);
	for (int step = 0; step < 200000; step++) {
		unsigned id = 1 + (unsigned)rand() % 255;
		if (lengths[id] > 0) {
			heap_free(&heap, at[id]);
			for (unsigned i = 0; i < lengths[id]; i++) {
				owner[at[id] + i] = 0;
			}
			lengths[id] = 0;
			live--;
			continue;
		}
		unsigned length = 1 + (unsigned)rand() % 12, run = 0, first = CELLS;
		for (unsigned i = 0; i < CELLS && first == CELLS; i++) {
			run = owner[i] == 0 ? run + 1 : 0;
			first = run == length ? i + 1 - length : CELLS;
		}
		bool fits = first < CELLS && live < 16;
		assert_int_equal(heap_take(&heap, length, &at[id]), fits);
		if (fits) {
			assert_int_equal(at[id], first);
			lengths[id] = (uint8_t)length;
			live++;
			for (unsigned i = 0; i < length; i++) {
				owner[first + i] = (uint8_t)id;
			}
		}
		unsigned used = 0;
		for (unsigned i = 0; i < CELLS; i++) {
			used += owner[i] != 0;
		}
		assert_int_equal(heap.used, used);
	}
	heap_finish(&heap);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_lie_inside),
		cmocka_unit_test(lengths_that_wrap_are_refused),
		cmocka_unit_test(an_empty_or_impossible_space_has_nothing),
		cmocka_unit_test(freed_neighbours_are_one_piece_again),
		cmocka_unit_test(no_more_ranges_than_agreed_are_taken),
		cmocka_unit_test(what_is_claimed_must_be_free),
		cmocka_unit_test(random_use_matches_a_plain_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
