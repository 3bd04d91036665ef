#include "engine-model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define NO_MEMORY VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER

#define HEAP_PAGES (MODEL_HEAP / RIG_PAGE)
#define APERTURE_BYTE 0x5a // nothing may write there

typedef unsigned __int128 wide;

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__,           \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void *allocate(size_t count, size_t size) {
	void *memory = calloc(count > 0 ? count : 1, size);
	CHECK(memory != NULL);
	return memory;
}

static struct model_resource *find(struct engine_model *model, uint32_t id) {
	for (unsigned i = 0; i < MODEL_RESOURCES; i++) {
		if (model->resources[i].id == id) {
			return &model->resources[i];
		}
	}
	return NULL;
}

static void drop(struct model_resource *resource) {
	free(resource->pixels);
	free(resource->changed);
	free(resource->entries);
	*resource = (struct model_resource){0};
}

void engine_model_init(struct engine_model *model, struct engine_rig *rig) {
	*model = (struct engine_model){.rig = rig};
	memset(rig->slice.map, APERTURE_BYTE, MODEL_APERTURE);
}

void engine_model_finish(struct engine_model *model) {
	for (unsigned i = 0; i < MODEL_RESOURCES; i++) {
		drop(&model->resources[i]);
	}
}

static size_t pixels_of(const struct model_resource *resource) {
	return (size_t)resource->width * resource->height;
}

static bool has_picture(const struct model_resource *resource) {
	return resource->id != 0 && (resource->blob == 0 || resource->copied);
}

static void change_all(struct model_resource *resource) {
	memset(resource->changed, true, pixels_of(resource));
}

/* Of so many pages in a row, none has a picture. */
static bool heap_has(const struct engine_model *model, uint64_t bytes) {
	bool taken[HEAP_PAGES] = {0};
	for (unsigned i = 0; i < MODEL_RESOURCES; i++) {
		const struct model_resource *resource = &model->resources[i];
		if (has_picture(resource)) {
			const struct device_state_resource *record =
				engine_rig_record(model->rig, resource->id);
			size_t first = (record->storage - MODEL_APERTURE) / RIG_PAGE;
			size_t end = first + (pixels_of(resource) * 4 + RIG_PAGE - 1) / RIG_PAGE;
			memset(&taken[first], true, end - first);
		}
	}
	uint64_t run = 0;
	for (unsigned i = 0; i < HEAP_PAGES; i++) {
		run = taken[i] ? 0 : run + 1;
		if (run * RIG_PAGE >= bytes) {
			return true;
		}
	}
	return false;
}

static uint32_t create(struct engine_model *model, const struct gpu_command *command, bool dies) {
	uint32_t id = command->create_2d.resource;
	if (find(model, id) != NULL) {
		return BAD_RESOURCE;
	}
	uint32_t width = command->create_2d.width, height = command->create_2d.height;
	if (!heap_has(model, (uint64_t)width * height * 4)) {
		return NO_MEMORY;
	}
	struct model_resource *resource = find(model, 0);
	CHECK(resource != NULL);
	if (!dies) {
		*resource = (struct model_resource){
			.id = id,
			.format = command->create_2d.format,
			.width = width,
			.height = height,
			.pixels = allocate((size_t)width * height, 4),
			.changed = allocate((size_t)width * height, sizeof(bool)),
		};
		change_all(resource);
	}
	return OK;
}

static wide sum_of(const struct virtio_gpu_mem_entry *entries, uint32_t count) {
	wide sum = 0;
	for (uint32_t i = 0; i < count; i++) {
		sum += entries[i].length;
	}
	return sum;
}

