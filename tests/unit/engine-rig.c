#include "engine-rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memfd.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void *shared(uint64_t size) {
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(map != MAP_FAILED);
	return map;
}

static const void *resolve(void *data, uint64_t address, uint64_t *length) {
	struct engine_rig *rig = data;
	rig->resolved++;
	uint64_t end = RIG_GUEST_BASE + rig->guest_size;
	if (address < RIG_GUEST_BASE || address >= end ||
		address / RIG_PAGE * RIG_PAGE == rig->hole) {
		return NULL;
	}
	if (rig->hole > address && rig->hole < end) {
		end = rig->hole;
	}
	*length = *length < end - address ? *length : end - address;
	return rig->guest + (address - RIG_GUEST_BASE);
}

static void open_resources(struct engine_rig *rig) {
	CHECK(resources_create(&rig->resources, rig->file, rig->state, &rig->slice) == 0);
	resources_start(rig->resources, -1, &rig->memory);
}

void engine_rig_init(struct engine_rig *rig, uint64_t aperture, uint64_t heap, uint64_t guest) {
	*rig = (struct engine_rig){.guest_size = guest};
	uint64_t limit = aperture + heap;
	CHECK(slice_init(&rig->slice, memfd_create_sealed("slice", limit), 0, limit, aperture) ==
		0);
	rig->file = shared(DEVICE_STATE_SIZE);
	rig->guest = shared(guest);
	rig->memory = (struct guest_memory){.resolve = resolve, .data = rig};
	rig->state = calloc(1, sizeof(*rig->state));
	CHECK(rig->state != NULL);
	engine_rig_commit(rig);
	open_resources(rig);
}

void engine_rig_finish(struct engine_rig *rig) {
	resources_destroy(rig->resources);
	free(rig->state);
	munmap(rig->guest, rig->guest_size);
	munmap(rig->file, DEVICE_STATE_SIZE);
	slice_finish(&rig->slice);
}

void engine_rig_commit(struct engine_rig *rig) {
	uint64_t commit = rig->file->commit + 1;
	rig->file->slots[commit % 2].state = *rig->state;
	__atomic_store_n(&rig->file->commit, commit, __ATOMIC_SEQ_CST);
}

void engine_rig_restart(struct engine_rig *rig) {
	resources_destroy(rig->resources);
	*rig->state = rig->file->slots[rig->file->commit % 2].state;
	open_resources(rig);
}

uint32_t engine_rig_attach(struct engine_rig *rig, uint32_t id,
	const struct virtio_gpu_mem_entry *entries, uint32_t count) {
	struct virtio_gpu_mem_entry *room;
	uint32_t answer = resources_reserve(rig->resources, id, count, &room);
	if (answer == VIRTIO_GPU_RESP_OK_NODATA) {
		memcpy(room, entries, count * sizeof(*entries));
		answer = resources_attach(rig->resources, id);
	}
	engine_rig_commit(rig);
	return answer;
}

uint32_t engine_rig_attach_all(struct engine_rig *rig, uint32_t id, uint32_t bytes) {
	const struct virtio_gpu_mem_entry entry = {.addr = RIG_GUEST_BASE, .length = bytes};
	return engine_rig_attach(rig, id, &entry, 1);
}

uint32_t engine_rig_create_blob(struct engine_rig *rig, uint32_t id, uint64_t size,
	const struct virtio_gpu_mem_entry *entries, uint32_t count) {
	struct virtio_gpu_mem_entry *room;
	uint32_t answer = resources_reserve_blob(rig->resources, id, count, &room);
	if (answer == VIRTIO_GPU_RESP_OK_NODATA) {
		memcpy(room, entries, count * sizeof(*entries));
		answer = resources_create_blob(rig->resources, id, size);
	}
	return answer;
}

const struct device_state_resource *engine_rig_record(const struct engine_rig *rig, uint32_t id) {
	for (uint32_t i = 0; i < DEVICE_STATE_RESOURCES_MAX; i++) {
		const struct device_state_resource *record = &rig->file->store.resources[i];
		if (record->id == id && record->epoch == rig->state->gpu.epoch) {
			return record;
		}
	}
	return NULL;
}
