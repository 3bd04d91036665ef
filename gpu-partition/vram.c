#include "vram.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"

void vram_init(struct vram *vram, uint64_t size) {
	*vram = (struct vram){.size = size};
}

void vram_finish(struct vram *vram) {
	for (size_t i = 0; i < vram->len; i++) {
		free(vram->slices[i].name);
	}
	free(vram->slices);
	*vram = (struct vram){0};
}

static uint64_t slice_end(const struct vram_slice *slice) {
	return slice->base + slice->limit;
}

/* The lowest gap that holds limit bytes, as the index of the slice that follows it. */
static int find_gap(
	const struct vram *vram, uint64_t limit, size_t *ret_index, uint64_t *ret_base) {
	uint64_t base = 0;
	for (size_t i = 0; i <= vram->len; i++) {
		uint64_t end = i < vram->len ? vram->slices[i].base : vram->size;
		if (base <= end && limit <= end - base) {
			*ret_index = i;
			*ret_base = base;
			return 0;
		}
		if (i < vram->len &&
			!checked_align(slice_end(&vram->slices[i]), VRAM_ALIGN, &base)) {
			break;
		}
	}
	return -ENOSPC;
}

/* Inserts a slice, which must have room there, before the one that has the index now. */
static int insert(struct vram *vram, size_t index, const char *name, uint64_t base, uint64_t limit,
	uint64_t aperture) {
	struct vram_slice *slices =
		reallocarray(vram->slices, vram->len + 1, sizeof(vram->slices[0]));
	if (slices == NULL) {
		return -ENOMEM;
	}
	vram->slices = slices;
	char *copy = strdup(name);
	if (copy == NULL) {
		return -ENOMEM;
	}
	memmove(&slices[index + 1], &slices[index], (vram->len - index) * sizeof(slices[0]));
	slices[index] = (struct vram_slice){copy, base, limit, aperture};
	vram->len++;
	return 0;
}

int vram_place(struct vram *vram, const char *name, uint64_t limit, uint64_t aperture,
	uint64_t *ret_base) {
	if (limit == 0 || aperture > limit) {
		return -EINVAL;
	}
	if (vram_find(vram, name) != NULL) {
		return -EEXIST;
	}
	size_t index;
	uint64_t base;
	int error = find_gap(vram, limit, &index, &base);
	if (error == 0) {
		error = insert(vram, index, name, base, limit, aperture);
	}
	if (error == 0) {
		*ret_base = base;
	}
	return error;
}

int vram_place_at(
	struct vram *vram, const char *name, uint64_t base, uint64_t limit, uint64_t aperture) {
	if (limit == 0 || aperture > limit || base % VRAM_ALIGN != 0 ||
		!checked_range(base, limit, vram->size)) {
		return -EINVAL;
	}
	if (vram_find(vram, name) != NULL) {
		return -EEXIST;
	}
	size_t index = 0;
	while (index < vram->len && vram->slices[index].base < base) {
		index++;
	}
	if ((index > 0 && slice_end(&vram->slices[index - 1]) > base) ||
		(index < vram->len && base + limit > vram->slices[index].base)) {
		return -EBUSY;
	}
	return insert(vram, index, name, base, limit, aperture);
}

const struct vram_slice *vram_find(const struct vram *vram, const char *name) {
	for (size_t i = 0; i < vram->len; i++) {
		if (strcmp(vram->slices[i].name, name) == 0) {
			return &vram->slices[i];
		}
	}
	return NULL;
}

void vram_release(struct vram *vram, const char *name) {
	const struct vram_slice *slice = vram_find(vram, name);
	if (slice == NULL) {
		return;
	}
	size_t index = (size_t)(slice - vram->slices);
	free(vram->slices[index].name);
	vram->len--;
	memmove(&vram->slices[index], &vram->slices[index + 1],
		(vram->len - index) * sizeof(vram->slices[0]));
}

uint64_t vram_free_bytes(const struct vram *vram) {
	uint64_t used = 0;
	for (size_t i = 0; i < vram->len; i++) {
		used += vram->slices[i].limit;
	}
	return vram->size - used;
}

static void print_range(FILE *out, const char *what, uint64_t from, uint64_t to) {
	const uint64_t mib = 1 << 20;
	if (from % mib == 0 && to % mib == 0) {
		fprintf(out, "%s %" PRIu64 " to %" PRIu64 " MiB", what, from / mib, to / mib);
	} else {
		fprintf(out, "%s %" PRIu64 " to %" PRIu64 " KiB", what, from / 1024, to / 1024);
	}
}

char *vram_describe(const struct vram *vram) {
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);
	if (out == NULL) {
		return NULL;
	}
	fprintf(out, "%" PRIu64 " MiB:", vram->size >> 20);
	const char *comma = "";
	uint64_t end = 0;
	for (size_t i = 0; i <= vram->len; i++) {
		uint64_t next = i < vram->len ? vram->slices[i].base : vram->size;
		if (next > end) {
			fputs(comma, out);
			print_range(out, " free", end, next);
			comma = ",";
		}
		if (i < vram->len) {
			fprintf(out, "%s '%s'", comma, vram->slices[i].name);
			end = slice_end(&vram->slices[i]);
			print_range(out, "", next, end);
			comma = ",";
		}
	}
	if (fclose(out) != 0) {
		free(line);
		return NULL;
	}
	return line;
}
