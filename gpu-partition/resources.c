#include "resources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "resources-records.h"
#include "transfer.h"

static int init(struct resources *resources) {
	const struct slice *slice = resources->slice;
	int error = heap_init(&resources->storage, slice->aperture, slice->limit, RESOURCES_ALIGN,
		DEVICE_STATE_RESOURCES_MAX);
	if (error == 0) {
		// One more: the room that is reserved.
		error = heap_init(&resources->entries, 0, DEVICE_STATE_BACKING_MAX, 1,
			DEVICE_STATE_RESOURCES_MAX + 1);
	}
	resources->starts = calloc(DEVICE_STATE_BACKING_MAX, sizeof(*resources->starts));
	resources->noted = calloc(DEVICE_STATE_RESOURCES_MAX, sizeof(*resources->noted));
	resources->sums = calloc(DEVICE_STATE_RESOURCES_MAX, sizeof(*resources->sums));
	resources->blobs = calloc(DEVICE_STATE_RESOURCES_MAX, sizeof(struct blob *));
	tile_key_init(&resources->key);
	bool complete = resources->starts != NULL && resources->noted != NULL &&
		resources->sums != NULL && resources->blobs != NULL;
	return complete ? error : -ENOMEM;
}

int resources_create(struct resources **ret, struct device_state_file *file,
	struct device_state *state, const struct slice *slice) {
	struct resources *resources = calloc(1, sizeof(*resources));
	if (resources == NULL) {
		return -ENOMEM;
	}
	resources->file = file;
	resources->state = state;
	resources->slice = slice;
	resources->udmabuf = -1;
	int error = init(resources);
	if (error < 0) {
		resources_destroy(resources);
		return error;
	}
	records_restore(resources);
	*ret = resources;
	return 0;
}

static void unmap_all(struct resources *resources) {
	for (uint32_t i = 0; resources->mapped > 0 && i < DEVICE_STATE_RESOURCES_MAX; i++) {
		record_unmap(resources, i);
	}
}

void resources_destroy(struct resources *resources) {
	if (resources == NULL) {
		return;
	}
	unmap_all(resources);
	free(resources->blobs);
	heap_finish(&resources->storage);
	heap_finish(&resources->entries);
	free(resources->starts);
	free(resources->noted);
	records_forget_sums(resources);
	free(resources->sums);
	free(resources);
}

void resources_clear(struct resources *resources) {
	resources->state->gpu.epoch++;
	unmap_all(resources);
	heap_clear(&resources->storage);
	heap_clear(&resources->entries);
	memset(resources->buckets, 0, sizeof(resources->buckets));
	records_forget_sums(resources);
	resources->count = 0;
	resources->reserved.id = 0;
	resources->spare_len = 0;
	for (uint32_t i = DEVICE_STATE_RESOURCES_MAX; i-- > 0;) {
		resources->spare[resources->spare_len++] = (uint16_t)i;
	}
}

