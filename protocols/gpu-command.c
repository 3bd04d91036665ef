#include "gpu-command.h"

#include <string.h>

#include "checked.h"

#define HOT_MAX 63 // pixels: the hot spot lies in the cursor

static const struct {
	uint32_t type;
	const char *name;
} names[] = {
	{VIRTIO_GPU_CMD_GET_DISPLAY_INFO, "GET_DISPLAY_INFO"},
	{VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, "RESOURCE_CREATE_2D"},
	{VIRTIO_GPU_CMD_RESOURCE_UNREF, "RESOURCE_UNREF"},
	{VIRTIO_GPU_CMD_SET_SCANOUT, "SET_SCANOUT"},
	{VIRTIO_GPU_CMD_RESOURCE_FLUSH, "RESOURCE_FLUSH"},
	{VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, "TRANSFER_TO_HOST_2D"},
	{VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, "RESOURCE_ATTACH_BACKING"},
	{VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, "RESOURCE_DETACH_BACKING"},
	{VIRTIO_GPU_CMD_GET_CAPSET_INFO, "GET_CAPSET_INFO"},
	{VIRTIO_GPU_CMD_GET_CAPSET, "GET_CAPSET"},
	{VIRTIO_GPU_CMD_GET_EDID, "GET_EDID"},
	{VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, "RESOURCE_ASSIGN_UUID"},
	{VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, "RESOURCE_CREATE_BLOB"},
	{VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, "SET_SCANOUT_BLOB"},
	{VIRTIO_GPU_CMD_CTX_CREATE, "CTX_CREATE"},
	{VIRTIO_GPU_CMD_CTX_DESTROY, "CTX_DESTROY"},
	{VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, "CTX_ATTACH_RESOURCE"},
	{VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, "CTX_DETACH_RESOURCE"},
	{VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, "RESOURCE_CREATE_3D"},
	{VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, "TRANSFER_TO_HOST_3D"},
	{VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, "TRANSFER_FROM_HOST_3D"},
	{VIRTIO_GPU_CMD_SUBMIT_3D, "SUBMIT_3D"},
	{VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, "RESOURCE_MAP_BLOB"},
	{VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, "RESOURCE_UNMAP_BLOB"},
	{VIRTIO_GPU_CMD_UPDATE_CURSOR, "UPDATE_CURSOR"},
	{VIRTIO_GPU_CMD_MOVE_CURSOR, "MOVE_CURSOR"},
};

const char *gpu_command_name(uint32_t type) {
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].type == type) {
			return names[i].name;
		}
	}
	return NULL;
}

bool gpu_command_privileged(uint32_t type) {
	switch (type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
	case VIRTIO_GPU_CMD_SET_SCANOUT:
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
	case VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID:
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
	case VIRTIO_GPU_CMD_CTX_CREATE:
	case VIRTIO_GPU_CMD_CTX_DESTROY:
	case VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE:
	case VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE:
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_3D:
	case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
	case VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB:
		return true;
	default:
		return false;
	}
}

/* A command's wire form, copied once: the guest may change its own at any time. */
union wire {
	struct virtio_gpu_ctrl_hdr hdr;
	struct virtio_gpu_resource_create_2d create_2d;
	struct virtio_gpu_resource_unref unref;
	struct virtio_gpu_set_scanout set_scanout;
	struct virtio_gpu_resource_flush flush;
	struct virtio_gpu_transfer_to_host_2d transfer;
	struct virtio_gpu_resource_attach_backing attach;
	struct virtio_gpu_resource_detach_backing detach;
	struct virtio_gpu_get_capset_info capset_info;
	struct virtio_gpu_get_capset capset;
	struct virtio_gpu_cmd_get_edid edid;
	struct virtio_gpu_update_cursor cursor;
	struct virtio_gpu_resource_create_blob create_blob;
	struct virtio_gpu_set_scanout_blob set_scanout_blob;
};

_Static_assert(sizeof(union wire) <= GPU_COMMAND_SIZE_MAX, "every command is looked at whole");

