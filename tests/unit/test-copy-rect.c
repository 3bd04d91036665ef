#include "copy-rect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SOURCE_STRIDE 4500
#define TARGET_STRIDE 5124
#define ROWS 300

struct pictures {
	uint8_t *source, *target, *expected;
};

static int setup(void **state) {
	struct pictures *pictures = calloc(1, sizeof(*pictures));
	*state = pictures;
	pictures->source = malloc(SOURCE_STRIDE * ROWS);
	pictures->target = malloc(TARGET_STRIDE * ROWS);
	pictures->expected = malloc(TARGET_STRIDE * ROWS);
	for (uint32_t i = 0; i < SOURCE_STRIDE * ROWS; i++) {
		pictures->source[i] = (uint8_t)(i * 2654435761u >> 24);
	}
	return 0;
}

static int teardown(void **state) {
	struct pictures *pictures = *state;
	free(pictures->source);
	free(pictures->target);
	free(pictures->expected);
	free(pictures);
	return 0;
}

/* Copies from and to these places, in bytes from the rows' beginnings; nothing else may change. */
static void check(struct pictures *pictures, size_t from, size_t to, size_t row, size_t rows) {
	memset(pictures->target, 0x5a, TARGET_STRIDE * ROWS);
	memset(pictures->expected, 0x5a, TARGET_STRIDE * ROWS);
	for (size_t y = 0; y < rows; y++) {
		memcpy(pictures->expected + to + y * TARGET_STRIDE,
			pictures->source + from + y * SOURCE_STRIDE, row);
	}
	copy_rect(pictures->target + to, TARGET_STRIDE, pictures->source + from, SOURCE_STRIDE, row,
		rows);
	assert_memory_equal(pictures->target, pictures->expected, TARGET_STRIDE * ROWS);
}

static void large_rectangle_may_begin_anywhere(void **state) {
	for (size_t at = 0; at < 64; at += 4) {
		check(*state, 64 - at, at, 4096, ROWS);
		check(*state, at, at, 4096, ROWS);
	}
}

static void large_rectangle_may_have_any_width(void **state) {
	for (size_t row = 3600; row < 3600 + 64; row += 4) {
		check(*state, 8, 20, row, ROWS);
	}
}

static void last_row_is_copied_to_its_last_byte(void **state) {
	check(*state, 0, TARGET_STRIDE - SOURCE_STRIDE, SOURCE_STRIDE, ROWS);
}

static void small_rectangle_is_copied(void **state) {
	check(*state, 12, 36, 400, 20);
	check(*state, 12, 36, 4, 1);
}

static void row_that_is_narrower_than_a_line_is_copied(void **state) {
	check(*state, 4, 8, 4, ROWS);
	check(*state, 4, 8, 60, ROWS);
}

static void nothing_is_copied_of_an_empty_rectangle(void **state) {
	check(*state, 0, 0, 0, ROWS);
	check(*state, 0, 0, 4096, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_rectangle_may_begin_anywhere),
		cmocka_unit_test(large_rectangle_may_have_any_width),
		cmocka_unit_test(last_row_is_copied_to_its_last_byte),
		cmocka_unit_test(small_rectangle_is_copied),
		cmocka_unit_test(row_that_is_narrower_than_a_line_is_copied),
		cmocka_unit_test(nothing_is_copied_of_an_empty_rectangle),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
