#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What every fuzz target shares. A target is one file with LLVMFuzzerTestOneInput():
 * libFuzzer drives it in `./dev fuzz`, replay.c in the ordinary tests. It keeps no state
 * from one input to the next, so that each finding can be reproduced from its file.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input was. Not assert(): it must not depend on NDEBUG. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__,           \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* An input, taken from its front. At its end there are zeroes. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

/* Takes up to size bytes and fills the rest with zeroes. */
static inline void fuzz_take(struct fuzz_input *input, void *ret, size_t size) {
	size_t n = size < input->size ? size : input->size;
	memset(ret, 0, size);
	if (n > 0) {
		memcpy(ret, input->data, n);
		input->data += n;
		input->size -= n;
	}
}

static inline uint8_t fuzz_u8(struct fuzz_input *input) {
	uint8_t value;
	fuzz_take(input, &value, sizeof(value));
	return value;
}

static inline uint16_t fuzz_u16(struct fuzz_input *input) {
	uint16_t value;
	fuzz_take(input, &value, sizeof(value));
	return value;
}

static inline uint32_t fuzz_u32(struct fuzz_input *input) {
	uint32_t value;
	fuzz_take(input, &value, sizeof(value));
	return value;
}

static inline uint64_t fuzz_u64(struct fuzz_input *input) {
	uint64_t value;
	fuzz_take(input, &value, sizeof(value));
	return value;
}

/* A copy in memory of exactly that size, so that a sanitizer sees a read past its end. */
static inline void *fuzz_copy(const void *data, size_t size) {
	void *copy = malloc(size > 0 ? size : 1);
	FUZZ_CHECK(copy != NULL);
	if (size > 0) {
		memcpy(copy, data, size);
	}
	return copy;
}

#endif