/* Bytes that a command has at least; 0: there is no such command. */
static size_t wire_size(uint32_t type) {
	switch (type) {
	case VIRTIO_GPU_CMD_GET_DISPLAY_INFO:
		return sizeof(struct virtio_gpu_ctrl_hdr);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		return sizeof(struct virtio_gpu_resource_create_2d);
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
		return sizeof(struct virtio_gpu_resource_unref);
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		return sizeof(struct virtio_gpu_set_scanout);
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		return sizeof(struct virtio_gpu_resource_flush);
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		return sizeof(struct virtio_gpu_transfer_to_host_2d);
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		return sizeof(struct virtio_gpu_resource_attach_backing);
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		return sizeof(struct virtio_gpu_resource_detach_backing);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		return sizeof(struct virtio_gpu_resource_create_blob);
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		return sizeof(struct virtio_gpu_set_scanout_blob);
	case VIRTIO_GPU_CMD_GET_CAPSET_INFO:
		return sizeof(struct virtio_gpu_get_capset_info);
	case VIRTIO_GPU_CMD_GET_CAPSET:
		return sizeof(struct virtio_gpu_get_capset);
	case VIRTIO_GPU_CMD_GET_EDID:
		return sizeof(struct virtio_gpu_cmd_get_edid);
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
		return sizeof(struct virtio_gpu_update_cursor);
	case VIRTIO_GPU_CMD_MOVE_CURSOR:
		return offsetof(struct virtio_gpu_update_cursor, resource_id);
	default:
		return 0;
	}
}

static bool format_known(uint32_t format) {
	switch (format) {
	case VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM:
	case VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM:
	case VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM:
	case VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM:
	case VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM:
	case VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM:
	case VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM:
	case VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM:
		return true;
	default:
		return false;
	}
}

static bool size_known(uint32_t size) {
	return size >= 1 && size <= GPU_RESOURCE_SIZE_MAX;
}

static bool decode_rect(const struct virtio_gpu_rect *wire, struct gpu_rect *ret) {
	if (wire->width > UINT32_MAX - wire->x || wire->height > UINT32_MAX - wire->y) {
		return false;
	}
	*ret = (struct gpu_rect){wire->x, wire->y, wire->width, wire->height};
	return true;
}

