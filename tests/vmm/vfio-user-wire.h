#ifndef TESTS_VFIO_USER_WIRE_H
#define TESTS_VFIO_USER_WIRE_H

#include <stdint.h>

/*
 * vfio-user as it lies on the wire, written from the specification (QEMU's
 * docs/interop/vfio-user.rst) and not shared with the device: the tests' own opinion.
 * Everything is little-endian and naturally aligned.
 */

enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_GET_INFO = 4,
	VFU_GET_REGION_INFO = 5,
	VFU_GET_REGION_IO_FDS = 6,
	VFU_GET_IRQ_INFO = 7,
	VFU_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_DMA_READ = 11,
	VFU_DMA_WRITE = 12,
	VFU_RESET = 13,
	VFU_WRITE_MULTI = 15,
};

#define VFU_TYPE_MASK 0xfu
#define VFU_TYPE_COMMAND 0u
#define VFU_TYPE_REPLY 1u
#define VFU_NO_REPLY 0x10u
#define VFU_ERROR 0x20u

struct vfu_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; // bytes, of header and body
	uint32_t flags;
	uint32_t error; // errno, in a reply with VFU_ERROR
};

struct vfu_version { // then JSON, ended by NUL
	uint16_t major, minor;
};

#define VFU_DMA_READABLE 1u
#define VFU_DMA_WRITABLE 2u

struct vfu_dma_map {
	uint32_t argsz, flags;
	uint64_t offset; // into the file
	uint64_t address, size;
};

struct vfu_dma_unmap {
	uint32_t argsz, flags;
	uint64_t address, size;
};

#define VFU_DEVICE_RESET 1u
#define VFU_DEVICE_PCI 2u

struct vfu_device_info {
	uint32_t argsz, flags, num_regions, num_irqs;
};

#define VFU_REGION_BAR0 0u
#define VFU_REGION_BAR2 2u
#define VFU_REGION_ROM 6u
#define VFU_REGION_CONFIG 7u
#define VFU_REGION_VGA 8u

#define VFU_REGION_FLAG_READ 1u
#define VFU_REGION_FLAG_WRITE 2u
#define VFU_REGION_FLAG_MMAP 4u

struct vfu_region_info {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
};

#define VFU_IRQ_INTX 0u
#define VFU_IRQ_MSI 1u
#define VFU_IRQ_MSIX 2u
#define VFU_IRQ_ERR 3u
#define VFU_IRQ_REQ 4u

struct vfu_irq_info {
	uint32_t argsz, flags, index, count;
};

#define VFU_IRQ_DATA_NONE 0x01u
#define VFU_IRQ_DATA_BOOL 0x02u
#define VFU_IRQ_DATA_EVENTFD 0x04u
#define VFU_IRQ_ACTION_MASK 0x08u
#define VFU_IRQ_ACTION_UNMASK 0x10u
#define VFU_IRQ_ACTION_TRIGGER 0x20u

struct vfu_irq_set {
	uint32_t argsz, flags, index, start, count;
};

struct vfu_region_access { // then count bytes, in a write and in a read's reply
	uint64_t offset;
	uint32_t region, count;
};

struct vfu_write_multi_entry {
	uint64_t offset;
	uint32_t region, count; // count up to 8
	uint8_t data[8];
};

struct vfu_write_multi {
	uint64_t count;
	struct vfu_write_multi_entry entries[];
};

_Static_assert(sizeof(struct vfu_header) == 16, "vfio-user header");
_Static_assert(sizeof(struct vfu_dma_map) == 32, "vfio-user DMA_MAP");
_Static_assert(sizeof(struct vfu_dma_unmap) == 24, "vfio-user DMA_UNMAP");
_Static_assert(sizeof(struct vfu_region_info) == 32, "vfio-user DEVICE_GET_REGION_INFO");
_Static_assert(sizeof(struct vfu_irq_set) == 20, "vfio-user DEVICE_SET_IRQS");
_Static_assert(sizeof(struct vfu_write_multi_entry) == 24, "vfio-user REGION_WRITE_MULTI");

#endif