uint32_t resources_create_2d(struct resources *resources, uint32_t id, uint32_t format,
	uint32_t width, uint32_t height) {
	if (id == 0 || record_find(resources, id) != NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	if (record_format(format) == SCANOUT_NONE || width == 0 || height == 0 ||
		width > GPU_RESOURCE_SIZE_MAX || height > GPU_RESOURCE_SIZE_MAX) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	struct device_state_resource record = {
		.epoch = resources->state->gpu.epoch,
		.id = id,
		.format = format,
		.width = width,
		.height = height,
	};
	uint64_t bytes = record_bytes(&record);
	if (resources->spare_len == 0 || !heap_take(&resources->storage, bytes, &record.storage)) {
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	}
	// What an earlier resource held is never shown as this one's (CVE-2021-3545).
	memset(slice_range(resources->slice, record.storage, bytes), 0, bytes);
	uint32_t index = resources->spare[--resources->spare_len];
	record_change(resources, index, &record);
	record_enter(resources, index);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t resources_unref(struct resources *resources, uint32_t id) {
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	uint32_t index = record_index(resources, record);
	record_unmap(resources, index);
	if (record_has_storage(record)) {
		heap_free(&resources->storage, record->storage);
	}
	if (record->backing_count > 0) {
		heap_free(&resources->entries, record->backing_first);
	}
	record_leave(resources, index);
	record_change(resources, index, &(struct device_state_resource){0});
	resources->spare[resources->spare_len++] = (uint16_t)index;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

void record_forget_reserved(struct resources *resources) {
	if (resources->reserved.id != 0) {
		heap_free(&resources->entries, resources->reserved.first);
		resources->reserved.id = 0;
	}
}

uint32_t resources_reserve(struct resources *resources, uint32_t id, uint32_t entries,
	struct virtio_gpu_mem_entry **ret_untrusted) {
	record_forget_reserved(resources);
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	if (record->backing_count > 0) {
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
	return record_reserve(resources, id, entries, ret_untrusted);
}

uint32_t record_reserve(struct resources *resources, uint32_t id, uint32_t entries,
	struct virtio_gpu_mem_entry **ret_untrusted) {
	if (entries == 0 || entries > GPU_BACKING_ENTRIES_MAX) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	uint64_t first;
	if (!heap_take(&resources->entries, entries, &first)) {
		return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
	}
	resources->reserved.id = id;
	resources->reserved.first = (uint32_t)first;
	resources->reserved.count = entries;
	*ret_untrusted = (struct virtio_gpu_mem_entry *)&resources->file->store.backing[first];
	return VIRTIO_GPU_RESP_OK_NODATA;
}

_Static_assert(sizeof(struct virtio_gpu_mem_entry) == sizeof(struct device_state_backing) &&
		offsetof(struct virtio_gpu_mem_entry, addr) ==
			offsetof(struct device_state_backing, address) &&
		offsetof(struct virtio_gpu_mem_entry, length) ==
			offsetof(struct device_state_backing, length),
	"entries are kept as they come");

uint32_t record_take_reserved(struct resources *resources, struct device_state_resource *record) {
	uint32_t first = resources->reserved.first, count = resources->reserved.count;
	struct backing backing = {
		.entries = &resources->file->store.backing[first],
		.starts = &resources->starts[first],
		.count = count,
	};
	if (!backing_measure(backing.entries, count, &resources->starts[first]) ||
		backing_bytes(&backing) < record->blob) {
		record_forget_reserved(resources);
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	uint32_t merged = backing_merge(&resources->file->store.backing[first], count);
	backing_measure(backing.entries, merged, &resources->starts[first]);
	record_forget_reserved(resources);
	heap_claim(&resources->entries, first, merged);
	record->backing_first = first;
	record->backing_count = merged;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t resources_attach(struct resources *resources, uint32_t id) {
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL || resources->reserved.id != id) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	struct device_state_resource now = *record;
	uint32_t answer = record_take_reserved(resources, &now);
	if (answer == VIRTIO_GPU_RESP_OK_NODATA) {
		record_change(resources, record_index(resources, record), &now);
	}
	return answer;
}

uint32_t resources_detach(struct resources *resources, uint32_t id) {
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	if (record->backing_count == 0) {
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
	record_unmap(resources, record_index(resources, record));
	struct device_state_resource now = *record;
	heap_free(&resources->entries, now.backing_first);
	now.backing_first = 0;
	now.backing_count = 0;
	record_change(resources, record_index(resources, record), &now);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static bool rect_inside(const struct device_state_resource *record, const struct gpu_rect *rect) {
	return checked_range(rect->x, rect->width, record->width) &&
		checked_range(rect->y, rect->height, record->height);
}

bool resources_in_memory(
	const struct resources *resources, uint32_t id, const struct guest_memory *memory) {
	const struct device_state_resource *record = record_find(resources, id);
	struct backing backing = {0};
	if (record != NULL) {
		backing = record_backing(resources, record);
	}
	return backing_in_memory(&backing, memory);
}

uint32_t resources_transfer(struct resources *resources, uint32_t id, const struct gpu_rect *rect,
	uint64_t offset, const struct guest_memory *memory) {
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	return record->blob == 0 ? record_transfer(resources, record, rect, offset, memory)
				 : VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t record_transfer(struct resources *resources, const struct device_state_resource *record,
	const struct gpu_rect *rect, uint64_t offset, const struct guest_memory *memory) {
	struct backing backing = record_backing(resources, record);
	if (!rect_inside(record, rect) || backing.count == 0) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	if (rect->width == 0 || rect->height == 0) {
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
	struct picture picture = record_picture(resources, record);
	uint64_t length = picture_stride(&picture) * (rect->height - 1) +
		(uint64_t)rect->width * PICTURE_PIXEL;
	if (picture.pixels == NULL || !checked_range(offset, length, backing_bytes(&backing))) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	struct backing_reader reader;
	backing_reader_init(&reader, &backing, memory);
	transfer_copy(&picture, rect, &reader, offset,
		&resources->noted[record_index(resources, record)]);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t resources_flush(struct resources *resources, uint32_t id, const struct gpu_rect *rect,
	struct damage_boxes *ret) {
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	if (!rect_inside(record, rect)) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	const struct damage_box box = {rect->x, rect->y, rect->width, rect->height};
	damage_boxes_take(&resources->noted[record_index(resources, record)], &box, ret);
	return VIRTIO_GPU_RESP_OK_NODATA;
}

void resources_note(struct resources *resources, uint32_t id, const struct damage_boxes *boxes) {
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL) {
		return;
	}
	struct damage_boxes all = *boxes, inside;
	const struct damage_box whole = {.width = record->width, .height = record->height};
	damage_boxes_take(&all, &whole, &inside);
	damage_boxes_add_all(&resources->noted[record_index(resources, record)], &inside);
}

uint32_t resources_scanout(struct resources *resources, uint32_t id, const struct gpu_rect *rect,
	struct scanout *ret) {
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	uint64_t stride = record_stride(record);
	struct scanout scanout;
	if (!rect_inside(record, rect) ||
		!scanout_compute(resources->slice, resources->slice->limit,
			record_format(record->format), rect->width, rect->height, stride,
			record->storage + rect->y * stride + (uint64_t)rect->x * 4, &scanout)) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	scanout.flushed = true;
	*ret = scanout;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* The bytes of a pixel as little-endian ARGB8888. Linux makes its cursors with formats that
 * have no alpha, and means it nevertheless. */
static uint32_t cursor_pixel(uint32_t format, uint32_t pixel) {
	switch (record_format(format)) {
	case SCANOUT_BGRX8888:
		pixel = __builtin_bswap32(pixel);
		break;
	case SCANOUT_RGBX8888:
		pixel = pixel >> 8 | pixel << 24;
		break;
	case SCANOUT_XBGR8888:
		pixel = (pixel & 0xff00ff00) | (pixel & 0xff) << 16 | (pixel >> 16 & 0xff);
		break;
	default:
		break;
	}
	return pixel;
}

#define CURSOR_BYTES (RESOURCES_CURSOR_SIZE * RESOURCES_CURSOR_SIZE * 4)

/* A blob has no format: that is the cursor's only one. */
static uint32_t cursor_of_blob(struct resources *resources,
	const struct device_state_resource *record,
	uint32_t ret[RESOURCES_CURSOR_SIZE * RESOURCES_CURSOR_SIZE]) {
	const struct backing backing = record_backing(resources, record);
	struct backing_reader reader;
	if (record->blob < CURSOR_BYTES || backing.count == 0) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	backing_reader_init(&reader, &backing, &resources->memory);
	for (uint64_t offset = 0, length; offset < CURSOR_BYTES; offset += length) {
		const uint8_t *bytes = backing_read(&reader, offset, &length);
		length = length < CURSOR_BYTES - offset ? length : CURSOR_BYTES - offset;
		memcpy((uint8_t *)ret + offset, bytes, length);
	}
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t resources_cursor(struct resources *resources, uint32_t id,
	uint32_t ret[RESOURCES_CURSOR_SIZE * RESOURCES_CURSOR_SIZE]) {
	const struct device_state_resource *record = record_find(resources, id);
	if (record == NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	if (record->blob != 0) {
		return cursor_of_blob(resources, record, ret);
	}
	// One size and no arithmetic with the guest's (CVE-2021-4206, CVE-2021-4207).
	const uint32_t *pixels = slice_range(resources->slice, record->storage, CURSOR_BYTES);
	if (record->width != RESOURCES_CURSOR_SIZE || record->height != RESOURCES_CURSOR_SIZE ||
		pixels == NULL) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	for (unsigned i = 0; i < RESOURCES_CURSOR_SIZE * RESOURCES_CURSOR_SIZE; i++) {
		ret[i] = cursor_pixel(record->format, pixels[i]);
	}
	return VIRTIO_GPU_RESP_OK_NODATA;
}

void resources_usage(const struct resources *resources, uint32_t *ret_count, uint64_t *ret_bytes) {
	*ret_count = resources->count;
	*ret_bytes = resources->storage.used;
}
