#ifndef GPU_PARTITION_GUEST_MEMORY_H
#define GPU_PARTITION_GUEST_MEMORY_H

#include <stdint.h>

/*
 * How the pages of guest memory are reached: a pointer to the first *length bytes at address
 * (fewer than asked where a map ends; UINT64_MAX asks for all of them), or NULL for a gap.
 */
struct guest_memory {
	const void *(*resolve)(void *data, uint64_t address, uint64_t *length);
	/* The same bytes in the memfd that they lie in: its descriptor, borrowed, or -1. */
	int (*locate)(void *data, uint64_t address, uint64_t *length, uint64_t *ret_offset);
	void *data;
};

#endif