static bool attach(struct model_resource *resource, uint32_t count,
	const struct virtio_gpu_mem_entry *entries, bool dies) {
	wide sum = 0;
	for (uint32_t i = 0; i < count; i++) {
		sum += entries[i].length;
		if (entries[i].length == 0 ||
			(wide)entries[i].addr + entries[i].length > UINT64_MAX) {
			return false;
		}
	}
	if (sum > UINT32_MAX) {
		return false;
	}
	if (!dies) {
		resource->entries = allocate(count, sizeof(*entries));
		memcpy(resource->entries, entries, count * sizeof(*entries));
		resource->count = count;
	}
	return true;
}

static uint64_t backing_size(const struct model_resource *resource) {
	uint64_t sum = 0;
	for (uint32_t i = 0; resource->entries != NULL && i < resource->count; i++) {
		sum += resource->entries[i].length;
	}
	return sum;
}

static uint8_t guest_byte(const struct engine_rig *rig, uint64_t address) {
	bool mapped = address >= RIG_GUEST_BASE && address - RIG_GUEST_BASE < rig->guest_size &&
		address / RIG_PAGE * RIG_PAGE != rig->hole;
	return mapped ? rig->guest[address - RIG_GUEST_BASE] : 0;
}

static uint8_t backing_byte(
	const struct engine_rig *rig, const struct model_resource *resource, uint64_t offset) {
	uint32_t i = 0;
	while (offset >= resource->entries[i].length) {
		offset -= resource->entries[i++].length;
	}
	return guest_byte(rig, resource->entries[i].addr + offset);
}

static bool inside(const struct model_resource *resource, const struct gpu_rect *rect) {
	return (wide)rect->x + rect->width <= resource->width &&
		(wide)rect->y + rect->height <= resource->height;
}

static bool transfer(const struct engine_rig *rig, struct model_resource *resource,
	const struct gpu_rect *rect, uint64_t offset) {
	if (!inside(resource, rect) || resource->entries == NULL) {
		return false;
	}
	if (rect->width == 0 || rect->height == 0) {
		return true;
	}
	uint64_t stride = (uint64_t)resource->width * 4;
	if ((wide)offset + stride * (rect->height - 1) + rect->width * 4 > backing_size(resource)) {
		return false;
	}
	for (uint32_t y = 0; y < rect->height; y++) {
		for (uint32_t x = 0; x < rect->width * 4; x++) {
			size_t at = (rect->y + y) * stride + (size_t)rect->x * 4 + x;
			uint8_t byte = backing_byte(rig, resource, offset + y * stride + x);
			resource->changed[at / 4] |= resource->pixels[at] != byte;
			resource->pixels[at] = byte;
		}
	}
	return true;
}

static bool box_has(const struct damage_box *box, uint32_t x, uint32_t y) {
	return x >= box->x && x - box->x < box->width && y >= box->y && y - box->y < box->height;
}

/* All that changed in rect is told, and nothing outside of it. */
static void check_flush(struct model_resource *resource, const struct gpu_rect *rect,
	const struct damage_boxes *boxes) {
	CHECK(boxes->len <= DAMAGE_BOXES_MAX);
	for (size_t i = 0; i < boxes->len; i++) {
		const struct damage_box *box = &boxes->box[i];
		CHECK(box->width > 0 && box->height > 0);
		CHECK(box->x >= rect->x && box->x + box->width <= rect->x + rect->width);
		CHECK(box->y >= rect->y && box->y + box->height <= rect->y + rect->height);
	}
	for (uint32_t y = rect->y; y < rect->y + rect->height; y++) {
		for (uint32_t x = rect->x; x < rect->x + rect->width; x++) {
			bool *changed = &resource->changed[(size_t)y * resource->width + x];
			bool told = false;
			for (size_t i = 0; i < boxes->len && *changed; i++) {
				told = told || box_has(&boxes->box[i], x, y);
			}
			CHECK(!*changed || told);
			*changed = false;
		}
	}
}

