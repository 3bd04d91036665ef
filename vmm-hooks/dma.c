#include "dma.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "checked.h"
#include "clock.h"
#include "memfd.h"

_Static_assert((int)DMA_READ == VFIO_DMA_MAP_FLAG_READ, "the flags of the wire");
_Static_assert((int)DMA_WRITE == VFIO_DMA_MAP_FLAG_WRITE, "the flags of the wire");

static struct link_key file_key(uint32_t file) {
	return (struct link_key){LINK_KIND_MEMORY, 0, file, 0};
}

/* The number of maps that begin at or below address. */
static size_t maps_until(const struct dma *dma, uint64_t address) {
	size_t low = 0, high = dma->table->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (dma->table->maps[middle].address <= address) {
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
	const struct device_state_map *maps = dma->table->maps;
	size_t next = maps_until(dma, address);
	if (next < dma->table->count && maps[next].address <= last(address, size)) {
		return true;
	}
	return next > 0 && last(maps[next - 1].address, maps[next - 1].size) >= address;
}

static int map_file(const struct device_state_map *map, int fd, uint8_t **ret) {
	// Without the seal, the peer could truncate the file and have the next access raise SIGBUS.
	uint64_t end;
	if (!checked_add(map->offset, map->size, &end) || memfd_check(fd, end, NULL) < 0) {
		return -EINVAL;
	}
	int protection = ((map->access & DMA_READ) != 0 ? PROT_READ : 0) |
		((map->access & DMA_WRITE) != 0 ? PROT_READ | PROT_WRITE : 0);
	void *host = mmap(NULL, map->size, protection, MAP_SHARED, fd, (off_t)map->offset);
	if (host == MAP_FAILED) {
		return errno == ENOMEM ? -ENOMEM : -EINVAL;
	}
	*ret = host;
	return 0;
}

static bool identify(int fd, struct dma_file *ret) {
	struct stat status;
	if (fstat(fd, &status) < 0) {
		return false;
	}
	*ret = (struct dma_file){.device = status.st_dev, .inode = status.st_ino};
	return true;
}

/* The number of the file that fd is: one in use, or else the first that is free. */
static int find_file(const struct dma *dma, const struct dma_file *wanted, uint32_t *ret) {
	uint32_t free = DMA_FILES_MAX;
	for (uint32_t i = DMA_FILES_MAX; i-- > 0;) {
		const struct dma_file *file = &dma->files[i];
		if (file->maps == 0) {
			free = i;
		} else if (file->device == wanted->device && file->inode == wanted->inode) {
			*ret = i;
			return 0;
		}
	}
	*ret = free;
	return free < DMA_FILES_MAX ? 0 : -ENOSPC;
}

/* Counts a map of the file, and keeps its descriptor where it is the first. */
static void hold_file(struct dma *dma, uint32_t number, const struct dma_file *file, int *fd) {
	if (dma->files[number].maps == 0) {
		dma->files[number] = *file;
		keep_put(dma->keep, file_key(number), *fd);
		*fd = -1;
	}
	dma->files[number].maps++;
}

static void release_file(struct dma *dma, uint32_t number) {
	if (number < DMA_FILES_MAX && dma->files[number].maps > 0 &&
		--dma->files[number].maps == 0) {
		keep_clear(dma->keep, file_key(number));
	}
}

static void unmap_host(struct dma *dma, size_t at) {
	if (dma->hosts[at] != NULL) {
		munmap(dma->hosts[at], dma->table->maps[at].size);
		dma->hosts[at] = NULL;
	}
}

static void restore_map(struct dma *dma, size_t at) {
	struct device_state_map *map = &dma->table->maps[at];
	if (map->file >= DMA_FILES_MAX) {
		return;
	}
	int fd = keep_get(dma->keep, file_key(map->file));
	struct dma_file file;
	if (fd < 0 || !identify(fd, &file) || map_file(map, fd, &dma->hosts[at]) < 0) {
		map->file = DEVICE_STATE_NO_FILE;
		dma->table->changes++;
		return;
	}
	file.maps = dma->files[map->file].maps + 1;
	dma->files[map->file] = file;
}

int dma_init(struct dma *dma, struct device_state_dma *table, struct keep *keep) {
	*dma = (struct dma){.table = table, .keep = keep};
	dma->hosts = calloc(DMA_MAPS_MAX, sizeof(dma->hosts[0]));
	if (dma->hosts == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < table->count; i++) {
		restore_map(dma, i);
	}
	for (uint32_t i = 0; i < DMA_FILES_MAX; i++) {
		if (dma->files[i].maps == 0) {
			keep_clear(keep, file_key(i));
		}
	}
	dma->removed = table->count > 0 ? clock_usec() : 0;
	return 0;
}

void dma_clear(struct dma *dma) {
	if (dma->table->count > 0) {
		dma->removed = clock_usec();
	}
	for (size_t i = 0; i < dma->table->count; i++) {
		unmap_host(dma, i);
		release_file(dma, dma->table->maps[i].file);
	}
	dma->table->count = 0;
	dma->table->changes++;
}

void dma_finish(struct dma *dma) {
	for (size_t i = 0; dma->hosts != NULL && i < dma->table->count; i++) {
		unmap_host(dma, i);
	}
	free(dma->hosts);
	*dma = (struct dma){0};
}

/* Opens a gap for one map. */
static void insert(struct dma *dma, size_t at, const struct device_state_map *map, uint8_t *host) {
	struct device_state_dma *table = dma->table;
	size_t behind = table->count - at;
	memmove(&table->maps[at + 1], &table->maps[at], behind * sizeof(table->maps[0]));
	memmove(&dma->hosts[at + 1], &dma->hosts[at], behind * sizeof(dma->hosts[0]));
	table->maps[at] = *map;
	dma->hosts[at] = host;
	table->count++;
	table->changes++;
}

static int add_file(struct dma *dma, struct device_state_map *map, int *fd, uint8_t **ret_host) {
	struct dma_file file;
	if (!identify(*fd, &file)) {
		return -EINVAL;
	}
	int error = find_file(dma, &file, &map->file);
	if (error == 0) {
		error = map_file(map, *fd, ret_host);
	}
	if (error == 0) {
		hold_file(dma, map->file, &file, fd);
	}
	return error;
}

int dma_add(struct dma *dma, const struct vfio_user_dma_map *request, int *fd) {
	if (overlaps(dma, request->address, request->size)) {
		return -EEXIST;
	}
	if (dma->table->count == DMA_MAPS_MAX) {
		return -ENOSPC;
	}
	struct device_state_map map = {
		.address = request->address,
		.size = request->size,
		.offset = request->offset,
		.access = request->flags & (DMA_READ | DMA_WRITE),
		.file = DEVICE_STATE_NO_FILE,
	};
	uint8_t *host = NULL;
	int error = fd != NULL ? add_file(dma, &map, fd, &host) : 0;
	if (error == 0) {
		insert(dma, maps_until(dma, map.address), &map, host);
	}
	return error;
}

int dma_remove(struct dma *dma, uint64_t address, uint64_t size) {
	struct device_state_dma *table = dma->table;
	size_t next = maps_until(dma, address);
	if (next == 0 || table->maps[next - 1].address != address ||
		table->maps[next - 1].size != size) {
		return -ENOENT;
	}
	unmap_host(dma, next - 1);
	release_file(dma, table->maps[next - 1].file);
	size_t behind = table->count - next;
	memmove(&table->maps[next - 1], &table->maps[next], behind * sizeof(table->maps[0]));
	memmove(&dma->hosts[next - 1], &dma->hosts[next], behind * sizeof(dma->hosts[0]));
	table->count--;
	table->changes++;
	dma->removed = clock_usec();
	return 0;
}

/* The number of the map that has address and a mapping that allows access, and what there is
 * of *length bytes in it; the count of maps where there is none. */
static size_t find_map(
	const struct dma *dma, uint64_t address, uint64_t *length, enum dma_access access) {
	size_t next = maps_until(dma, address), none = dma->table->count;
	if (next == 0) {
		return none;
	}
	const struct device_state_map *map = &dma->table->maps[next - 1];
	uint64_t offset = address - map->address;
	if (dma->hosts[next - 1] == NULL || (map->access & access) != access ||
		offset >= map->size) {
		return none;
	}
	if (*length > map->size - offset) {
		*length = map->size - offset;
	}
	return next - 1;
}

void *dma_resolve_some(
	const struct dma *dma, uint64_t address, uint64_t *length, enum dma_access access) {
	size_t at = find_map(dma, address, length, access);
	return at < dma->table->count ? dma->hosts[at] + (address - dma->table->maps[at].address)
				      : NULL;
}

int dma_locate(const struct dma *dma, uint64_t address, uint64_t *length, enum dma_access access,
	uint64_t *ret_offset) {
	size_t at = find_map(dma, address, length, access);
	if (at == dma->table->count) {
		return -1;
	}
	const struct device_state_map *map = &dma->table->maps[at];
	*ret_offset = map->offset + (address - map->address);
	return keep_get(dma->keep, file_key(map->file));
}

void *dma_resolve(
	const struct dma *dma, uint64_t address, uint64_t length, enum dma_access access) {
	uint64_t some = length;
	void *host = dma_resolve_some(dma, address, &some, access);
	return some == length ? host : NULL;
}

bool dma_settled(const struct dma *dma) {
	return dma->removed == 0 || clock_usec() - dma->removed >= DMA_SETTLE_USEC;
}
