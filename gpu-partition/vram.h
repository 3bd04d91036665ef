#ifndef GPU_PARTITION_VRAM_H
#define GPU_PARTITION_VRAM_H

#include <stddef.h>
#include <stdint.h>

/*
 * The VRAM map: which guest has which part of the pool. A ledger of addresses only; the
 * memory behind a slice is a memfd of its own (see slice.h). Slices lie in ascending
 * order and never overlap.
 */

#define VRAM_ALIGN 65536 // bytes; every base is a multiple

struct vram_slice {
	char *name;        // owned: the guest's
	uint64_t base;     // address in the map
	uint64_t limit;    // bytes, more than 0
	uint64_t aperture; // bytes at the start that BAR0 shows
};

struct vram {
	uint64_t size;             // bytes of the pool
	struct vram_slice *slices; // owned, ascending
	size_t len;
};

void vram_init(struct vram *vram, uint64_t size);

/* Safe on a zeroed map. */
void vram_finish(struct vram *vram);

/*
 * Gives a guest the lowest free range of limit bytes. Returns 0 and the base; -EEXIST
 * where the guest has a slice, -EINVAL for a limit of 0 or an aperture larger than it,
 * -ENOSPC where no gap is large enough, -ENOMEM.
 */
int vram_place(
	struct vram *vram, const char *name, uint64_t limit, uint64_t aperture, uint64_t *ret_base);

/*
 * Gives a guest the range that it had: base bytes into the map. Returns 0; -EEXIST where the
 * guest has a slice, -EINVAL for what vram_place() would never have given, -EBUSY where
 * some of it is another guest's, -ENOMEM.
 */
int vram_place_at(
	struct vram *vram, const char *name, uint64_t base, uint64_t limit, uint64_t aperture);

/* Takes a guest's slice back; none is no error. */
void vram_release(struct vram *vram, const char *name);

/* A guest's slice, or NULL. Valid until the map changes. */
const struct vram_slice *vram_find(const struct vram *vram, const char *name);

/* Bytes in no slice, alignment gaps included. */
uint64_t vram_free_bytes(const struct vram *vram);

/*
 * The map in one line, as errors show it: "256 MiB: 'work' 0 to 64 MiB, free 64 to
 * 256 MiB". Returns a string for the caller to free, or NULL without memory.
 */
char *vram_describe(const struct vram *vram);

#endif
