#ifndef GPU_PARTITION_RESOURCES_RECORDS_H
#define GPU_PARTITION_RESOURCES_RECORDS_H

#include "backing.h"
#include "blob.h"
#include "heap.h"
#include "picture.h"
#include "resources.h"

/*
 * The inside of struct resources: records by id, and what is known of them beyond their
 * record. All of it is made again from the records by the next process.
 */

#define RESOURCES_BUCKETS 1024
#define RESOURCES_ALIGN 4096 // bytes: storage begins on a page

struct resources {
	struct device_state_file *file; // borrowed
	struct device_state *state;     // borrowed: the working copy
	const struct slice *slice;      // borrowed
	struct heap storage;            // bytes of the slice
	struct heap entries;            // of the table of backings
	uint32_t *starts;               // owned: of each entry, see struct backing
	struct damage_boxes *noted;     // owned: of each record
	struct tile_sum **sums;         // owned, and so are those of each record; or NULL
	struct tile_key key;            // of all sums
	struct blob **blobs;            // owned: of each record, NULL where it is not mapped
	unsigned mapped;                // of them
	uint64_t mapped_bytes;          // likewise
	uint64_t serial;                // of the last one
	struct guest_memory memory;     // of resources_start(), and until then nothing
	int udmabuf;                    // borrowed, or -1
	uint32_t count;
	uint16_t buckets[RESOURCES_BUCKETS];        // by id: a record's index + 1, or 0
	uint16_t next[DEVICE_STATE_RESOURCES_MAX];  // in the bucket, likewise
	uint16_t spare[DEVICE_STATE_RESOURCES_MAX]; // indexes without a resource
	uint32_t spare_len;
	struct {
		uint32_t id; // 0: no room is made
		uint32_t first, count;
	} reserved;
};

/* A record in force, or NULL. Changed only through record_change(). */
const struct device_state_resource *record_find(const struct resources *resources, uint32_t id);

uint32_t record_index(
	const struct resources *resources, const struct device_state_resource *record);

/* What the record was stands in the undo record before it changes. */
void record_change(
	struct resources *resources, uint32_t index, const struct device_state_resource *now);

/* Into and out of all but the record. */
void record_enter(struct resources *resources, uint32_t index);
void record_leave(struct resources *resources, uint32_t index);

/* Of all records, as long as none of them is entered. */
void records_forget_sums(struct resources *resources);
/* Its picture is a new one: all of it is to be shown, and no sums are known. */
void record_begin_picture(struct resources *resources, uint32_t index);

/* Lets go of the mapping of a blob. */
void record_unmap(struct resources *resources, uint32_t index);

/* Room for a backing, which becomes that of *record, checked; or is given back. */
uint32_t record_reserve(struct resources *resources, uint32_t id, uint32_t entries,
	struct virtio_gpu_mem_entry **ret_untrusted);
uint32_t record_take_reserved(struct resources *resources, struct device_state_resource *record);
void record_forget_reserved(struct resources *resources);

/* resources_transfer(), of any record with storage. */
uint32_t record_transfer(struct resources *resources, const struct device_state_resource *record,
	const struct gpu_rect *rect, uint64_t offset, const struct guest_memory *memory);

/* Undoes what was not committed, and enters all that is in force. */
void records_restore(struct resources *resources);

struct backing record_backing(
	const struct resources *resources, const struct device_state_resource *record);

/* Without pixels where the slice does not have them. */
struct picture record_picture(
	const struct resources *resources, const struct device_state_resource *record);
/* False for a blob that is not copied, which also has no format and no size. */
bool record_has_storage(const struct device_state_resource *record);

uint64_t record_stride(const struct device_state_resource *record); // bytes
uint64_t record_bytes(const struct device_state_resource *record);

/* SCANOUT_NONE where VIRTIO_GPU_FORMAT_* is not known. */
enum scanout_format record_format(uint32_t format);

#endif
