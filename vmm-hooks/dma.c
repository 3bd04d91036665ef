#include "dma.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "checked.h"
#include "memfd.h"

_Static_assert((int)DMA_READ == VFIO_DMA_MAP_FLAG_READ, "the flags of the wire");
_Static_assert((int)DMA_WRITE == VFIO_DMA_MAP_FLAG_WRITE, "the flags of the wire");

static void map_unmap(struct dma_map *map) {
	if (map->host != NULL) {
		munmap(map->host, map->size);
	}
}

void dma_finish(struct dma *dma) {
	for (size_t i = 0; i < dma->maps_len; i++) {
		map_unmap(&dma->maps[i]);
	}
	free(dma->maps);
	*dma = (struct dma){0};
}

/* The number of maps that begin at or below address. */
static size_t maps_until(const struct dma *dma, uint64_t address) {
	size_t low = 0, high = dma->maps_len;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (dma->maps[middle].address <= address) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* The last byte, which does not wrap where one past it would. */
static uint64_t last(uint64_t address, uint64_t size) {
	return address + (size - 1);
}

static bool overlaps(const struct dma *dma, uint64_t address, uint64_t size) {
	size_t next = maps_until(dma, address);
	if (next < dma->maps_len && dma->maps[next].address <= last(address, size)) {
		return true;
	}
	return next > 0 && last(dma->maps[next - 1].address, dma->maps[next - 1].size) >= address;
}

static int map_file(const struct vfio_user_dma_map *map, int fd, uint8_t **ret) {
	// Without the seal, the peer could truncate the file and have the next access raise SIGBUS.
	uint64_t end;
	if (!checked_add(map->offset, map->size, &end) || memfd_check(fd, end, NULL) < 0) {
		return -EINVAL;
	}
	int protection = ((map->flags & DMA_READ) != 0 ? PROT_READ : 0) |
		((map->flags & DMA_WRITE) != 0 ? PROT_READ | PROT_WRITE : 0);
	void *host = mmap(NULL, map->size, protection, MAP_SHARED, fd, (off_t)map->offset);
	if (host == MAP_FAILED) {
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	}
	*ret = host;
	return 0;
}

static int grow(struct dma *dma) {
	if (dma->maps_len < dma->maps_cap) {
		return 0;
	}
	if (dma->maps_len == DMA_MAPS_MAX) {
		return -ENOSPC;
	}
	size_t cap = dma->maps_cap == 0 ? 32 : dma->maps_cap * 2;
	struct dma_map *maps = reallocarray(dma->maps, cap, sizeof(*maps));
	if (maps == NULL) {
		return -ENOMEM;
	}
	dma->maps = maps;
	dma->maps_cap = cap;
	return 0;
}

int dma_add(struct dma *dma, const struct vfio_user_dma_map *map, int fd) {
	if (overlaps(dma, map->address, map->size)) {
		return -EEXIST;
	}
	int error = grow(dma);
	uint8_t *host = NULL;
	if (error == 0 && fd >= 0) {
		error = map_file(map, fd, &host);
	}
	if (error < 0) {
		return error;
	}
	size_t at = maps_until(dma, map->address);
	memmove(&dma->maps[at + 1], &dma->maps[at], (dma->maps_len - at) * sizeof(dma->maps[0]));
	dma->maps[at] = (struct dma_map){
		.address = map->address,
		.size = map->size,
		.access = map->flags & (DMA_READ | DMA_WRITE),
		.host = host,
	};
	dma->maps_len++;
	return 0;
}

int dma_remove(struct dma *dma, uint64_t address, uint64_t size) {
	size_t next = maps_until(dma, address);
	if (next == 0 || dma->maps[next - 1].address != address ||
		dma->maps[next - 1].size != size) {
		return -ENOENT;
	}
	map_unmap(&dma->maps[next - 1]);
	memmove(&dma->maps[next - 1], &dma->maps[next],
		(dma->maps_len - next) * sizeof(dma->maps[0]));
	dma->maps_len--;
	return 0;
}

void *dma_resolve(
	const struct dma *dma, uint64_t address, uint64_t length, enum dma_access access) {
	size_t next = maps_until(dma, address);
	if (next == 0) {
		return NULL;
	}
	const struct dma_map *map = &dma->maps[next - 1];
	if (map->host == NULL || (map->access & access) != access ||
		!checked_range(address - map->address, length, map->size)) {
		return NULL;
	}
	return map->host + (address - map->address);
}
