#include "guest-gpu.h"

#include <errno.h>
#include <string.h>

/* A request of a type; the rest of its structure is for the caller. */
static struct guest_gpu_request begin(enum virtio_gpu_ctrl_type type, size_t size) {
	return (struct guest_gpu_request){
		.hdr.type = type,
		.size = (uint32_t)size,
		.response_size = sizeof(struct virtio_gpu_ctrl_hdr),
	};
}

static struct virtio_gpu_rect wire(struct guest_gpu_rect rect) {
	return (struct virtio_gpu_rect){rect.x, rect.y, rect.width, rect.height};
}

struct guest_gpu_request guest_gpu_bare(enum virtio_gpu_ctrl_type type, uint32_t response_size) {
	struct guest_gpu_request request = begin(type, sizeof(request.hdr));
	request.response_size = response_size;
	return request;
}

struct guest_gpu_request guest_gpu_create_2d(
	uint32_t id, uint32_t format, uint32_t width, uint32_t height) {
	struct guest_gpu_request request =
		begin(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, sizeof(request.create_2d));
	request.create_2d.resource_id = id;
	request.create_2d.format = format;
	request.create_2d.width = width;
	request.create_2d.height = height;
	return request;
}

struct guest_gpu_request guest_gpu_unref(uint32_t id) {
	struct guest_gpu_request request =
		begin(VIRTIO_GPU_CMD_RESOURCE_UNREF, sizeof(request.unref));
	request.unref.resource_id = id;
	return request;
}

struct guest_gpu_request guest_gpu_attach(uint32_t id, uint64_t entries, uint32_t n) {
	struct guest_gpu_request request =
		begin(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, sizeof(request.attach));
	request.attach.resource_id = id;
	request.attach.nr_entries = n;
	request.payload = entries;
	request.payload_size = n * (uint32_t)sizeof(struct virtio_gpu_mem_entry);
	return request;
}

struct guest_gpu_request guest_gpu_detach(uint32_t id) {
	struct guest_gpu_request request =
		begin(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, sizeof(request.detach));
	request.detach.resource_id = id;
	return request;
}

struct guest_gpu_request guest_gpu_set_scanout(
	uint32_t scanout, uint32_t id, struct guest_gpu_rect rect) {
	struct guest_gpu_request request =
		begin(VIRTIO_GPU_CMD_SET_SCANOUT, sizeof(request.set_scanout));
	request.set_scanout.scanout_id = scanout;
	request.set_scanout.resource_id = id;
	request.set_scanout.r = wire(rect);
	return request;
}

struct guest_gpu_request guest_gpu_create_blob(
	uint32_t id, uint64_t size, uint64_t entries, uint32_t n) {
	struct guest_gpu_request request =
		begin(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, sizeof(request.create_blob));
	request.create_blob.resource_id = id;
	request.create_blob.blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST;
	request.create_blob.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE;
	request.create_blob.nr_entries = n;
	request.create_blob.size = size;
	request.payload = entries;
	request.payload_size = n * (uint32_t)sizeof(struct virtio_gpu_mem_entry);
	return request;
}

struct guest_gpu_request guest_gpu_set_scanout_blob(uint32_t scanout, uint32_t id,
	struct guest_gpu_rect rect, uint32_t width, uint32_t height, uint32_t format) {
	struct guest_gpu_request request =
		begin(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, sizeof(request.set_scanout_blob));
	request.set_scanout_blob.scanout_id = scanout;
	request.set_scanout_blob.resource_id = id;
	request.set_scanout_blob.r = wire(rect);
	request.set_scanout_blob.width = width;
	request.set_scanout_blob.height = height;
	request.set_scanout_blob.format = format;
	request.set_scanout_blob.strides[0] = 4 * width;
	return request;
}

struct guest_gpu_request guest_gpu_transfer(
	uint32_t id, struct guest_gpu_rect rect, uint64_t offset) {
	struct guest_gpu_request request =
		begin(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, sizeof(request.transfer));
	request.transfer.resource_id = id;
	request.transfer.r = wire(rect);
	request.transfer.offset = offset;
	return request;
}

struct guest_gpu_request guest_gpu_flush(uint32_t id, struct guest_gpu_rect rect) {
	struct guest_gpu_request request =
		begin(VIRTIO_GPU_CMD_RESOURCE_FLUSH, sizeof(request.flush));
	request.flush.resource_id = id;
	request.flush.r = wire(rect);
	return request;
}

struct guest_gpu_request guest_gpu_get_edid(uint32_t scanout) {
	struct guest_gpu_request request = begin(VIRTIO_GPU_CMD_GET_EDID, sizeof(request.edid));
	request.edid.scanout = scanout;
	request.response_size = sizeof(struct virtio_gpu_resp_edid);
	return request;
}

