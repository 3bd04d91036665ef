#ifndef GPU_PARTITION_RESOURCES_RECORDS_H
#define GPU_PARTITION_RESOURCES_RECORDS_H

#include "backing.h"
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

/* Undoes what was not committed, and enters all that is in force. */
void records_restore(struct resources *resources);

struct backing record_backing(
	const struct resources *resources, const struct device_state_resource *record);

/* Without pixels where the slice does not have them. */
struct picture record_picture(
	const struct resources *resources, const struct device_state_resource *record);

uint64_t record_stride(const struct device_state_resource *record); // bytes
uint64_t record_bytes(const struct device_state_resource *record);

/* SCANOUT_NONE where VIRTIO_GPU_FORMAT_* is not known. */
enum scanout_format record_format(uint32_t format);

#endif
