#ifndef GPU_PARTITION_SLICE_H
#define GPU_PARTITION_SLICE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One guest's part of the VRAM: [base, base + limit) in the VRAM map, a sealed memfd of
 * its own behind it. Offsets count from the start of the slice. The aperture that BAR0
 * shows is its beginning; the rest is the heap.
 */
struct slice {
	uint64_t base;     // address in the VRAM map
	uint64_t limit;    // bytes
	uint64_t aperture; // bytes, at most limit
	int fd;            // owned, -1 when closed
	uint8_t *map;      // owned, limit bytes, or NULL
};

/*
 * Maps a slice from its memfd, which the slice owns from then on, also on failure.
 * Returns 0 or -errno; -EINVAL where fd is no sealed memfd of limit bytes or the
 * aperture is larger than the slice.
 */
int slice_init(struct slice *slice, int fd, uint64_t base, uint64_t limit, uint64_t aperture);

/* Unmaps and closes; safe on a slice that slice_init() refused. */
void slice_finish(struct slice *slice);

/*
 * The only way from an offset to memory. Returns a pointer to length bytes at offset, or
 * NULL where any of them lies outside the slice.
 */
void *slice_range(const struct slice *slice, uint64_t offset, uint64_t length);

#endif
