#include "vmm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "fd.h"

/* As long as QEMU 11.1's, whose reply may not be longer than the request. */
static const char version_json[] =
	"{\"capabilities\": {\"pgsizes\": 4096, \"max_msg_fds\": 16, \"max_dma_maps\": 65535, "
	"\"max_data_xfer_size\": 1048576, \"migration\": {\"pgsize\": 4096, "
	"\"max_bitmap_size\": 268435456}, \"write_multiple\": true}}";

static int protocol_error(struct vmm *vmm, const char *complaint) {
	vmm->complaint = complaint;
	return -EPROTO;
}

int vmm_call(struct vmm *vmm, enum vfu_command command, const void *body, size_t size,
	const int *fds, size_t n, struct vmm_message *ret) {
	struct vmm_message reply;
	uint16_t id = vmm->next_id;
	int error = vmm_send(vmm, command, VFU_TYPE_COMMAND, body, size, fds, n);
	if (error == 0) {
		error = vmm_receive(vmm, &reply);
	}
	if (error < 0) {
		return error;
	}
	if (reply.header.id != id || reply.header.command != command ||
		(reply.header.flags & VFU_TYPE_MASK) != VFU_TYPE_REPLY) {
		error = protocol_error(vmm, "the reply does not belong to the request");
	} else if ((reply.header.flags & VFU_ERROR) != 0) {
		error = reply.header.error > 0 && reply.header.error < 4096
			? -(int)reply.header.error
			: protocol_error(vmm, "an error reply without an errno");
	}
	if (error < 0 || ret == NULL) {
		vmm_message_drop_fds(&reply);
	}
	if (error == 0 && ret != NULL) {
		*ret = reply;
	}
	return error;
}

/* A call whose reply has a body of exactly reply_size bytes and no descriptors. */
static int call_fixed(struct vmm *vmm, enum vfu_command command, const void *body, size_t size,
	void *reply_body, size_t reply_size) {
	struct vmm_message reply;
	int error = vmm_call(vmm, command, body, size, NULL, 0, &reply);
	if (error < 0) {
		return error;
	}
	if (reply.fds_len > 0) {
		vmm_message_drop_fds(&reply);
		return protocol_error(vmm, "descriptors on a reply that has none");
	}
	if (reply.size != reply_size) {
		return protocol_error(vmm, "the reply has another length than its command's");
	}
	memcpy(reply_body, reply.body, reply_size);
	return 0;
}

int vmm_negotiate(struct vmm *vmm) {
	uint8_t body[sizeof(struct vfu_version) + sizeof(version_json)] = {0};
	memcpy(body + sizeof(struct vfu_version), version_json, sizeof(version_json));
	struct vmm_message reply;
	int error = vmm_call(vmm, VFU_VERSION, body, sizeof(body), NULL, 0, &reply);
	if (error < 0) {
		return error;
	}
	vmm_message_drop_fds(&reply);
	if (reply.size > sizeof(body)) {
		return protocol_error(vmm, "the version reply is longer than the request");
	}
	if (reply.size <= sizeof(struct vfu_version) || reply.body[reply.size - 1] != '\0') {
		return protocol_error(vmm, "the version reply's JSON does not end in NUL");
	}
	snprintf(vmm->version, sizeof(vmm->version), "%s",
		(const char *)reply.body + sizeof(struct vfu_version));
	vmm->write_multi = strstr(vmm->version, "write_multiple") != NULL;
	return 0;
}

int vmm_open(struct vmm *vmm, const char *path) {
	int error = vmm_connect(vmm, path, VMM_TIMEOUT_MSEC);
	return error < 0 ? error : vmm_negotiate(vmm);
}

int vmm_get_info(struct vmm *vmm, struct vfu_device_info *ret) {
	struct vfu_device_info info = {.argsz = sizeof(info)};
	return call_fixed(vmm, VFU_GET_INFO, &info, sizeof(info), ret, sizeof(*ret));
}

int vmm_get_region(struct vmm *vmm, uint32_t index, struct vmm_region *ret) {
	struct vfu_region_info info = {.argsz = sizeof(info), .index = index};
	struct vmm_message reply;
	int error = vmm_call(vmm, VFU_GET_REGION_INFO, &info, sizeof(info), NULL, 0, &reply);
	if (error < 0) {
		return error;
	}
	if (reply.size < sizeof(info) || reply.fds_len > 1) {
		vmm_message_drop_fds(&reply);
		return protocol_error(vmm, "the region info is short or has several descriptors");
	}
	memcpy(&info, reply.body, sizeof(info));
	*ret = (struct vmm_region){
		.flags = info.flags,
		.size = info.size,
		.offset = info.offset,
		.fd = reply.fds_len == 1 ? reply.fds[0] : -1,
	};
	return 0;
}

int vmm_region_map(struct vmm_region *region) {
	if (region->fd < 0) {
		return -ENODEV;
	}
	void *map = mmap(NULL, region->size, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd,
		(off_t)region->offset);
	if (map == MAP_FAILED) {
		return -errno;
	}
	region->map = map;
	return 0;
}

void vmm_region_finish(struct vmm_region *region) {
	if (region->map != NULL) {
		munmap(region->map, region->size);
		region->map = NULL;
	}
	region->fd = fd_close(region->fd);
}