static uint32_t run_flush(struct engine_model *model, const struct gpu_command *command) {
	struct model_resource *resource = find(model, command->flush.resource);
	struct damage_boxes boxes;
	uint32_t answer = resources_flush(
		model->rig->resources, command->flush.resource, &command->flush.rect, &boxes);
	if (resource == NULL || !inside(resource, &command->flush.rect)) {
		CHECK(answer == (resource == NULL ? BAD_RESOURCE : BAD_PARAMETER));
		return answer;
	}
	CHECK(answer == OK);
	check_flush(resource, &command->flush.rect, &boxes);
	return answer;
}

static uint32_t run_scanout(struct engine_model *model, const struct gpu_command *command) {
	uint32_t id = command->set_scanout.resource;
	struct model_resource *resource = find(model, id);
	const struct gpu_rect *rect = &command->set_scanout.rect;
	struct scanout scanout;
	uint32_t answer = resources_scanout(model->rig->resources, id, rect, &scanout);
	if (id == 0 || resource == NULL) {
		CHECK(answer == BAD_RESOURCE);
	} else if (!inside(resource, rect) || rect->width == 0 || rect->height == 0) {
		CHECK(answer == BAD_PARAMETER);
	} else {
		CHECK(answer == OK && scanout.flushed);
		const uint8_t *first = model->rig->slice.map + scanout.offset;
		for (uint32_t y = 0; y < scanout.height; y++) {
			const uint8_t *row = resource->pixels +
				((size_t)(rect->y + y) * resource->width + rect->x) * 4;
			CHECK(memcmp(first + (size_t)y * scanout.stride, row, scanout.width * 4) ==
				0);
		}
	}
	return answer;
}

static uint32_t run_cursor(struct engine_model *model, const struct gpu_command *command) {
	static uint32_t pixels[RESOURCES_CURSOR_SIZE * RESOURCES_CURSOR_SIZE];
	uint32_t id = command->cursor.resource;
	struct model_resource *resource = find(model, id);
	uint32_t answer = resources_cursor(model->rig->resources, id, pixels);
	if (id == 0 || resource == NULL) {
		CHECK(answer == BAD_RESOURCE);
	} else if (resource->blob != 0
			? resource->blob < sizeof(pixels) || resource->entries == NULL
			: resource->width != 64 || resource->height != 64) {
		CHECK(answer == BAD_PARAMETER);
	} else {
		CHECK(answer == OK);
	}
	return answer;
}

static uint32_t run_attach(struct engine_model *model, const struct gpu_command *command,
	const struct virtio_gpu_mem_entry *entries, bool dies) {
	struct virtio_gpu_mem_entry *room;
	struct resources *resources = model->rig->resources;
	uint32_t id = command->attach.resource, count = command->attach.entries;
	uint32_t answer = resources_reserve(resources, id, count, &room);
	if (answer == OK) {
		memcpy(room, entries, count * sizeof(*entries));
		answer = resources_attach(resources, id);
	}
	struct model_resource *resource = find(model, id);
	if (resource == NULL) {
		CHECK(answer == BAD_RESOURCE);
	} else if (resource->entries != NULL) {
		CHECK(answer == VIRTIO_GPU_RESP_ERR_UNSPEC);
	} else if (sum_of(entries, count) < resource->blob) {
		CHECK(answer == BAD_PARAMETER);
	} else {
		CHECK(answer == (attach(resource, count, entries, dies) ? OK : BAD_PARAMETER));
	}
	return answer;
}

static uint32_t run_transfer(struct engine_model *model, const struct gpu_command *command) {
	uint32_t id = command->transfer.resource;
	uint32_t answer = resources_transfer(model->rig->resources, id, &command->transfer.rect,
		command->transfer.offset, &model->rig->memory);
	struct model_resource *resource = find(model, id);
	if (resource == NULL) {
		CHECK(answer == BAD_RESOURCE);
	} else if (resource->blob != 0) {
		CHECK(answer == OK);
	} else {
		bool good = transfer(
			model->rig, resource, &command->transfer.rect, command->transfer.offset);
		CHECK(answer == (good ? OK : BAD_PARAMETER));
	}
	return answer;
}

