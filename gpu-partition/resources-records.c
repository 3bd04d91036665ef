#include "resources-records.h"

#include <stdlib.h>
#include <string.h>

static unsigned bucket(uint32_t id) {
	return (id * 2654435761u) >> 22;
}

_Static_assert(RESOURCES_BUCKETS == 1 << 10, "bucket() makes ten bits");

const struct device_state_resource *record_find(const struct resources *resources, uint32_t id) {
	const struct device_state_resource *records = resources->file->store.resources;
	uint16_t at = resources->buckets[bucket(id)];
	while (at != 0 && records[at - 1].id != id) {
		at = resources->next[at - 1];
	}
	return at != 0 ? &records[at - 1] : NULL;
}

uint32_t record_index(
	const struct resources *resources, const struct device_state_resource *record) {
	return (uint32_t)(record - resources->file->store.resources);
}

/* Everything before is written before everything after, also for whoever maps the file once
 * this process is dead. */
static void barrier(void) {
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void record_change(
	struct resources *resources, uint32_t index, const struct device_state_resource *now) {
	struct device_state_undo *undo = &resources->file->store.undo;
	struct device_state_resource *record = &resources->file->store.resources[index];
	undo->index = index;
	undo->resource = *record;
	barrier();
	__atomic_store_n(&undo->commit, resources->file->commit, __ATOMIC_RELEASE);
	barrier();
	*record = *now;
	barrier();
}

static void undo(struct resources *resources) {
	struct device_state_store *store = &resources->file->store;
	if (store->undo.commit != 0 && store->undo.commit == resources->file->commit &&
		store->undo.index < DEVICE_STATE_RESOURCES_MAX) {
		store->resources[store->undo.index] = store->undo.resource;
		barrier();
	}
	__atomic_store_n(&store->undo.commit, 0, __ATOMIC_RELEASE);
}

void record_enter(struct resources *resources, uint32_t index) {
	const struct device_state_resource *record = &resources->file->store.resources[index];
	uint16_t *head = &resources->buckets[bucket(record->id)];
	resources->next[index] = *head;
	*head = (uint16_t)(index + 1);
	record_begin_picture(resources, index);
	resources->count++;
}

void record_begin_picture(struct resources *resources, uint32_t index) {
	const struct device_state_resource *record = &resources->file->store.resources[index];
	resources->noted[index] = (struct damage_boxes){
		.len = 1,
		.box = {{.width = record->width, .height = record->height}},
	};
	free(resources->sums[index]);
	resources->sums[index] = calloc(
		picture_tiles(record->width, record->height), sizeof(*resources->sums[index]));
}

void record_unmap(struct resources *resources, uint32_t index) {
	if (resources->blobs[index] != NULL) {
		resources->mapped_bytes -= resources->blobs[index]->memory.size;
		blob_destroy(resources->blobs[index]);
		resources->blobs[index] = NULL;
		resources->mapped--;
	}
}

void record_leave(struct resources *resources, uint32_t index) {
	uint16_t *at = &resources->buckets[bucket(resources->file->store.resources[index].id)];
	while (*at != index + 1) {
		at = &resources->next[*at - 1];
	}
	*at = resources->next[index];
	free(resources->sums[index]);
	resources->sums[index] = NULL;
	resources->count--;
}

void records_forget_sums(struct resources *resources) {
	for (uint32_t i = 0; resources->sums != NULL && i < DEVICE_STATE_RESOURCES_MAX; i++) {
		free(resources->sums[i]);
		resources->sums[i] = NULL;
	}
}

enum scanout_format record_format(uint32_t format) {
	switch (format) { // named in the order of bytes in memory
	case VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM:
	case VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM:
		return SCANOUT_XRGB8888;
	case VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM:
	case VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM:
		return SCANOUT_BGRX8888;
	case VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM:
	case VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM:
		return SCANOUT_XBGR8888;
	case VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM:
	case VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM:
		return SCANOUT_RGBX8888;
	default:
		return SCANOUT_NONE;
	}
}

bool record_has_storage(const struct device_state_resource *record) {
	return record->blob == 0 || record->copied != 0;
}

uint64_t record_stride(const struct device_state_resource *record) {
	return (uint64_t)record->width * 4;
}
uint64_t record_bytes(const struct device_state_resource *record) {
	return record_stride(record) * record->height;
}

struct picture record_picture(
	const struct resources *resources, const struct device_state_resource *record) {
	return (struct picture){
		.pixels = slice_range(resources->slice, record->storage, record_bytes(record)),
		.width = record->width,
		.height = record->height,
		.sums = resources->sums[record_index(resources, record)],
		.key = &resources->key,
	};
}

struct backing record_backing(
	const struct resources *resources, const struct device_state_resource *record) {
	return (struct backing){
		.entries = &resources->file->store.backing[record->backing_first],
		.starts = &resources->starts[record->backing_first],
		.count = record->backing_count,
	};
}

static bool restore_backing(
	struct resources *resources, const struct device_state_resource *record) {
	uint32_t first = record->backing_first, count = record->backing_count;
	if (count == 0) {
		return true;
	}
	if (count > GPU_BACKING_ENTRIES_MAX || !heap_claim(&resources->entries, first, count)) {
		return false;
	}
	struct backing backing = record_backing(resources, record);
	if (!backing_measure(backing.entries, count, &resources->starts[first]) ||
		backing_bytes(&backing) < record->blob) {
		heap_free(&resources->entries, first);
		return false;
	}
	return true;
}

static bool size_known(uint32_t size) {
	return size > 0 && size <= GPU_RESOURCE_SIZE_MAX;
}

/* Whether a command can have made that picture. */
static bool restore_picture(
	struct resources *resources, const struct device_state_resource *record) {
	return record_format(record->format) != SCANOUT_NONE && size_known(record->width) &&
		size_known(record->height) &&
		heap_claim(&resources->storage, record->storage, record_bytes(record));
}

/* False for one that no command can have made, or that overlaps another. */
static bool restore(struct resources *resources, const struct device_state_resource *record) {
	if (record->id == 0 || record->epoch != resources->state->gpu.epoch ||
		record_find(resources, record->id) != NULL) {
		return false;
	}
	bool storage = record_has_storage(record);
	if (storage ? !restore_picture(resources, record)
		    : (record->format | record->width | record->height | record->offset) != 0) {
		return false;
	}
	if (record->blob > GPU_BLOB_SIZE_MAX || !restore_backing(resources, record)) {
		if (storage) {
			heap_free(&resources->storage, record->storage);
		}
		return false;
	}
	return true;
}

void records_restore(struct resources *resources) {
	undo(resources);
	struct device_state_resource *records = resources->file->store.resources;
	for (uint32_t i = DEVICE_STATE_RESOURCES_MAX; i-- > 0;) {
		if (restore(resources, &records[i])) {
			record_enter(resources, i);
		} else {
			// Of an epoch that is over: it must not be there when its number comes again.
			records[i] = (struct device_state_resource){0};
			resources->spare[resources->spare_len++] = (uint16_t)i;
		}
	}
}
