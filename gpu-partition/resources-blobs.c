#include "resources-blobs.h"

#include <string.h>

#include "checked.h"
#include "resources-records.h"
#include "transfer.h"

void resources_start(struct resources *resources, int udmabuf, const struct guest_memory *memory) {
	resources->udmabuf = udmabuf;
	resources->memory = *memory;
}

bool resources_is_blob(const struct resources *resources, uint32_t id) {
	const struct device_state_resource *record = record_find(resources, id);
	return record != NULL && record->blob != 0;
}

bool resources_is_mapped(const struct resources *resources, uint32_t id) {
	const struct device_state_resource *record = record_find(resources, id);
	return record != NULL && resources->blobs[record_index(resources, record)] != NULL;
}

uint32_t resources_reserve_blob(struct resources *resources, uint32_t id, uint32_t entries,
	struct virtio_gpu_mem_entry **ret_untrusted) {
	record_forget_reserved(resources);
	if (id == 0 || record_find(resources, id) != NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	return record_reserve(resources, id, entries, ret_untrusted);
}

uint32_t resources_create_blob(struct resources *resources, uint32_t id, uint64_t size) {
	if (record_find(resources, id) != NULL || resources->reserved.id != id) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	if (size == 0 || size > GPU_BLOB_SIZE_MAX) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	if (resources->spare_len == 0) {
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	}
	struct device_state_resource record = {
		.epoch = resources->state->gpu.epoch,
		.id = id,
		.blob = size,
	};
	uint32_t answer = record_take_reserved(resources, &record);
	if (answer != VIRTIO_GPU_RESP_OK_NODATA) {
		return answer;
	}
	uint32_t index = resources->spare[--resources->spare_len];
	record_change(resources, index, &record);
	record_enter(resources, index);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static bool map(struct resources *resources, const struct device_state_resource *record) {
	struct blob **blob = &resources->blobs[record_index(resources, record)];
	const struct backing backing = record_backing(resources, record);
	if (*blob != NULL) {
		return true;
	}
	if (resources->mapped >= RESOURCES_MAPPED_MAX ||
		backing_bytes(&backing) > RESOURCES_MAPPED_BYTES_MAX - resources->mapped_bytes ||
		blob_create(blob, resources->udmabuf, ++resources->serial, &backing,
			&resources->memory) < 0) {
		return false;
	}
	resources->mapped++;
	resources->mapped_bytes += (*blob)->memory.size;
	return true;
}

/* Makes a picture of the layout in the heap, as wide as its rows with the gaps between them. What
 * the blob had there before stays whole until then: this process may die before it commits. */
static uint32_t copy(struct resources *resources, const struct device_state_resource *record,
	const struct gpu_layout *layout) {
	struct device_state_resource now = *record;
	now.format = layout->format;
	now.width = layout->stride / PICTURE_PIXEL;
	now.height = layout->height;
	now.copied = 1;
	now.offset = layout->offset;
	if (memcmp(&now, record, sizeof(now)) == 0) {
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
	if (now.width > GPU_RESOURCE_SIZE_MAX) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	uint64_t bytes = record_bytes(&now);
	if (!heap_take(&resources->storage, bytes, &now.storage)) {
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	}
	if (record_has_storage(record)) {
		heap_free(&resources->storage, record->storage);
	}
	memset(slice_range(resources->slice, now.storage, bytes), 0, bytes);
	uint32_t index = record_index(resources, record);
	record_change(resources, index, &now);
	record_begin_picture(resources, index);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t resources_show_blob(
	struct resources *resources, uint32_t id, const struct gpu_layout *layout) {
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	if (record->blob == 0 || record->backing_count == 0 ||
		gpu_layout_end(layout) > record->blob ||
		record_format(layout->format) == SCANOUT_NONE) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	// What is copied stays so: another head may show it.
	if (!record_has_storage(record) && map(resources, record)) {
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
	return copy(resources, record, layout);
}

uint32_t resources_scanout_blob(struct resources *resources, uint32_t id,
	const struct gpu_layout *layout, const struct gpu_rect *rect, struct scanout *ret) {
	const struct device_state_resource *record = record_find(resources, id);
	const struct blob *blob =
		record != NULL ? resources->blobs[record_index(resources, record)] : NULL;
	if (blob == NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	uint64_t offset = layout->offset + (uint64_t)rect->y * layout->stride +
		(uint64_t)rect->x * PICTURE_PIXEL;
	if (!checked_range(rect->x, rect->width, layout->width) ||
		!checked_range(rect->y, rect->height, layout->height) ||
		!scanout_compute_blob(&blob->memory, record_format(layout->format), rect->width,
			rect->height, layout->stride, offset, ret)) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	return VIRTIO_GPU_RESP_OK_NODATA;
}

void resources_refresh(struct resources *resources, uint32_t id, const struct gpu_rect *rect) {
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL || record->blob == 0 || !record_has_storage(record) ||
		record->backing_count == 0) {
		return;
	}
	record_transfer(resources, record, rect,
		record->offset + rect->y * record_stride(record) +
			(uint64_t)rect->x * PICTURE_PIXEL,
		&resources->memory);
}
