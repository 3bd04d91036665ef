#include "vfio-user.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

#include "checked.h"
#include "fd.h"

bool vfio_user_header_valid(const struct vfio_user_header *header) {
	return header->size >= sizeof(*header) && header->size <= VFIO_USER_MESSAGE_MAX;
}

static bool page_range_valid(uint64_t address, uint64_t size) {
	uint64_t end;
	return size != 0 && (address | size) % VFIO_USER_PAGE == 0 &&
		checked_add(address, size - 1, &end);
}

static int decode_version(
	const void *body, size_t size, size_t fds, struct vfio_user_request *request) {
	const struct vfio_user_version *version = body;
	if (size < sizeof(*version) || fds != 0) {
		return -EINVAL;
	}
	request->version.major = version->major;
	request->version.minor = version->minor;
	if (version->major != VFIO_USER_MAJOR) {
		return -ENOTSUP;
	}
	return vfio_user_parse_capabilities(
		version->json, size - sizeof(*version), &request->version.capabilities);
}

static int decode_map(
	const void *body, size_t size, size_t fds, struct vfio_user_request *request) {
	struct vfio_user_dma_map *map = &request->map;
	if (size != sizeof(*map) || fds > 1) {
		return -EINVAL;
	}
	memcpy(map, body, sizeof(*map));
	if ((map->flags & ~(uint32_t)(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)) != 0 ||
		!page_range_valid(map->address, map->size) || map->size > INT64_MAX) {
		return -EINVAL;
	}
	uint64_t end;
	if (map->offset % VFIO_USER_PAGE != 0 || !checked_add(map->offset, map->size, &end) ||
		end > INT64_MAX) {
		return -EINVAL;
	}
	return 0;
}

static int decode_unmap(
	const void *body, size_t size, size_t fds, struct vfio_user_request *request) {
	struct vfio_user_dma_unmap *unmap = &request->unmap;
	// A dirty bitmap would follow: migration, which is not offered.
	if (size != sizeof(*unmap) || fds != 0) {
		return -EINVAL;
	}
	memcpy(unmap, body, sizeof(*unmap));
	if (unmap->flags == VFIO_DMA_UNMAP_FLAG_ALL) {
		return unmap->address == 0 && unmap->size == 0 ? 0 : -EINVAL;
	}
	return unmap->flags == 0 && page_range_valid(unmap->address, unmap->size) ? 0 : -EINVAL;
}

/* The three GET_*_INFO: their request has the form of their reply. */
static int decode_info(const void *body, size_t size, size_t fds, void *ret, size_t ret_size) {
	if (size != ret_size || fds != 0) {
		return -EINVAL;
	}
	memcpy(ret, body, size);
	uint32_t argsz;
	memcpy(&argsz, body, sizeof(argsz));
	return argsz >= ret_size ? 0 : -EINVAL;
}

static bool one_bit(uint32_t value) {
	return value != 0 && (value & (value - 1)) == 0;
}

static int decode_interrupts(
	const void *body, size_t size, size_t fds, struct vfio_user_request *request) {
	const struct vfio_user_irq_set *set = body;
	if (size < sizeof(*set)) {
		return -EINVAL;
	}
	struct vfio_user_interrupts *interrupts = &request->interrupts;
	*interrupts = (struct vfio_user_interrupts){
		.index = set->index,
		.start = set->start,
		.count = set->count,
		.data = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK,
		.action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK,
	};
	size -= sizeof(*set);
	if (set->flags != (interrupts->data | interrupts->action) || !one_bit(interrupts->data) ||
		!one_bit(interrupts->action) ||
		interrupts->count > UINT32_MAX - interrupts->start) {
		return -EINVAL;
	}
	switch (interrupts->data) {
	case VFIO_IRQ_SET_DATA_NONE:
		return size == 0 && fds == 0 ? 0 : -EINVAL;
	case VFIO_IRQ_SET_DATA_BOOL:
		interrupts->bools = set->data;
		return size == interrupts->count && fds == 0 ? 0 : -EINVAL;
	default:
		// Without descriptors the interrupts are taken off their eventfds.
		return size == 0 && (fds == 0 || fds == interrupts->count) ? 0 : -EINVAL;
	}
}

