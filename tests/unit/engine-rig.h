#ifndef TESTS_ENGINE_RIG_H
#define TESTS_ENGINE_RIG_H

#include "resources-blobs.h"

/*
 * The 2D engine without a device around it: a small slice, a state that is committed and
 * continued as a device does it, and guest memory in one piece, or with holes. There is no udmabuf:
 * blobs are copied.
 */

#define RIG_GUEST_BASE UINT64_C(0x40000000) // guest address of the memory's first byte
#define RIG_PAGE 4096

struct engine_rig {
	struct slice slice;
	struct device_state_file *file; // shared with processes that are forked
	struct device_state *state;     // the working copy
	struct resources *resources;
	uint8_t *guest;      // its memory
	uint64_t guest_size; // bytes
	uint64_t hole;       // guest address of a page that is not mapped; 0: none
	uint64_t resolved;   // calls so far
	struct guest_memory memory;
};

/* Aperture and heap are in bytes, a multiple of pages. */
void engine_rig_init(struct engine_rig *rig, uint64_t aperture, uint64_t heap, uint64_t guest);
void engine_rig_finish(struct engine_rig *rig);

/* What device_store_commit() does. */
void engine_rig_commit(struct engine_rig *rig);

/* The process dies, and another goes on. */
void engine_rig_restart(struct engine_rig *rig);

/* Gives a resource a backing of those entries, and commits. Returns the answer. */
uint32_t engine_rig_attach(struct engine_rig *rig, uint32_t id,
	const struct virtio_gpu_mem_entry *entries, uint32_t count);

/* A backing from the first byte of guest memory on. */
uint32_t engine_rig_attach_all(struct engine_rig *rig, uint32_t id, uint32_t bytes);

/* Makes a blob of those entries; does not commit. Returns the answer. */
uint32_t engine_rig_create_blob(struct engine_rig *rig, uint32_t id, uint64_t size,
	const struct virtio_gpu_mem_entry *entries, uint32_t count);

/* The record in force, or NULL. */
const struct device_state_resource *engine_rig_record(const struct engine_rig *rig, uint32_t id);

#endif
