#include "blob.h"

#include <errno.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "fd.h"
#include "gpu-command.h"

#define PAGE 4096

/* Entries may lie across maps; a backing has at most that many pieces. */
#define PIECES_MAX GPU_BACKING_ENTRIES_MAX

static bool follows(const struct udmabuf_create_item *last, int fd, uint64_t offset) {
	return (int)last->memfd == fd && last->offset + last->size == offset;
}

/* Adds one entry, joined with the last where that is possible. Pages that the device may read
 * are all that becomes part of it. */
static int add_entry(struct udmabuf_create_list *list, const struct device_state_backing *entry,
	const struct guest_memory *memory) {
	uint64_t address = entry->address, left = entry->length;
	if (address % PAGE != 0 || left % PAGE != 0) {
		return -EINVAL;
	}
	while (left > 0) {
		uint64_t length = left, offset;
		int fd = memory->locate(memory->data, address, &length, &offset);
		if (fd < 0 || offset % PAGE != 0 || length % PAGE != 0) {
			return -EINVAL;
		}
		if (list->count > 0 && follows(&list->list[list->count - 1], fd, offset)) {
			list->list[list->count - 1].size += length;
		} else if (list->count == PIECES_MAX) {
			return -EINVAL;
		} else {
			list->list[list->count++] = (struct udmabuf_create_item){
				.memfd = (uint32_t)fd, .offset = offset, .size = length};
		}
		address += length;
		left -= length;
	}
	return 0;
}

static int make_list(const struct backing *backing, const struct guest_memory *memory,
	struct udmabuf_create_list **ret) {
	struct udmabuf_create_list *list =
		calloc(1, sizeof(*list) + PIECES_MAX * sizeof(list->list[0]));
	if (list == NULL) {
		return -ENOMEM;
	}
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	int error = 0;
	for (uint32_t i = 0; i < backing->count && error == 0; i++) {
		error = add_entry(list, &backing->entries[i], memory);
	}
	if (error < 0) {
		free(list);
		return error;
	}
	*ret = list;
	return 0;
}

/* A dma-buf of the pages, or -errno. */
static int make_dma_buf(
	int udmabuf, const struct backing *backing, const struct guest_memory *memory) {
	struct udmabuf_create_list *list;
	if (udmabuf < 0 || memory->locate == NULL) {
		return -EOPNOTSUPP;
	}
	int error = make_list(backing, memory, &list);
	if (error < 0) {
		return error;
	}
	int fd = ioctl(udmabuf, UDMABUF_CREATE_LIST, list);
	error = errno;
	free(list);
	return fd >= 0 ? fd : -error;
}

int blob_create(struct blob **ret, int udmabuf, uint64_t serial, const struct backing *backing,
	const struct guest_memory *memory) {
	int fd = make_dma_buf(udmabuf, backing, memory);
	if (fd < 0) {
		return fd;
	}
	uint64_t size = backing_bytes(backing);
	void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	struct blob *blob = calloc(1, sizeof(*blob));
	if (blob == NULL || bytes == MAP_FAILED) {
		int error = bytes == MAP_FAILED ? -errno : -ENOMEM;
		if (bytes != MAP_FAILED) {
			munmap(bytes, size);
		}
		free(blob);
		fd_close(fd);
		return error;
	}
	blob->memory =
		(struct scanout_blob){.serial = serial, .size = size, .fd = fd, .bytes = bytes};
	*ret = blob;
	return 0;
}

void blob_destroy(struct blob *blob) {
	if (blob == NULL) {
		return;
	}
	munmap((void *)blob->memory.bytes, blob->memory.size);
	fd_close(blob->memory.fd);
	free(blob);
}
