#ifndef VMM_HOOKS_DMA_H
#define VMM_HOOKS_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfio-user.h"

/*
 * The guest's memory, as its VMM has mapped it for the device (vfio-user "DMA_MAP").
 * A host pointer lives only as long as no message is handled: resolve again at each use,
 * because a VMM unmaps and remaps all memory while its firmware runs. What lies at a
 * pointer can change at any time: read it once, into a local, and check that.
 */

#define DMA_MAPS_MAX 4096

enum dma_access {
	DMA_READ = 1,  // the device reads
	DMA_WRITE = 2, // the device writes
};

struct dma_map {
	uint64_t address, size; // guest-physical bytes
	uint32_t access;        // enum dma_access, or'ed
	uint8_t *host;          // owned mapping of size bytes; NULL where no file came with it
};

/* Zero-initialise. */
struct dma {
	struct dma_map *maps; // owned, by address, no two overlap
	size_t maps_len, maps_cap;
};

/* Unmaps everything. */
void dma_finish(struct dma *dma);

/*
 * Adds a checked map. fd stays the caller's; -1 for a map without one (ROM, the device's
 * own BARs): it is remembered, and resolves to nothing. Returns 0; -EEXIST where it
 * overlaps another; -EINVAL where fd is no memfd sealed against shrinking or is smaller than
 * offset + size; -ENOSPC beyond DMA_MAPS_MAX; -ENOMEM.
 */
int dma_add(struct dma *dma, const struct vfio_user_dma_map *map, int fd);

/* Removes the map of exactly this address and size. Returns 0 or -ENOENT. */
int dma_remove(struct dma *dma, uint64_t address, uint64_t size);

/*
 * The only way from a guest address to memory. Returns a pointer to length bytes, all of
 * them in one map that allows access, or NULL: a gap, the end of a map, no file.
 */
void *dma_resolve(const struct dma *dma, uint64_t address, uint64_t length, enum dma_access access);

#endif
