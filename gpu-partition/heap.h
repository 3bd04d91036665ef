#ifndef GPU_PARTITION_HEAP_H
#define GPU_PARTITION_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Which parts of a space are taken: bytes of a slice's heap, or entries of the table of
 * backings. Knows no memory. First fit; neighbours that are free are one.
 */

struct heap_range {
	uint64_t offset, length;
};

struct heap {
	uint64_t start, end, align;
	struct heap_range *taken; // owned, by offset
	size_t len, max;
	uint64_t used; // of the space, in its own unit
};

/* A space [start, end) of which at most max ranges are taken at once, each a multiple of align
 * (a power of two). Returns 0 or -ENOMEM. */
int heap_init(struct heap *heap, uint64_t start, uint64_t end, uint64_t align, size_t max);
/* Safe on a zeroed one. */
void heap_finish(struct heap *heap);

/* All is free. */
void heap_clear(struct heap *heap);

/* Takes length (not 0), rounded up to align. False where it is not there in one piece. */
bool heap_take(struct heap *heap, uint64_t length, uint64_t *ret_offset);

/* Takes exactly that: what an earlier process had. False where any of it is taken. */
bool heap_claim(struct heap *heap, uint64_t offset, uint64_t length);

/* Frees the range that starts there; none does: nothing happens. */
void heap_free(struct heap *heap, uint64_t offset);

#endif
