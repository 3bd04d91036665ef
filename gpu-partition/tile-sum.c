#include "tile-sum.h"

#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define BLOCK 32 // bytes that are added at once

typedef void add_block(struct tile_adder *adder, const uint32_t *key, const void *block);

void tile_key_init(struct tile_key *key) {
	arc4random_buf(key, sizeof(*key));
}

static void add_plainly(struct tile_adder *adder, const uint32_t *key, const void *block) {
	uint32_t words[BLOCK / 4];
	memcpy(words, block, BLOCK);
	for (size_t i = 0; i < 4; i++) {
		uint32_t low = words[2 * i], high = words[2 * i + 1];
		adder->lanes[0][i] +=
			(uint64_t)(low + key[2 * i]) * (uint32_t)(high + key[2 * i + 1]);
		adder->lanes[1][i] +=
			(uint64_t)(low + key[2 * i + 4]) * (uint32_t)(high + key[2 * i + 5]);
	}
}

/* Inlined into its callers, as is add: one loop for each kind of processor. */
static inline __attribute__((always_inline)) void add_row(struct tile_adder *adders,
	const struct tile_key *key, unsigned line, const uint8_t *row, size_t size, size_t tile,
	const uint8_t *ahead, add_block *add) {
	const uint32_t *line_key = key->words + line * (TILE_SUM_ROW_SIZE / 4);
	for (; size > 0; adders++) {
		size_t width = size < tile ? size : tile, at = 0;
		struct tile_adder adder = *adders;
		for (; at + BLOCK <= width; at += BLOCK) {
			if (at % 64 == 0) {
				__builtin_prefetch(ahead + at);
			}
			add(&adder, line_key + at / 4, row + at);
		}
		if (at < width) {
			uint8_t rest[BLOCK] = {0};
			memcpy(rest, row + at, width - at);
			add(&adder, line_key + at / 4, rest);
		}
		*adders = adder;
		row += width;
		ahead += width;
		size -= width;
	}
}

void tile_adders_add_plainly(struct tile_adder *adders, const struct tile_key *key, unsigned line,
	const uint8_t *row, size_t size, size_t tile, const uint8_t *ahead) {
	add_row(adders, key, line, row, size, tile, ahead, add_plainly);
}

#ifdef __x86_64__

__attribute__((target("avx2"))) static inline __m256i product(__m256i words, const uint32_t *key) {
	__m256i sums = _mm256_add_epi32(words, _mm256_loadu_si256((const __m256i *)key));
	return _mm256_mul_epu32(sums, _mm256_srli_epi64(sums, 32));
}

__attribute__((target("avx2"))) static inline void add_avx2(
	struct tile_adder *adder, const uint32_t *key, const void *block) {
	__m256i words = _mm256_loadu_si256(block);
	__m256i *lanes = (__m256i *)adder->lanes;
	_mm256_storeu_si256(
		lanes, _mm256_add_epi64(_mm256_loadu_si256(lanes), product(words, key)));
	_mm256_storeu_si256(lanes + 1,
		_mm256_add_epi64(_mm256_loadu_si256(lanes + 1), product(words, key + 4)));
}

__attribute__((target("avx2"))) static void add_row_avx2(struct tile_adder *adders,
	const struct tile_key *key, unsigned line, const uint8_t *row, size_t size, size_t tile,
	const uint8_t *ahead) {
	add_row(adders, key, line, row, size, tile, ahead, add_avx2);
}

void tile_adders_add(struct tile_adder *adders, const struct tile_key *key, unsigned line,
	const uint8_t *row, size_t size, size_t tile, const uint8_t *ahead) {
	if (__builtin_cpu_supports("avx2")) {
		add_row_avx2(adders, key, line, row, size, tile, ahead);
	} else {
		tile_adders_add_plainly(adders, key, line, row, size, tile, ahead);
	}
}

#else

void tile_adders_add(struct tile_adder *adders, const struct tile_key *key, unsigned line,
	const uint8_t *row, size_t size, size_t tile, const uint8_t *ahead) {
	tile_adders_add_plainly(adders, key, line, row, size, tile, ahead);
}

#endif

struct tile_sum tile_adder_sum(const struct tile_adder *adder) {
	struct tile_sum sum = {0};
	for (size_t i = 0; i < 4; i++) {
		sum.values[0] += adder->lanes[0][i];
		sum.values[1] += adder->lanes[1][i];
	}
	return sum;
}

bool tile_sums_equal(const struct tile_sum *a, const struct tile_sum *b) {
	return a->values[0] == b->values[0] && a->values[1] == b->values[1];
}
