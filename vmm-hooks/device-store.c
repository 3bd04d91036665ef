#include "device-store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memfd.h"

static void copy_dma(struct device_state_dma *to, const struct device_state_dma *from) {
	if (to->changes != from->changes) {
		to->count = from->count;
		memcpy(to->maps, from->maps, from->count * sizeof(from->maps[0]));
		to->changes = from->changes;
	}
}

static void begin(struct device_store *store) {
	store->work->dma.changes = 1;
	store->file->version = DEVICE_STATE_VERSION;
	store->file->size = sizeof(*store->file);
	device_store_commit(store);
	// Only now: a device that dies before leaves a state that is still to begin.
	__atomic_store_n(&store->file->magic, DEVICE_STATE_MAGIC, __ATOMIC_RELEASE);
}

static int go_on(struct device_store *store) {
	struct device_state_slot *slots = store->file->slots;
	uint64_t commit = store->file->commit;
	if (!device_state_valid(store->file) ||
		slots[commit % 2].dma.count > DEVICE_STATE_MAPS_MAX) {
		return -EPROTO;
	}
	store->work->state = slots[commit % 2].state;
	copy_dma(&store->work->dma, &slots[commit % 2].dma);
	// The earlier device may have died while it filled this one.
	slots[(commit + 1) % 2].dma.changes = 0;
	return 0;
}

int device_store_open(struct device_store *store, int fd, bool *ret_new) {
	*store = (struct device_store){0};
	int error = memfd_check(fd, DEVICE_STATE_SIZE, NULL);
	if (error < 0) {
		return error;
	}
	void *map = mmap(NULL, DEVICE_STATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		return -errno;
	}
	store->file = map;
	store->work = calloc(1, sizeof(*store->work));
	*ret_new = store->file->magic == 0;
	if (store->work == NULL) {
		error = -ENOMEM;
	} else if (*ret_new) {
		begin(store);
	} else {
		error = go_on(store);
	}
	if (error < 0) {
		device_store_close(store);
	}
	return error;
}

void device_store_commit(struct device_store *store) {
	uint64_t commit = store->file->commit + 1;
	struct device_state_slot *slot = &store->file->slots[commit % 2];
	slot->state = store->work->state;
	copy_dma(&slot->dma, &store->work->dma);
	device_store_mark(&store->file->commit, commit);
}

void device_store_mark(uint64_t *mark, uint64_t value) {
	// A process that is killed has done all up to an instruction, and nothing after it: only
	// the order of stores counts, and nobody has to wait until they are seen.
	__atomic_store_n(mark, value, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

void device_store_close(struct device_store *store) {
	if (store->file != NULL) {
		munmap(store->file, DEVICE_STATE_SIZE);
	}
	free(store->work);
	*store = (struct device_store){0};
}
