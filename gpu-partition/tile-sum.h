#ifndef GPU_PARTITION_TILE_SUM_H
#define GPU_PARTITION_TILE_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Sums of a frame's tiles that are equal where the tiles are. They are made for reading once,
 * at the speed of memory, what a guest may write meanwhile.
 *
 * A sum is two values of the hash NH with independent parts of one key (Black, Halevi,
 * Krawczyk, Krovetz, Rogaway: "UMAC", 1999; the second with the key moved by four words, its
 * Toeplitz construction). Of NH it is proven that two different tiles have equal values with
 * a probability of at most 2^-32, whatever they are, where they were chosen without knowing
 * the key; of two, 2^-64. With 2,000 changed tiles in each of 60 frames a second, that is one
 * missed change in five million years. A guest cannot learn the key: it sees neither sums
 * nor, in less than that time, a change that was missed.
 */

#define TILE_SUM_ROWS 16
#define TILE_SUM_ROW_SIZE 256 // bytes of a tile's row, at most

/* Random; 32-bit words. */
struct tile_key {
	uint32_t words[TILE_SUM_ROWS * TILE_SUM_ROW_SIZE / 4 + 4];
};

struct tile_sum {
	uint64_t values[2];
};

/* A sum on its way. Zero-initialise. */
struct tile_adder {
	uint64_t lanes[2][4];
};

/* A new key. */
void tile_key_init(struct tile_key *key);

/*
 * Adds one row of pixels, size bytes, to the tiles side by side that it runs through, each
 * tile bytes wide (at most TILE_SUM_ROW_SIZE), the last one perhaps narrower. line is the
 * row's number within its tiles, below TILE_SUM_ROWS. Reads every byte once. What follows ahead
 * is asked for meanwhile, and not read: where the next rows lie, or anywhere.
 */
void tile_adders_add(struct tile_adder *adders, const struct tile_key *key, unsigned line,
	const uint8_t *row, size_t size, size_t tile, const uint8_t *ahead);

struct tile_sum tile_adder_sum(const struct tile_adder *adder);

bool tile_sums_equal(const struct tile_sum *a, const struct tile_sum *b);

/* As tile_adders_add(), without what only some processors can. For tests. */
void tile_adders_add_plainly(struct tile_adder *adders, const struct tile_key *key, unsigned line,
	const uint8_t *row, size_t size, size_t tile, const uint8_t *ahead);

#endif
