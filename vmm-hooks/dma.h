#ifndef VMM_HOOKS_DMA_H
#define VMM_HOOKS_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device-state.h"
#include "keep.h"
#include "vfio-user.h"

/*
 * The guest's memory, as its VMM has mapped it for the device (vfio-user "DMA_MAP").
 * A host pointer lives only as long as no message is handled: resolve again at each use,
 * because a VMM unmaps and remaps all memory while its firmware runs. What lies at a
 * pointer can change at any time: read it once, into a local, and check that.
 *
 * The table of maps lies in the device's state; of each file behind them one descriptor is
 * kept, however many maps it has. So a later process maps the same memory again.
 */

#define DMA_MAPS_MAX DEVICE_STATE_MAPS_MAX
#define DMA_FILES_MAX LINK_MEMORY_MAX
#define DMA_SETTLE_USEC (UINT64_C(500) * 1000) // a VMM that remaps memory is done by then

enum dma_access {
	DMA_READ = 1,  // the device reads
	DMA_WRITE = 2, // the device writes
};

/* A file of guest memory that is kept; which it is, is told by its inode. */
struct dma_file {
	uint64_t device, inode;
	uint32_t maps; // 0: none
};

struct dma {
	struct device_state_dma *table; // borrowed: maps by address, no two overlap
	struct keep *keep;              // borrowed: the files
	uint8_t **hosts;                // owned: each map's mapping, NULL where it has none
	struct dma_file files[DMA_FILES_MAX];
	uint64_t removed; // us, when a map was taken away; 0: never
};

/*
 * Goes on from the table, with the files that keep has for it; a map whose file is missing
 * resolves to nothing. Returns 0 or -ENOMEM, and then needs no finish.
 */
int dma_init(struct dma *dma, struct device_state_dma *table, struct keep *keep);

/* Removes all maps. */
void dma_clear(struct dma *dma);

/* Leaves table and kept files as they are; safe on a zeroed one. */
void dma_finish(struct dma *dma);

/*
 * Adds a checked map. *fd becomes -1 where it is kept, and is the caller's otherwise; fd is
 * NULL for a map without one (ROM, the device's own BARs): it is remembered, and resolves
 * to nothing. Returns 0; -EEXIST where it overlaps another; -EINVAL where *fd is no memfd
 * sealed against shrinking or is smaller than offset + size; -ENOSPC beyond DMA_MAPS_MAX
 * and DMA_FILES_MAX; -ENOMEM.
 */
int dma_add(struct dma *dma, const struct vfio_user_dma_map *map, int *fd);

/* Removes the map of exactly this address and size. Returns 0 or -ENOENT. */
int dma_remove(struct dma *dma, uint64_t address, uint64_t size);

/*
 * The only way from a guest address to memory. Returns a pointer to length bytes, all of
 * them in one map that allows access, or NULL: a gap, the end of a map, no file.
 */
void *dma_resolve(const struct dma *dma, uint64_t address, uint64_t length, enum dma_access access);

/* The same for the first of *length bytes, which becomes what there is of them in one map. */
void *dma_resolve_some(
	const struct dma *dma, uint64_t address, uint64_t *length, enum dma_access access);

/*
 * Where the first of *length bytes lie, likewise, in the memfd behind their map: its
 * descriptor, borrowed until the next message, or -1.
 */
int dma_locate(const struct dma *dma, uint64_t address, uint64_t *length, enum dma_access access,
	uint64_t *ret_offset);

/*
 * False for DMA_SETTLE_USEC after a map was taken away or an earlier process has died: memory
 * that is missing may be about to come back.
 */
bool dma_settled(const struct dma *dma);

#endif
