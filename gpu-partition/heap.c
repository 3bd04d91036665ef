#include "heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"

int heap_init(struct heap *heap, uint64_t start, uint64_t end, uint64_t align, size_t max) {
	*heap = (struct heap){.start = end, .end = end, .align = align, .max = max};
	// A start that cannot be aligned leaves nothing.
	checked_align(start, align, &heap->start);
	heap->taken = calloc(max, sizeof(*heap->taken));
	return heap->taken != NULL ? 0 : -ENOMEM;
}

void heap_finish(struct heap *heap) {
	free(heap->taken);
	*heap = (struct heap){0};
}

void heap_clear(struct heap *heap) {
	heap->len = 0;
	heap->used = 0;
}

/* The number of ranges that begin before offset. */
static size_t ranges_before(const struct heap *heap, uint64_t offset) {
	size_t low = 0, high = heap->len;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (heap->taken[middle].offset < offset) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static void insert(struct heap *heap, size_t at, struct heap_range range) {
	memmove(&heap->taken[at + 1], &heap->taken[at], (heap->len - at) * sizeof(range));
	heap->taken[at] = range;
	heap->len++;
	heap->used += range.length;
}

bool heap_take(struct heap *heap, uint64_t length, uint64_t *ret_offset) {
	if (length == 0 || heap->len == heap->max || !checked_align(length, heap->align, &length)) {
		return false;
	}
	uint64_t free_from = heap->start;
	for (size_t i = 0; i <= heap->len; i++) {
		uint64_t until = i < heap->len ? heap->taken[i].offset : heap->end;
		if (checked_range(free_from, length, until)) {
			insert(heap, i, (struct heap_range){free_from, length});
			*ret_offset = free_from;
			return true;
		}
		if (i < heap->len) {
			free_from = heap->taken[i].offset + heap->taken[i].length;
		}
	}
	return false;
}

bool heap_claim(struct heap *heap, uint64_t offset, uint64_t length) {
	if (length == 0 || heap->len == heap->max || !checked_align(length, heap->align, &length)) {
		return false;
	}
	if (offset < heap->start || offset % heap->align != 0 ||
		!checked_range(offset, length, heap->end)) {
		return false;
	}
	size_t at = ranges_before(heap, offset);
	if (at > 0 && heap->taken[at - 1].offset + heap->taken[at - 1].length > offset) {
		return false;
	}
	if (at < heap->len && heap->taken[at].offset < offset + length) {
		return false;
	}
	insert(heap, at, (struct heap_range){offset, length});
	return true;
}

void heap_free(struct heap *heap, uint64_t offset) {
	size_t at = ranges_before(heap, offset);
	if (at == heap->len || heap->taken[at].offset != offset) {
		return;
	}
	heap->used -= heap->taken[at].length;
	heap->len--;
	memmove(&heap->taken[at], &heap->taken[at + 1], (heap->len - at) * sizeof(heap->taken[0]));
}
