#ifndef COMMON_CHECKED_H
#define COMMON_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Arithmetic on numbers that somebody else chose. Each returns false when the
 * result does not fit, and then leaves *ret as it was.
 */

static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *ret) {
	uint64_t sum;
	if (__builtin_add_overflow(a, b, &sum)) {
		return false;
	}
	*ret = sum;
	return true;
}

static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *ret) {
	uint64_t product;
	if (__builtin_mul_overflow(a, b, &product)) {
		return false;
	}
	*ret = product;
	return true;
}

/* Rounds up to a multiple of align, a power of two. */
static inline bool checked_align(uint64_t value, uint64_t align, uint64_t *ret) {
	uint64_t sum;
	if (!checked_add(value, align - 1, &sum)) {
		return false;
	}
	*ret = sum & ~(align - 1);
	return true;
}

/* True where [offset, offset + length) lies in [0, limit); length may be 0. */
static inline bool checked_range(uint64_t offset, uint64_t length, uint64_t limit) {
	return offset <= limit && length <= limit - offset;
}

#endif
