#ifndef GPU_PARTITION_BACKING_H
#define GPU_PARTITION_BACKING_H

#include <stdbool.h>
#include <stdint.h>

#include "device-state.h"
#include "guest-memory.h"

/*
 * The pages of guest memory behind one resource, as one run of bytes. Which entry has a
 * byte is found in the entries' offsets, that are summed up once.
 */

#define BACKING_BYTES_MAX UINT32_MAX // of one resource

struct backing {
	const struct device_state_backing *entries; // borrowed
	const uint32_t *starts;                     // borrowed: each entry's offset, in bytes
	uint32_t count;                             // entries; 0: no backing
};

/*
 * Checks entries and fills ret_starts. False where one is empty or wraps, or all together are
 * more than BACKING_BYTES_MAX.
 */
bool backing_measure(
	const struct device_state_backing *entries, uint32_t count, uint32_t *ret_starts);

/* Joins neighbours that lie one after the other in guest memory; all of them are as
 * backing_measure() wants them. Returns how many are left. */
uint32_t backing_merge(struct device_state_backing *entries, uint32_t count);

uint64_t backing_bytes(const struct backing *backing);

/* Whether all of it can be read now. */
bool backing_in_memory(const struct backing *backing, const struct guest_memory *memory);

/* A part of guest memory that was resolved. */
struct backing_window {
	uint64_t address, length;
	const uint8_t *host;
};

#define BACKING_WINDOWS 4

/* Reads a backing, for as long as no message of the VMM is handled. */
struct backing_reader {
	struct backing backing;
	const struct guest_memory *memory; // borrowed
	uint32_t entry;                    // that was used last
	uint32_t next;                     // window, to be replaced
	struct backing_window windows[BACKING_WINDOWS];
};

void backing_reader_init(struct backing_reader *reader, const struct backing *backing,
	const struct guest_memory *memory);

/*
 * The bytes at offset, which is below backing_bytes(), and as many after it as lie in one
 * piece: *ret_length, not 0. Never NULL: what is not mapped is zeroes. The guest may change
 * what lies there at any time.
 */
const uint8_t *backing_read(struct backing_reader *reader, uint64_t offset, uint64_t *ret_length);

#endif
