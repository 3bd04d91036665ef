#include "backing.h"

#include <stddef.h>

#include "checked.h"

#define PAGE 4096 // guest memory is mapped in multiples of that

/* What a gap in guest memory reads as. */
static const uint8_t zeroes[PAGE];

bool backing_measure(
	const struct device_state_backing *entries, uint32_t count, uint32_t *ret_starts) {
	uint64_t sum = 0, end;
	for (uint32_t i = 0; i < count; i++) {
		ret_starts[i] = (uint32_t)sum;
		if (entries[i].length == 0 ||
			!checked_add(entries[i].address, entries[i].length, &end)) {
			return false;
		}
		sum += entries[i].length;
		if (sum > BACKING_BYTES_MAX) {
			return false;
		}
	}
	return true;
}

uint32_t backing_merge(struct device_state_backing *entries, uint32_t count) {
	uint32_t len = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct device_state_backing *last = len > 0 ? &entries[len - 1] : NULL;
		if (last != NULL && last->address + last->length == entries[i].address) {
			last->length += entries[i].length;
		} else {
			entries[len] = entries[i];
			entries[len++].reserved = 0;
		}
	}
	return len;
}

uint64_t backing_bytes(const struct backing *backing) {
	if (backing->count == 0) {
		return 0;
	}
	uint32_t last = backing->count - 1;
	return (uint64_t)backing->starts[last] + backing->entries[last].length;
}

static bool entry_in_memory(
	const struct device_state_backing *entry, const struct guest_memory *memory) {
	uint64_t done = 0;
	while (done < entry->length) {
		uint64_t length = entry->length - done;
		if (memory->resolve(memory->data, entry->address + done, &length) == NULL ||
			length == 0) {
			return false;
		}
		done += length;
	}
	return true;
}

bool backing_in_memory(const struct backing *backing, const struct guest_memory *memory) {
	for (uint32_t i = 0; i < backing->count; i++) {
		if (!entry_in_memory(&backing->entries[i], memory)) {
			return false;
		}
	}
	return true;
}

void backing_reader_init(struct backing_reader *reader, const struct backing *backing,
	const struct guest_memory *memory) {
	*reader = (struct backing_reader){.backing = *backing, .memory = memory};
}

static bool entry_has(const struct backing *backing, uint32_t i, uint64_t offset) {
	return offset >= backing->starts[i] &&
		offset - backing->starts[i] < backing->entries[i].length;
}

/* The last entry that starts at or before offset. */
static uint32_t find_entry(const struct backing *backing, uint64_t offset) {
	uint32_t low = 0, high = backing->count;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (backing->starts[middle] <= offset) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return low;
}

/* Mostly it is the next one, or one soon after it: rows follow each other. */
static uint32_t next_entry(struct backing_reader *reader, uint64_t offset) {
	const struct backing *backing = &reader->backing;
	uint32_t next = reader->entry + 1;
	if (next < backing->count && backing->starts[next] == offset) {
		return next;
	}
	for (uint32_t i = reader->entry; i < backing->count && i < reader->entry + 4; i++) {
		if (entry_has(backing, i, offset)) {
			return i;
		}
	}
	return find_entry(backing, offset);
}

/*
 * All of a map is resolved at once, and remembered: the pages of a frame lie in few maps.
 * The window of a map grows downwards, as its start is not known.
 */
static const struct backing_window *open_window(struct backing_reader *reader, uint64_t address) {
	uint64_t length = UINT64_MAX - address;
	const uint8_t *host = reader->memory->resolve(reader->memory->data, address, &length);
	if (host == NULL || length == 0) {
		return NULL;
	}
	struct backing_window *window = NULL;
	for (unsigned i = 0; i < BACKING_WINDOWS && window == NULL; i++) {
		struct backing_window *known = &reader->windows[i];
		// The same map, of which an upper part was known.
		if (known->length > 0 && host + length == known->host + known->length) {
			window = known;
		}
	}
	if (window == NULL) {
		window = &reader->windows[reader->next++ % BACKING_WINDOWS];
	}
	*window = (struct backing_window){address, length, host};
	return window;
}

static const struct backing_window *find_window(struct backing_reader *reader, uint64_t address) {
	for (unsigned i = 0; i < BACKING_WINDOWS; i++) {
		const struct backing_window *window = &reader->windows[i];
		if (address - window->address < window->length) {
			return window;
		}
	}
	return open_window(reader, address);
}

const uint8_t *backing_read(struct backing_reader *reader, uint64_t offset, uint64_t *ret_length) {
	const struct backing *backing = &reader->backing;
	reader->entry = next_entry(reader, offset);
	const struct device_state_backing *entry = &backing->entries[reader->entry];
	uint64_t within = offset - backing->starts[reader->entry];
	uint64_t address = entry->address + within, most = entry->length - within;
	const struct backing_window *window = find_window(reader, address);
	const uint8_t *host = zeroes;
	if (window != NULL) {
		uint64_t skip = address - window->address;
		host = window->host + skip;
		most = most < window->length - skip ? most : window->length - skip;
	} else {
		uint64_t page = PAGE - address % PAGE;
		most = most < page ? most : page;
	}
	*ret_length = most;
	return host;
}
