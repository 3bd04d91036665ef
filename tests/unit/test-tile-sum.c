#include "tile-sum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE ((size_t)TILE_SUM_ROWS * TILE_SUM_ROW_SIZE)

static struct tile_sum sum_tile(const struct tile_key *key, const uint8_t *tile) {
	struct tile_adder adder = {0};
	for (unsigned line = 0; line < TILE_SUM_ROWS; line++) {
		const uint8_t *row = tile + (size_t)line * TILE_SUM_ROW_SIZE;
		tile_adders_add(&adder, key, line, row, TILE_SUM_ROW_SIZE, TILE_SUM_ROW_SIZE, row);
	}
	return tile_adder_sum(&adder);
}

static void randomize(uint8_t *bytes, size_t size) {
	for (size_t i = 0; i < size; i++) {
		bytes[i] = (uint8_t)(rand() >> 8);
	}
}

static void equal_tiles_have_equal_sums(void **state) {
	struct tile_key key;
	static uint8_t tile[SIZE], other[SIZE];
	tile_key_init(&key);
	randomize(tile, SIZE);
	memcpy(other, tile, SIZE);
	struct tile_sum a = sum_tile(&key, tile), b = sum_tile(&key, other);
	assert_true(tile_sums_equal(&a, &b));
}

static void every_bit_counts_in_both_values(void **state) {
	struct tile_key key;
	static uint8_t tile[SIZE];
	tile_key_init(&key);
	struct tile_sum before = sum_tile(&key, tile);
	for (size_t bit = 0; bit < 8 * SIZE; bit++) {
		tile[bit / 8] ^= (uint8_t)(1 << bit % 8);
		struct tile_sum after = sum_tile(&key, tile);
		assert_int_not_equal(before.values[0], after.values[0]);
		assert_int_not_equal(before.values[1], after.values[1]);
		tile[bit / 8] = 0;
	}
}

/* As a pointer does, or a line of text: what is added up stays the same. */
static void what_moves_within_a_tile_changes_its_sum(void **state) {
	struct tile_key key;
	static uint8_t tile[SIZE];
	tile_key_init(&key);
	memset(tile, 0xff, 32);
	struct tile_sum before = sum_tile(&key, tile);
	for (size_t at = 4; at + 32 <= SIZE; at += 4) {
		memset(tile, 0, SIZE);
		memset(tile + at, 0xff, 32);
		struct tile_sum after = sum_tile(&key, tile);
		assert_false(tile_sums_equal(&before, &after));
	}
}

static void nobody_who_lacks_the_key_knows_a_sum(void **state) {
	struct tile_key key[2];
	static const uint8_t tile[SIZE];
	tile_key_init(&key[0]);
	tile_key_init(&key[1]);
	struct tile_sum a = sum_tile(&key[0], tile), b = sum_tile(&key[1], tile);
	assert_int_not_equal(a.values[0], b.values[0]);
	assert_int_not_equal(a.values[1], b.values[1]);
}

static void all_processors_come_to_the_same_sums(void **state) {
	struct tile_key key;
	uint8_t row[1000];
	tile_key_init(&key);
	for (unsigned round = 0; round < 2000; round++) {
		struct tile_adder fast[1000] = {0}, plain[1000] = {0};
		size_t tile = 1 + (size_t)rand() % TILE_SUM_ROW_SIZE;
		size_t size = (size_t)rand() % sizeof(row);
		unsigned line = round % TILE_SUM_ROWS;
		randomize(row, size);
		// At the end of the array: a sanitizer sees what lies past it.
		uint8_t *end = row + sizeof(row) - size;
		memmove(end, row, size);
		tile_adders_add(fast, &key, line, end, size, tile, end);
		tile_adders_add_plainly(plain, &key, line, end, size, tile, end);
		assert_memory_equal(fast, plain, sizeof(fast));
	}
}

int main(void) {
	srand(5);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_tiles_have_equal_sums),
		cmocka_unit_test(every_bit_counts_in_both_values),
		cmocka_unit_test(what_moves_within_a_tile_changes_its_sum),
		cmocka_unit_test(nobody_who_lacks_the_key_knows_a_sum),
		cmocka_unit_test(all_processors_come_to_the_same_sums),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
