#ifndef GPU_PARTITION_RESOURCES_H
#define GPU_PARTITION_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "damage-boxes.h"
#include "device-state.h"
#include "gpu-command.h"
#include "guest-memory.h"
#include "scanout.h"
#include "slice.h"

/*
 * A guest's 2D resources (virtio 1.3, 5.7.6.8): pictures whose host-side storage lies in the
 * heap of its slice, and the pages of guest memory from which they are filled. Blobs, which are
 * such pages alone, are in resources-blobs.h. The records
 * are kept in the state memfd, in place: a command changes at most one of them, and what it
 * was before stands in the undo record until the command is committed.
 *
 * Functions that carry out a command return its answer: VIRTIO_GPU_RESP_OK_NODATA or
 * VIRTIO_GPU_RESP_ERR_*; after an error nothing has changed.
 */

struct resources;

/*
 * On the records of file, of which those with the epoch of state (the working copy) are in
 * force; those that make no sense are dropped. An uncommitted command of an earlier process is
 * undone: so this comes before this process's first commit. What the earlier one had noted is
 * not known any more: of each all is noted. slice is borrowed. Returns 0 or -ENOMEM.
 */
int resources_create(struct resources **ret, struct device_state_file *file,
	struct device_state *state, const struct slice *slice);
/* Accepts NULL. The records stay. */
void resources_destroy(struct resources *resources);

/* None is left, as of the next commit: state gets a new epoch. */
void resources_clear(struct resources *resources);

/* A picture that is all zeroes. */
uint32_t resources_create_2d(
	struct resources *resources, uint32_t id, uint32_t format, uint32_t width, uint32_t height);
/*
 * The next resource may get its memory: the caller turns off every scanout that shows it, in
 * the same commit, and forgets a struct scanout of it.
 */
uint32_t resources_unref(struct resources *resources, uint32_t id);

/*
 * Makes room for the entries of a backing, into which the caller copies them as they came
 * before it calls resources_attach(), which checks them there; a room that is not attached is
 * taken back by the next one. A resource that has a backing must be detached first.
 */
uint32_t resources_reserve(struct resources *resources, uint32_t id, uint32_t entries,
	struct virtio_gpu_mem_entry **ret_untrusted);
uint32_t resources_attach(struct resources *resources, uint32_t id);
/* The picture stays, and may go on being scanned out. */
uint32_t resources_detach(struct resources *resources, uint32_t id);

/* Whether all pages behind a resource can be read now; true where there is no such resource, or
 * nothing behind it. */
bool resources_in_memory(
	const struct resources *resources, uint32_t id, const struct guest_memory *memory);

/*
 * Copies from the backing what differs, and notes where that was. A rectangle outside the
 * resource or bytes outside the backing are INVALID_PARAMETER; gaps in guest memory read as
 * zeroes. For a blob, which Linux transfers, too, there is nothing to do: its flush sees to it.
 */
uint32_t resources_transfer(struct resources *resources, uint32_t id, const struct gpu_rect *rect,
	uint64_t offset, const struct guest_memory *memory);

/* What was noted in rect since the last flush there, which is now to be shown. */
uint32_t resources_flush(struct resources *resources, uint32_t id, const struct gpu_rect *rect,
	struct damage_boxes *ret);

/*
 * Notes boxes, in pixels of the resource and perhaps beyond it, as a transfer does: the screen
 * shows something else there. Of a new resource everything is noted. No such resource: nothing
 * happens.
 */
void resources_note(struct resources *resources, uint32_t id, const struct damage_boxes *boxes);

/*
 * The tiles of boxes in which two resources differ; all of boxes where they have not the same
 * size and format, or one does not exist.
 */
void resources_differ(const struct resources *resources, uint32_t id, uint32_t other,
	const struct damage_boxes *boxes, struct damage_boxes *ret);

/* The scanout that shows rect of a resource; its changes are told (flushed is set). */
uint32_t resources_scanout(
	struct resources *resources, uint32_t id, const struct gpu_rect *rect, struct scanout *ret);

/* Copies a cursor of 64x64 pixels as little-endian ARGB8888, whatever the resource's format;
 * other sizes are refused. A blob is taken for ARGB8888 without gaps between its rows. */
#define RESOURCES_CURSOR_SIZE 64
uint32_t resources_cursor(struct resources *resources, uint32_t id,
	uint32_t ret[RESOURCES_CURSOR_SIZE * RESOURCES_CURSOR_SIZE]);

/* For status: how many there are, and the bytes of heap they take. */
void resources_usage(const struct resources *resources, uint32_t *ret_count, uint64_t *ret_bytes);

#endif
