#ifndef TESTS_GUEST_GPU_H
#define TESTS_GUEST_GPU_H

#include <linux/virtio_gpu.h>

#include "guest-virtio.h"

/*
 * virtio-gpu's 2D commands, as a guest's driver gives them (virtio 1.3, 5.7.6), on top of
 * guest-virtio.h: requests by themselves, to be submitted many at once; calls that wait for
 * their answer; and pictures, which are a resource with its pages and are drawn into.
 *
 * Calls return the type of the answer, VIRTIO_GPU_RESP_OK_* or VIRTIO_GPU_RESP_ERR_*, or
 * -errno where none came. -EPROTO: the answer is too short, or does not echo the fence.
 */

#define GUEST_GPU_CONTROL 0 // queues
#define GUEST_GPU_CURSOR 1
#define GUEST_GPU_PAGE 4096

struct guest_gpu_rect {
	uint32_t x, y, width, height;
};

/* A command, ready to be submitted. */
struct guest_gpu_request {
	union {
		struct virtio_gpu_ctrl_hdr hdr;
		struct virtio_gpu_resource_create_2d create_2d;
		struct virtio_gpu_resource_unref unref;
		struct virtio_gpu_set_scanout set_scanout;
		struct virtio_gpu_resource_flush flush;
		struct virtio_gpu_transfer_to_host_2d transfer;
		struct virtio_gpu_resource_attach_backing attach;
		struct virtio_gpu_resource_detach_backing detach;
		struct virtio_gpu_cmd_get_edid edid;
		struct virtio_gpu_get_capset_info capset_info;
		struct virtio_gpu_update_cursor cursor;
		struct virtio_gpu_resource_create_blob create_blob;
		struct virtio_gpu_set_scanout_blob set_scanout_blob;
	};
	uint32_t size;
	uint32_t response_size; // room for the answer
	uint64_t payload;       // guest address of what follows: a backing's entries
	uint32_t payload_size;
};

struct guest_gpu_request guest_gpu_bare(enum virtio_gpu_ctrl_type type, uint32_t response_size);
struct guest_gpu_request guest_gpu_create_2d(
	uint32_t id, uint32_t format, uint32_t width, uint32_t height);
struct guest_gpu_request guest_gpu_unref(uint32_t id);
struct guest_gpu_request guest_gpu_attach(uint32_t id, uint64_t entries, uint32_t n);
struct guest_gpu_request guest_gpu_detach(uint32_t id);
struct guest_gpu_request guest_gpu_set_scanout(
	uint32_t scanout, uint32_t id, struct guest_gpu_rect rect);
/* In the guest's memory. */
struct guest_gpu_request guest_gpu_create_blob(
	uint32_t id, uint64_t size, uint64_t entries, uint32_t n);
/* Of a picture without gaps between its rows. */
struct guest_gpu_request guest_gpu_set_scanout_blob(uint32_t scanout, uint32_t id,
	struct guest_gpu_rect rect, uint32_t width, uint32_t height, uint32_t format);
struct guest_gpu_request guest_gpu_transfer(
	uint32_t id, struct guest_gpu_rect rect, uint64_t offset);
struct guest_gpu_request guest_gpu_flush(uint32_t id, struct guest_gpu_rect rect);
struct guest_gpu_request guest_gpu_get_edid(uint32_t scanout);
struct guest_gpu_request guest_gpu_update_cursor(
	uint32_t scanout, uint32_t id, uint32_t x, uint32_t y, uint32_t hot_x, uint32_t hot_y);
struct guest_gpu_request guest_gpu_move_cursor(uint32_t scanout, uint32_t x, uint32_t y);
/* The same, with a fence. */
struct guest_gpu_request guest_gpu_fenced(struct guest_gpu_request request, uint64_t fence);

/* Makes it available; see virtio_guest_submit(). */
int guest_gpu_submit(
	struct virtio_guest *guest, unsigned queue, const struct guest_gpu_request *request);
/* Submits and waits; the type of the answer. */
int guest_gpu_call(struct virtio_guest *guest, struct guest_gpu_request request);
/* Likewise on the cursor's queue. */
int guest_gpu_call_cursor(struct virtio_guest *guest, struct guest_gpu_request request);
/* With the answer: its first size bytes, the rest of them zero. */
int guest_gpu_query(
	struct virtio_guest *guest, struct guest_gpu_request request, void *ret, uint32_t size);
/* What a response says; -EPROTO where it is none. */
int guest_gpu_answer(const struct virtio_guest_response *response, struct virtio_gpu_ctrl_hdr *ret);

int guest_gpu_get_display_info(
	struct virtio_guest *guest, struct virtio_gpu_resp_display_info *ret);
int guest_gpu_read_edid(
	struct virtio_guest *guest, uint32_t scanout, struct virtio_gpu_resp_edid *ret);

/* events_read of the configuration; then they are cleared. */
uint32_t guest_gpu_take_events(struct virtio_guest *guest);
uint32_t guest_gpu_num_scanouts(struct virtio_guest *guest);

/* A resource of 32 bits a pixel, with pages. */
struct guest_gpu_picture {
	struct virtio_guest *guest; // borrowed
	uint32_t id, width, height;
	uint32_t stride;  // bytes
	uint64_t address; // of its pages
	uint32_t pages;
	bool scattered; // pages of 4 KiB, in a wild order; else in one piece
};

/* RESOURCE_CREATE_2D and RESOURCE_ATTACH_BACKING, of memory that is allocated; the first
 * answer that is not OK_NODATA, or that. */
int guest_gpu_picture_create(struct guest_gpu_picture *picture, struct virtio_guest *guest,
	uint32_t id, uint32_t format, uint32_t width, uint32_t height, bool scattered);
/* Likewise, by RESOURCE_CREATE_BLOB; needs VIRTIO_GPU_F_RESOURCE_BLOB. */
int guest_gpu_picture_create_blob(struct guest_gpu_picture *picture, struct virtio_guest *guest,
	uint32_t id, uint32_t width, uint32_t height, bool scattered);
/* Where a pixel lies: up to the end of its page at least. */
uint32_t *guest_gpu_picture_pixel(struct guest_gpu_picture *picture, uint32_t x, uint32_t y);
/* Draws, into the guest's memory. */
void guest_gpu_picture_fill(
	struct guest_gpu_picture *picture, struct guest_gpu_rect rect, uint32_t colour);
/* The requests for a rectangle of it. */
struct guest_gpu_request guest_gpu_picture_transfer(
	const struct guest_gpu_picture *picture, struct guest_gpu_rect rect);
/* Transfers and flushes; the first answer that is not OK_NODATA, or that. */
int guest_gpu_picture_update(struct guest_gpu_picture *picture, struct guest_gpu_rect rect);
struct guest_gpu_rect guest_gpu_picture_rect(const struct guest_gpu_picture *picture);

#endif