int vmm_get_irq(struct vmm *vmm, uint32_t index, struct vfu_irq_info *ret) {
	struct vfu_irq_info info = {.argsz = sizeof(info), .index = index};
	return call_fixed(vmm, VFU_GET_IRQ_INFO, &info, sizeof(info), ret, sizeof(*ret));
}

int vmm_set_irqs(struct vmm *vmm, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	const int *fds, size_t n) {
	struct vfu_irq_set set = {
		.argsz = sizeof(set),
		.flags = flags,
		.index = index,
		.start = start,
		.count = count,
	};
	return vmm_call(vmm, VFU_SET_IRQS, &set, sizeof(set), fds, n, NULL);
}

int vmm_dma_map(
	struct vmm *vmm, uint64_t address, uint64_t size, uint32_t flags, int fd, uint64_t offset) {
	struct vfu_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.offset = offset,
		.address = address,
		.size = size,
	};
	return vmm_call(vmm, VFU_DMA_MAP, &map, sizeof(map), &fd, fd >= 0 ? 1 : 0, NULL);
}

int vmm_dma_unmap(struct vmm *vmm, uint64_t address, uint64_t size) {
	struct vfu_dma_unmap unmap = {.argsz = sizeof(unmap), .address = address, .size = size};
	return vmm_call(vmm, VFU_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0, NULL);
}

int vmm_read(struct vmm *vmm, uint32_t region, uint64_t offset, void *data, uint32_t count) {
	struct vfu_region_access access = {.offset = offset, .region = region, .count = count};
	struct vmm_message reply;
	int error = vmm_call(vmm, VFU_REGION_READ, &access, sizeof(access), NULL, 0, &reply);
	if (error < 0) {
		return error;
	}
	vmm_message_drop_fds(&reply);
	struct vfu_region_access echo;
	if (reply.size != sizeof(echo) + count) {
		return protocol_error(vmm, "a read's reply has not the count asked for");
	}
	memcpy(&echo, reply.body, sizeof(echo));
	if (memcmp(&echo, &access, sizeof(echo)) != 0) {
		return protocol_error(vmm, "a read's reply names another place");
	}
	memcpy(data, reply.body + sizeof(echo), count);
	return 0;
}

int vmm_write(struct vmm *vmm, uint32_t region, uint64_t offset, const void *data, uint32_t count) {
	uint8_t body[sizeof(struct vfu_region_access) + 4096];
	struct vfu_region_access access = {.offset = offset, .region = region, .count = count};
	if (count > sizeof(body) - sizeof(access)) {
		return -E2BIG;
	}
	memcpy(body, &access, sizeof(access));
	memcpy(body + sizeof(access), data, count);
	struct vfu_region_access echo;
	int error = call_fixed(
		vmm, VFU_REGION_WRITE, body, sizeof(access) + count, &echo, sizeof(echo));
	if (error == 0 && memcmp(&echo, &access, sizeof(echo)) != 0) {
		error = protocol_error(vmm, "a write's reply names another place");
	}
	return error;
}

int vmm_write_multi(struct vmm *vmm, const struct vfu_write_multi_entry *entries, uint64_t count) {
	uint8_t body[sizeof(uint64_t) + 200 * sizeof(*entries)];
	if (count > 200) {
		return -E2BIG;
	}
	memcpy(body, &count, sizeof(count));
	memcpy(body + sizeof(count), entries, count * sizeof(*entries));
	uint64_t done;
	int error = call_fixed(vmm, VFU_WRITE_MULTI, body, sizeof(count) + count * sizeof(*entries),
		&done, sizeof(done));
	return error == 0 && done != count ? protocol_error(vmm, "not all writes were done")
					   : error;
}

static uint32_t read_value(struct vmm *vmm, uint32_t region, uint64_t offset, uint32_t count) {
	uint32_t value = 0;
	if (vmm_read(vmm, region, offset, &value, count) < 0) {
		if (vmm->complaint == NULL) {
			vmm->complaint = "a register read failed";
		}
		return UINT32_MAX;
	}
	return value;
}

uint32_t vmm_read32(struct vmm *vmm, uint32_t region, uint64_t offset) {
	return read_value(vmm, region, offset, 4);
}

uint16_t vmm_read16(struct vmm *vmm, uint32_t region, uint64_t offset) {
	return (uint16_t)read_value(vmm, region, offset, 2);
}

uint8_t vmm_read8(struct vmm *vmm, uint32_t region, uint64_t offset) {
	return (uint8_t)read_value(vmm, region, offset, 1);
}

int vmm_write32(struct vmm *vmm, uint32_t region, uint64_t offset, uint32_t value) {
	return vmm_write(vmm, region, offset, &value, 4);
}

int vmm_write16(struct vmm *vmm, uint32_t region, uint64_t offset, uint16_t value) {
	return vmm_write(vmm, region, offset, &value, 2);
}

int vmm_write8(struct vmm *vmm, uint32_t region, uint64_t offset, uint8_t value) {
	return vmm_write(vmm, region, offset, &value, 1);
}

int vmm_reset(struct vmm *vmm) {
	return vmm_call(vmm, VFU_RESET, NULL, 0, NULL, 0, NULL);
}