struct guest_gpu_request guest_gpu_update_cursor(
	uint32_t scanout, uint32_t id, uint32_t x, uint32_t y, uint32_t hot_x, uint32_t hot_y) {
	struct guest_gpu_request request =
		begin(VIRTIO_GPU_CMD_UPDATE_CURSOR, sizeof(request.cursor));
	request.cursor.pos.scanout_id = scanout;
	request.cursor.pos.x = x;
	request.cursor.pos.y = y;
	request.cursor.resource_id = id;
	request.cursor.hot_x = hot_x;
	request.cursor.hot_y = hot_y;
	return request;
}

struct guest_gpu_request guest_gpu_move_cursor(uint32_t scanout, uint32_t x, uint32_t y) {
	struct guest_gpu_request request = guest_gpu_update_cursor(scanout, 0, x, y, 0, 0);
	request.hdr.type = VIRTIO_GPU_CMD_MOVE_CURSOR;
	return request;
}

struct guest_gpu_request guest_gpu_fenced(struct guest_gpu_request request, uint64_t fence) {
	request.hdr.flags |= VIRTIO_GPU_FLAG_FENCE;
	request.hdr.fence_id = fence;
	return request;
}

/* Calls. */

int guest_gpu_submit(
	struct virtio_guest *guest, unsigned queue, const struct guest_gpu_request *request) {
	const struct virtio_guest_request plain = {
		.bytes = &request->hdr,
		.size = request->size,
		.payload = request->payload,
		.payload_size = request->payload_size,
		.response_size = request->response_size,
	};
	return virtio_guest_submit(guest, queue, &plain);
}

int guest_gpu_answer(
	const struct virtio_guest_response *response, struct virtio_gpu_ctrl_hdr *ret) {
	if (response->size < sizeof(*ret)) {
		return -EPROTO;
	}
	memcpy(ret, response->bytes, sizeof(*ret));
	return (int)ret->type;
}

static int call(struct virtio_guest *guest, unsigned queue, const struct guest_gpu_request *request,
	struct virtio_guest_response *ret) {
	struct virtio_gpu_ctrl_hdr hdr;
	if (guest->queues[queue].in_flight > 0) {
		return -EBUSY;
	}
	int result = guest_gpu_submit(guest, queue, request);
	if (result >= 0) {
		result = virtio_guest_kick(guest, queue);
	}
	if (result >= 0) {
		result = virtio_guest_wait(guest, queue, ret);
	}
	if (result >= 0) {
		result = guest_gpu_answer(ret, &hdr);
	}
	bool fenced = (request->hdr.flags & VIRTIO_GPU_FLAG_FENCE) != 0;
	if (result >= 0 && fenced &&
		((hdr.flags & VIRTIO_GPU_FLAG_FENCE) == 0 ||
			hdr.fence_id != request->hdr.fence_id)) {
		guest->complaint = "an answer does not echo its fence";
		result = -EPROTO;
	}
	return result;
}

int guest_gpu_query(
	struct virtio_guest *guest, struct guest_gpu_request request, void *ret, uint32_t size) {
	struct virtio_guest_response response;
	int result = call(guest, GUEST_GPU_CONTROL, &request, &response);
	memset(ret, 0, size);
	if (result >= 0) {
		memcpy(ret, response.bytes, response.size < size ? response.size : size);
	}
	return result;
}

int guest_gpu_call(struct virtio_guest *guest, struct guest_gpu_request request) {
	struct virtio_guest_response response;
	return call(guest, GUEST_GPU_CONTROL, &request, &response);
}

int guest_gpu_call_cursor(struct virtio_guest *guest, struct guest_gpu_request request) {
	struct virtio_guest_response response;
	return call(guest, GUEST_GPU_CURSOR, &request, &response);
}

int guest_gpu_get_display_info(
	struct virtio_guest *guest, struct virtio_gpu_resp_display_info *ret) {
	return guest_gpu_query(guest, guest_gpu_bare(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, sizeof(*ret)),
		ret, sizeof(*ret));
}

int guest_gpu_read_edid(
	struct virtio_guest *guest, uint32_t scanout, struct virtio_gpu_resp_edid *ret) {
	return guest_gpu_query(guest, guest_gpu_get_edid(scanout), ret, sizeof(*ret));
}

static uint32_t read_config(struct virtio_guest *guest, size_t offset) {
	return (uint32_t)virtio_guest_read(guest, &guest->device, (uint32_t)offset, 4);
}

uint32_t guest_gpu_take_events(struct virtio_guest *guest) {
	uint32_t events = read_config(guest, offsetof(struct virtio_gpu_config, events_read));
	virtio_guest_write(
		guest, &guest->device, offsetof(struct virtio_gpu_config, events_clear), events, 4);
	return events;
}

uint32_t guest_gpu_num_scanouts(struct virtio_guest *guest) {
	return read_config(guest, offsetof(struct virtio_gpu_config, num_scanouts));
}

/* Pictures. */

/* Which of its pages a page of the picture is: none is followed by its neighbour. */
static uint32_t page_at(const struct guest_gpu_picture *picture, uint32_t page) {
	return picture->scattered ? picture->pages - 1 - page : page;
}