static uint32_t run_detach(struct engine_model *model, uint32_t id, bool dies) {
	struct model_resource *resource = find(model, id);
	uint32_t answer = resources_detach(model->rig->resources, id);
	if (resource == NULL) {
		CHECK(answer == BAD_RESOURCE);
	} else if (resource->entries == NULL) {
		CHECK(answer == VIRTIO_GPU_RESP_ERR_UNSPEC);
	} else {
		CHECK(answer == OK);
		if (!dies) {
			free(resource->entries);
			resource->entries = NULL;
		}
	}
	return answer;
}

static uint32_t run_unref(struct engine_model *model, uint32_t id, bool dies) {
	struct model_resource *resource = find(model, id);
	uint32_t answer = resources_unref(model->rig->resources, id);
	CHECK(answer == (resource == NULL ? BAD_RESOURCE : OK));
	if (resource != NULL && !dies) {
		drop(resource);
	}
	return answer;
}

static uint32_t run_create_blob(struct engine_model *model, const struct gpu_command *command,
	const struct virtio_gpu_mem_entry *entries, bool dies) {
	uint32_t id = command->create_blob.resource, count = command->create_blob.entries;
	uint64_t size = command->create_blob.size;
	bool known = find(model, id) != NULL;
	struct model_resource made = {.id = id, .blob = size};
	uint32_t answer = engine_rig_create_blob(model->rig, id, size, entries, count);
	if (known) {
		CHECK(answer == BAD_RESOURCE);
	} else if (sum_of(entries, count) < size || !attach(&made, count, entries, false)) {
		CHECK(answer == BAD_PARAMETER);
	} else {
		CHECK(answer == OK);
		struct model_resource *resource = find(model, 0);
		CHECK(resource != NULL);
		*resource = made;
		if (dies) {
			drop(resource);
		}
	}
	return answer;
}

/* What resources_show_blob() is to answer. */
static uint32_t expect_show(const struct engine_model *model, const struct model_resource *resource,
	const struct gpu_layout *layout) {
	if (resource == NULL) {
		return BAD_RESOURCE;
	}
	wide end = (wide)layout->stride * (layout->height - 1) + (wide)layout->width * 4 +
		layout->offset;
	if (resource->blob == 0 || resource->entries == NULL || end > resource->blob ||
		layout->stride / 4 > GPU_RESOURCE_SIZE_MAX) {
		return BAD_PARAMETER;
	}
	bool same = resource->copied && resource->format == layout->format &&
		resource->width == layout->stride / 4 && resource->height == layout->height &&
		resource->offset == layout->offset;
	return same || heap_has(model, (uint64_t)layout->stride * layout->height) ? OK : NO_MEMORY;
}

/* The picture of a layout, if it is a new one. */
static void begin_picture(struct model_resource *resource, const struct gpu_layout *layout) {
	if (resource->copied && resource->format == layout->format &&
		resource->width == layout->stride / 4 && resource->height == layout->height &&
		resource->offset == layout->offset) {
		return;
	}
	free(resource->pixels);
	free(resource->changed);
	resource->copied = true;
	resource->format = layout->format;
	resource->width = layout->stride / 4;
	resource->height = layout->height;
	resource->offset = layout->offset;
	resource->pixels = allocate(pixels_of(resource), 4);
	resource->changed = allocate(pixels_of(resource), sizeof(bool));
	change_all(resource);
}

static uint32_t run_scanout_blob(
	struct engine_model *model, const struct gpu_command *command, bool dies) {
	uint32_t id = command->set_scanout_blob.resource;
	const struct gpu_layout *layout = &command->set_scanout_blob.layout;
	const struct gpu_rect *rect = &command->set_scanout_blob.rect;
	if (id == 0) {
		return OK;
	}
	struct model_resource *resource = find(model, id);
	uint32_t expected = expect_show(model, resource, layout);
	CHECK(resources_show_blob(model->rig->resources, id, layout) == expected);
	CHECK(!resources_is_mapped(model->rig->resources, id));
	if (expected != OK || dies) {
		return expected;
	}
	begin_picture(resource, layout);
	resources_refresh(model->rig->resources, id, rect);
	CHECK(transfer(model->rig, resource, rect,
		layout->offset + (uint64_t)rect->y * layout->stride + rect->x * 4));
	return OK;
}