static uint32_t decode_create_2d(
	const struct virtio_gpu_resource_create_2d *wire, struct gpu_command *ret) {
	if (wire->resource_id == 0) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	if (!format_known(wire->format) || !size_known(wire->width) || !size_known(wire->height)) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	ret->create_2d.resource = wire->resource_id;
	ret->create_2d.format = wire->format;
	ret->create_2d.width = wire->width;
	ret->create_2d.height = wire->height;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t decode_resource(uint32_t id, struct gpu_command *ret) {
	if (id == 0) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	ret->resource.resource = id;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t decode_set_scanout(
	const struct virtio_gpu_set_scanout *wire, struct gpu_command *ret) {
	if (wire->scanout_id >= VIRTIO_GPU_MAX_SCANOUTS) {
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	}
	struct gpu_rect rect = {0};
	bool off = wire->resource_id == 0;
	if (!off && (!decode_rect(&wire->r, &rect) || rect.width == 0 || rect.height == 0)) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	ret->set_scanout.scanout = wire->scanout_id;
	ret->set_scanout.resource = wire->resource_id;
	ret->set_scanout.rect = rect;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t decode_flush(
	const struct virtio_gpu_resource_flush *wire, struct gpu_command *ret) {
	if (wire->resource_id == 0) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	struct gpu_rect rect;
	if (!decode_rect(&wire->r, &rect)) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	ret->flush.resource = wire->resource_id;
	ret->flush.rect = rect;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t decode_transfer(
	const struct virtio_gpu_transfer_to_host_2d *wire, struct gpu_command *ret) {
	if (wire->resource_id == 0) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	struct gpu_rect rect;
	if (!decode_rect(&wire->r, &rect)) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	ret->transfer.resource = wire->resource_id;
	ret->transfer.rect = rect;
	ret->transfer.offset = wire->offset;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Before anything is allocated: the number is the guest's (CVE-2016-7994, CVE-2016-9846). */
static bool entries_fit(uint32_t entries, size_t header, size_t total) {
	return entries > 0 && entries <= GPU_BACKING_ENTRIES_MAX &&
		total == header + (size_t)entries * sizeof(struct virtio_gpu_mem_entry);
}

static uint32_t decode_attach(const struct virtio_gpu_resource_attach_backing *wire, size_t total,
	struct gpu_command *ret) {
	uint32_t entries = wire->nr_entries;
	if (wire->resource_id == 0) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	if (!entries_fit(entries, sizeof(*wire), total)) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	ret->attach.resource = wire->resource_id;
	ret->attach.entries = entries;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Only memory of the guest's; to be shared with another device a blob would need a UUID. */
static uint32_t decode_create_blob(
	const struct virtio_gpu_resource_create_blob *wire, size_t total, struct gpu_command *ret) {
	const uint32_t flags =
		VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE | VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE;
	if (wire->resource_id == 0) {
		return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
	}
	if (wire->blob_mem != VIRTIO_GPU_BLOB_MEM_GUEST || (wire->blob_flags & ~flags) != 0 ||
		wire->size == 0 || wire->size > GPU_BLOB_SIZE_MAX ||
		!entries_fit(wire->nr_entries, sizeof(*wire), total)) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	ret->create_blob.resource = wire->resource_id;
	ret->create_blob.entries = wire->nr_entries;
	ret->create_blob.size = wire->size;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint64_t gpu_layout_end(const struct gpu_layout *layout) {
	return layout->offset + (uint64_t)layout->stride * (layout->height - 1) +
		(uint64_t)layout->width * 4;
}

/* All formats are of one plane. */
static bool decode_layout(const struct virtio_gpu_set_scanout_blob *wire, struct gpu_layout *ret) {
	const struct gpu_layout layout = {
		.format = wire->format,
		.width = wire->width,
		.height = wire->height,
		.stride = wire->strides[0],
		.offset = wire->offsets[0],
	};
	if (!format_known(layout.format) || !size_known(layout.width) ||
		!size_known(layout.height) || layout.stride < layout.width * 4 ||
		layout.stride % 4 != 0 || layout.offset % 4 != 0 ||
		gpu_layout_end(&layout) > GPU_BLOB_SIZE_MAX) {
		return false;
	}
	*ret = layout;
	return true;
}

static uint32_t decode_set_scanout_blob(
	const struct virtio_gpu_set_scanout_blob *wire, struct gpu_command *ret) {
	struct gpu_rect rect = {0};
	struct gpu_layout layout = {0};
	if (wire->scanout_id >= VIRTIO_GPU_MAX_SCANOUTS) {
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	}
	if (wire->resource_id != 0 &&
		(!decode_layout(wire, &layout) || !decode_rect(&wire->r, &rect) ||
			rect.width == 0 || rect.height == 0 ||
			!checked_range(rect.x, rect.width, layout.width) ||
			!checked_range(rect.y, rect.height, layout.height))) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	ret->set_scanout_blob.scanout = wire->scanout_id;
	ret->set_scanout_blob.resource = wire->resource_id;
	ret->set_scanout_blob.rect = rect;
	ret->set_scanout_blob.layout = layout;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t decode_edid(const struct virtio_gpu_cmd_get_edid *wire, struct gpu_command *ret) {
	if (wire->scanout >= VIRTIO_GPU_MAX_SCANOUTS) {
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	}
	ret->edid.scanout = wire->scanout;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Where a number is far out the cursor is as well, or at its own edge (CVE-2021-4206). */
static uint32_t decode_cursor(
	const struct virtio_gpu_update_cursor *wire, struct gpu_command *ret) {
	if (wire->pos.scanout_id >= VIRTIO_GPU_MAX_SCANOUTS) {
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	}
	ret->cursor.scanout = wire->pos.scanout_id;
	ret->cursor.x = wire->pos.x;
	ret->cursor.y = wire->pos.y;
	if (ret->type == VIRTIO_GPU_CMD_UPDATE_CURSOR) {
		ret->cursor.resource = wire->resource_id;
		ret->cursor.hot_x = wire->hot_x > HOT_MAX ? HOT_MAX : wire->hot_x;
		ret->cursor.hot_y = wire->hot_y > HOT_MAX ? HOT_MAX : wire->hot_y;
	}
	return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t decode_body(const union wire *wire, size_t total, struct gpu_command *ret) {
	switch (ret->type) {
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_2D:
		return decode_create_2d(&wire->create_2d, ret);
	case VIRTIO_GPU_CMD_RESOURCE_UNREF:
		return decode_resource(wire->unref.resource_id, ret);
	case VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING:
		return decode_resource(wire->detach.resource_id, ret);
	case VIRTIO_GPU_CMD_SET_SCANOUT:
		return decode_set_scanout(&wire->set_scanout, ret);
	case VIRTIO_GPU_CMD_RESOURCE_FLUSH:
		return decode_flush(&wire->flush, ret);
	case VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D:
		return decode_transfer(&wire->transfer, ret);
	case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
		return decode_attach(&wire->attach, total, ret);
	case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
		return decode_create_blob(&wire->create_blob, total, ret);
	case VIRTIO_GPU_CMD_SET_SCANOUT_BLOB:
		return decode_set_scanout_blob(&wire->set_scanout_blob, ret);
	case VIRTIO_GPU_CMD_GET_CAPSET_INFO:
		ret->capset_info.index = wire->capset_info.capset_index;
		return VIRTIO_GPU_RESP_OK_NODATA;
	case VIRTIO_GPU_CMD_GET_EDID:
		return decode_edid(&wire->edid, ret);
	case VIRTIO_GPU_CMD_UPDATE_CURSOR:
	case VIRTIO_GPU_CMD_MOVE_CURSOR:
		return decode_cursor(&wire->cursor, ret);
	default: // nothing but its header counts
		return VIRTIO_GPU_RESP_OK_NODATA;
	}
}

uint32_t gpu_command_decode(
	const void *untrusted, size_t size, size_t total, struct gpu_command *ret) {
	union wire wire = {0};
	*ret = (struct gpu_command){0};
	size = size < sizeof(wire) ? size : sizeof(wire);
	if (size < sizeof(wire.hdr)) {
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
	memcpy(&wire, untrusted, size);
	ret->type = wire.hdr.type;
	ret->fenced = wire.hdr.flags & VIRTIO_GPU_FLAG_FENCE;
	ret->fence_id = wire.hdr.fence_id;
	ret->ctx_id = wire.hdr.ctx_id;
	ret->ring_idx = wire.hdr.ring_idx;
	size_t least = wire_size(wire.hdr.type);
	if (least == 0) {
		return VIRTIO_GPU_RESP_ERR_UNSPEC;
	}
	return size < least ? VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
			    : decode_body(&wire, total, ret);
}

struct virtio_gpu_ctrl_hdr gpu_response(const struct gpu_command *command, uint32_t type) {
	struct virtio_gpu_ctrl_hdr response = {.type = type};
	if (command->fenced) {
		response.flags = VIRTIO_GPU_FLAG_FENCE;
		response.fence_id = command->fence_id;
		response.ctx_id = command->ctx_id;
	}
	return response;
}

size_t gpu_response_size(uint32_t type) {
	switch (type) {
	case VIRTIO_GPU_RESP_OK_DISPLAY_INFO:
		return sizeof(struct virtio_gpu_resp_display_info);
	case VIRTIO_GPU_RESP_OK_CAPSET_INFO:
		return sizeof(struct virtio_gpu_resp_capset_info);
	case VIRTIO_GPU_RESP_OK_EDID:
		return sizeof(struct virtio_gpu_resp_edid);
	default:
		return sizeof(struct virtio_gpu_ctrl_hdr);
	}
}
