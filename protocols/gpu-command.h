#ifndef PROTOCOLS_GPU_COMMAND_H
#define PROTOCOLS_GPU_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of virtio-gpu's wire structures and numbers: virtio 1.3, 5.7. Little-endian, as is
 * every host that mullion runs on. */
#include <linux/virtio_gpu.h>

/*
 * The only code that sees a guest's raw command bytes: they become a typed command, whose
 * every field is in range by itself. Whether ids exist and rectangles lie in their resource
 * is the engine's to say, as only it knows.
 */

#define GPU_COMMAND_SIZE_MAX 128      // bytes of a command that are looked at; entries come after
#define GPU_RESOURCE_SIZE_MAX 16384   // pixels in a direction
#define GPU_BACKING_ENTRIES_MAX 16384 // of one resource, as they come
#define GPU_BLOB_SIZE_MAX UINT32_MAX  // bytes

struct gpu_rect {
	uint32_t x, y, width, height; // pixels; x + width and y + height do not wrap
};

/* How the pixels of a picture lie in a blob. */
struct gpu_layout {
	uint32_t format;        // VIRTIO_GPU_FORMAT_*
	uint32_t width, height; // 1 to GPU_RESOURCE_SIZE_MAX
	uint32_t stride;        // bytes, at least a row's; a multiple of 4
	uint32_t offset;        // bytes; a multiple of 4
};

/* Bytes of a blob up to the end of the last pixel; does not wrap. */
uint64_t gpu_layout_end(const struct gpu_layout *layout);

struct gpu_command {
	enum virtio_gpu_ctrl_type type; // VIRTIO_GPU_CMD_*
	bool fenced;                    // the answer echoes fence_id, and comes when all is done
	uint64_t fence_id;
	uint32_t ctx_id;
	uint8_t ring_idx;
	union {
		struct {
			uint32_t resource, format; // VIRTIO_GPU_FORMAT_*; resource is not 0
			uint32_t width, height;    // 1 to GPU_RESOURCE_SIZE_MAX
		} create_2d;
		struct {
			uint32_t resource;
		} resource; // RESOURCE_UNREF, RESOURCE_DETACH_BACKING
		struct {
			uint32_t resource, entries; // 1 to GPU_BACKING_ENTRIES_MAX
		} attach;
		struct {
			uint32_t scanout;  // below VIRTIO_GPU_MAX_SCANOUTS
			uint32_t resource; // 0: off, and then rect is anything
			struct gpu_rect rect;
		} set_scanout;
		struct {
			uint32_t resource, entries; // 1 to GPU_BACKING_ENTRIES_MAX
			uint64_t size;              // bytes, 1 to GPU_BLOB_SIZE_MAX
		} create_blob;                      // in the guest's memory
		struct {
			uint32_t scanout;         // below VIRTIO_GPU_MAX_SCANOUTS
			uint32_t resource;        // 0: off, and then the rest is anything
			struct gpu_rect rect;     // in the layout's picture, and not empty
			struct gpu_layout layout; // ends below GPU_BLOB_SIZE_MAX
		} set_scanout_blob;
		struct {
			uint32_t resource;
			struct gpu_rect rect;
		} flush;
		struct {
			uint32_t resource;
			struct gpu_rect rect;
			uint64_t offset; // bytes into the backing of the rectangle's first pixel
		} transfer;
		struct {
			uint32_t scanout; // below VIRTIO_GPU_MAX_SCANOUTS
		} edid;
		struct {
			uint32_t index;
		} capset_info;
		struct {
			uint32_t scanout;      // below VIRTIO_GPU_MAX_SCANOUTS
			uint32_t x, y;         // pixels of the scanout; may lie far outside
			uint32_t resource;     // UPDATE_CURSOR only; 0: none
			uint32_t hot_x, hot_y; // likewise; clamped to 63
		} cursor;                      // UPDATE_CURSOR, MOVE_CURSOR
	};
};

/*
 * Turns the first size bytes of a command (all of it, up to GPU_COMMAND_SIZE_MAX; total is
 * the length of its whole readable part) into *ret. Returns VIRTIO_GPU_RESP_OK_NODATA, or
 * the VIRTIO_GPU_RESP_ERR_* that is the answer; the fence of *ret is set in every case, as
 * it is to be echoed.
 */
uint32_t gpu_command_decode(
	const void *untrusted, size_t size, size_t total, struct gpu_command *ret);

/* The header of the answer to a command: type, and what is echoed. */
struct virtio_gpu_ctrl_hdr gpu_response(const struct gpu_command *command, uint32_t type);

/* Bytes of the answer of that type, header included. */
size_t gpu_response_size(uint32_t type);

/* "RESOURCE_CREATE_2D", or NULL. */
const char *gpu_command_name(uint32_t type);

/* True for commands that the graphics VMM must see (mode sets, memory, contexts); false for
 * those that only draw. */
bool gpu_command_privileged(uint32_t type);

#endif