static uint32_t make_entries(
	const struct guest_gpu_picture *picture, struct virtio_gpu_mem_entry *ret) {
	if (!picture->scattered) {
		*ret = (struct virtio_gpu_mem_entry){
			.addr = picture->address, .length = picture->pages * GUEST_GPU_PAGE};
		return 1;
	}
	for (uint32_t i = 0; i < picture->pages; i++) {
		ret[i] = (struct virtio_gpu_mem_entry){
			.addr = picture->address + (uint64_t)page_at(picture, i) * GUEST_GPU_PAGE,
			.length = GUEST_GPU_PAGE,
		};
	}
	return picture->pages;
}

/* Its memory, and the entries that say where that is. */
static int allocate_pages(
	struct guest_gpu_picture *picture, uint64_t *ret_entries, uint32_t *ret_n) {
	struct virtio_guest *guest = picture->guest;
	uint64_t size = (uint64_t)picture->stride * picture->height;
	picture->pages = (uint32_t)((size + GUEST_GPU_PAGE - 1) / GUEST_GPU_PAGE);
	picture->address = virtio_guest_alloc(
		guest, (uint64_t)picture->pages * GUEST_GPU_PAGE, GUEST_GPU_PAGE);
	*ret_entries =
		virtio_guest_alloc(guest, picture->pages * sizeof(struct virtio_gpu_mem_entry), 16);
	if (picture->address == 0 || *ret_entries == 0) {
		return -ENOMEM;
	}
	*ret_n = make_entries(picture, virtio_guest_at(guest, *ret_entries, 0));
	return 0;
}

static int attach_pages(struct guest_gpu_picture *picture) {
	uint64_t entries;
	uint32_t n;
	int error = allocate_pages(picture, &entries, &n);
	return error < 0
		? error
		: guest_gpu_call(picture->guest, guest_gpu_attach(picture->id, entries, n));
}

int guest_gpu_picture_create_blob(struct guest_gpu_picture *picture, struct virtio_guest *guest,
	uint32_t id, uint32_t width, uint32_t height, bool scattered) {
	*picture = (struct guest_gpu_picture){
		.guest = guest,
		.id = id,
		.width = width,
		.height = height,
		.stride = 4 * width,
		.scattered = scattered,
	};
	uint64_t entries;
	uint32_t n;
	int error = allocate_pages(picture, &entries, &n);
	if (error < 0) {
		return error;
	}
	uint64_t size = (uint64_t)picture->pages * GUEST_GPU_PAGE;
	return guest_gpu_call(guest, guest_gpu_create_blob(id, size, entries, n));
}

int guest_gpu_picture_create(struct guest_gpu_picture *picture, struct virtio_guest *guest,
	uint32_t id, uint32_t format, uint32_t width, uint32_t height, bool scattered) {
	*picture = (struct guest_gpu_picture){
		.guest = guest,
		.id = id,
		.width = width,
		.height = height,
		.stride = 4 * width,
		.scattered = scattered,
	};
	int result = guest_gpu_call(guest, guest_gpu_create_2d(id, format, width, height));
	return result == VIRTIO_GPU_RESP_OK_NODATA ? attach_pages(picture) : result;
}

uint32_t *guest_gpu_picture_pixel(struct guest_gpu_picture *picture, uint32_t x, uint32_t y) {
	uint64_t offset = (uint64_t)picture->stride * y + 4 * (uint64_t)x;
	uint32_t page = page_at(picture, (uint32_t)(offset / GUEST_GPU_PAGE));
	return virtio_guest_at(picture->guest,
		picture->address + (uint64_t)page * GUEST_GPU_PAGE + offset % GUEST_GPU_PAGE, 4);
}

void guest_gpu_picture_fill(
	struct guest_gpu_picture *picture, struct guest_gpu_rect rect, uint32_t colour) {
	for (uint32_t y = rect.y; y < rect.y + rect.height; y++) {
		for (uint32_t x = rect.x; x < rect.x + rect.width; x++) {
			*guest_gpu_picture_pixel(picture, x, y) = colour;
		}
	}
}

struct guest_gpu_request guest_gpu_picture_transfer(
	const struct guest_gpu_picture *picture, struct guest_gpu_rect rect) {
	uint64_t offset = (uint64_t)picture->stride * rect.y + 4 * (uint64_t)rect.x;
	return guest_gpu_transfer(picture->id, rect, offset);
}

int guest_gpu_picture_update(struct guest_gpu_picture *picture, struct guest_gpu_rect rect) {
	int result = guest_gpu_call(picture->guest, guest_gpu_picture_transfer(picture, rect));
	if (result == VIRTIO_GPU_RESP_OK_NODATA) {
		result = guest_gpu_call(picture->guest, guest_gpu_flush(picture->id, rect));
	}
	return result;
}

struct guest_gpu_rect guest_gpu_picture_rect(const struct guest_gpu_picture *picture) {
	return (struct guest_gpu_rect){0, 0, picture->width, picture->height};
}