static bool access_valid(const struct vfio_user_access *access, uint32_t max) {
	uint64_t end;
	return access->count != 0 && access->count <= max &&
		checked_add(access->offset, access->count, &end);
}

static int decode_access(
	const void *body, size_t size, size_t fds, bool write, struct vfio_user_request *request) {
	const struct vfio_user_region_access *wire = body;
	if (size < sizeof(*wire) || fds != 0) {
		return -EINVAL;
	}
	request->access = (struct vfio_user_access){
		.region = wire->region,
		.offset = wire->offset,
		.count = wire->count,
		.data = write ? wire->data : NULL,
	};
	uint32_t data = write ? wire->count : 0;
	return access_valid(&request->access, VFIO_USER_DATA_MAX) && size - sizeof(*wire) == data
		? 0
		: -EINVAL;
}

static int decode_multi(
	const void *body, size_t size, size_t fds, struct vfio_user_request *request) {
	const struct vfio_user_multi *multi = body;
	if (size < sizeof(*multi) || fds != 0 || multi->count == 0 ||
		multi->count > VFIO_USER_MULTI_MAX ||
		size != sizeof(*multi) + multi->count * sizeof(multi->writes[0])) {
		return -EINVAL;
	}
	request->multi.count = (uint32_t)multi->count;
	request->multi.writes = multi->writes;
	struct vfio_user_access access;
	for (uint32_t i = 0; i < request->multi.count; i++) {
		if (!vfio_user_multi_access(request, i, &access)) {
			return -EINVAL;
		}
	}
	return 0;
}

bool vfio_user_multi_access(
	const struct vfio_user_request *request, uint32_t i, struct vfio_user_access *ret) {
	if (i >= request->multi.count) {
		return false;
	}
	const struct vfio_user_multi_write *write = &request->multi.writes[i];
	*ret = (struct vfio_user_access){
		.region = write->region,
		.offset = write->offset,
		.count = write->count,
		.data = write->data,
	};
	return access_valid(ret, sizeof(write->data));
}

static int decode_body(
	const void *body, size_t size, size_t fds, struct vfio_user_request *request) {
	switch (request->command) {
	case VFIO_USER_VERSION:
		return decode_version(body, size, fds, request);
	case VFIO_USER_DMA_MAP:
		return decode_map(body, size, fds, request);
	case VFIO_USER_DMA_UNMAP:
		return decode_unmap(body, size, fds, request);
	case VFIO_USER_DEVICE_GET_INFO:
		return decode_info(body, size, fds, &request->info, sizeof(request->info));
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		return decode_info(
			body, size, fds, &request->region_info, sizeof(request->region_info));
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		return decode_info(body, size, fds, &request->irq_info, sizeof(request->irq_info));
	case VFIO_USER_DEVICE_SET_IRQS:
		return decode_interrupts(body, size, fds, request);
	case VFIO_USER_REGION_READ:
		return decode_access(body, size, fds, false, request);
	case VFIO_USER_REGION_WRITE:
		return decode_access(body, size, fds, true, request);
	case VFIO_USER_REGION_WRITE_MULTI:
		return decode_multi(body, size, fds, request);
	case VFIO_USER_DEVICE_RESET:
		return size == 0 && fds == 0 ? 0 : -EINVAL;
	}
	return -ENOTSUP;
}

int vfio_user_decode(const struct vfio_user_header *header, const void *body, size_t fds,
	struct vfio_user_request *ret) {
	const uint32_t known = VFIO_USER_FLAG_TYPE | VFIO_USER_FLAG_NO_REPLY;
	if (!vfio_user_header_valid(header) || fds > VFIO_USER_FDS_MAX ||
		(header->flags & VFIO_USER_FLAG_TYPE) != 0 || (header->flags & ~known) != 0) {
		return -EINVAL;
	}
	struct vfio_user_request request = {
		.command = header->command,
		.id = header->id,
		.no_reply = (header->flags & VFIO_USER_FLAG_NO_REPLY) != 0,
	};
	int error = decode_body(body, header->size - sizeof(*header), fds, &request);
	if (error == 0) {
		*ret = request;
	}
	return error;
}