static uint32_t run(struct engine_model *model, const struct gpu_command *command,
	const struct virtio_gpu_mem_entry *entries, bool dies) {
	uint32_t expected;
	switch (command->type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		expected = create(model, command, true);
		CHECK(resources_create_2d(model->rig->resources, command->create_2d.resource,
			      command->create_2d.format, command->create_2d.width,
			      command->create_2d.height) == expected);
		return expected == OK ? create(model, command, dies) : expected;
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
		return run_unref(model, command->resource.resource, dies);
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		return run_detach(model, command->resource.resource, dies);
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		return run_attach(model, command, entries, dies);
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		return run_transfer(model, command);
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		return run_flush(model, command);
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		return run_scanout(model, command);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		return run_create_blob(model, command, entries, dies);
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		return run_scanout_blob(model, command, dies);
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
		return run_cursor(model, command);
	default:
		return OK;
	}
}

uint32_t engine_model_run(struct engine_model *model, const struct gpu_command *command,
	const struct virtio_gpu_mem_entry *entries, bool dies) {
	uint32_t answer = run(model, command, entries, dies);
	if (dies) {
		engine_model_restart(model);
	} else {
		engine_rig_commit(model->rig);
	}
	return answer;
}

void engine_model_clear(struct engine_model *model, bool dies) {
	resources_clear(model->rig->resources);
	if (dies) {
		engine_model_restart(model);
		return;
	}
	for (unsigned i = 0; i < MODEL_RESOURCES; i++) {
		drop(&model->resources[i]);
	}
	engine_rig_commit(model->rig);
}

void engine_model_restart(struct engine_model *model) {
	engine_rig_restart(model->rig);
	for (unsigned i = 0; i < MODEL_RESOURCES; i++) {
		if (has_picture(&model->resources[i])) {
			change_all(&model->resources[i]);
		}
	}
}

void engine_model_check(struct engine_model *model) {
	const struct slice *slice = &model->rig->slice;
	uint32_t count = 0, expected = 0;
	uint64_t bytes, expected_bytes = 0;
	bool taken[HEAP_PAGES] = {0};
	for (unsigned i = 0; i < MODEL_RESOURCES; i++) {
		const struct model_resource *resource = &model->resources[i];
		if (resource->id == 0) {
			continue;
		}
		expected++;
		const struct device_state_resource *record =
			engine_rig_record(model->rig, resource->id);
		CHECK(record != NULL && record->storage % RIG_PAGE == 0);
		if (!has_picture(resource)) {
			CHECK(record->width == 0 && record->blob == resource->blob);
			continue;
		}
		CHECK(record->storage >= slice->aperture);
		size_t size = pixels_of(resource) * 4;
		size_t pages = (size + RIG_PAGE - 1) / RIG_PAGE;
		CHECK(record->storage + pages * RIG_PAGE <= slice->limit);
		for (size_t n = 0; n < pages; n++) {
			bool *page = &taken[(record->storage - slice->aperture) / RIG_PAGE + n];
			CHECK(!*page);
			*page = true;
		}
		CHECK(memcmp(slice->map + record->storage, resource->pixels, size) == 0);
		expected_bytes += pages * RIG_PAGE;
	}
	resources_usage(model->rig->resources, &count, &bytes);
	CHECK(count == expected && bytes == expected_bytes);
	// Every byte is the first one.
	CHECK(slice->map[0] == APERTURE_BYTE);
	CHECK(memcmp(slice->map, slice->map + 1, slice->aperture - 1) == 0);
}
