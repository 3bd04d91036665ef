#ifndef PROTOCOLS_VFIO_USER_H
#define PROTOCOLS_VFIO_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * vfio-user 0.0 on the wire (QEMU's docs/interop/vfio-user.rst), server's side. All
 * numbers are in host byte order. vfio_user_decode() turns a header and a body that the
 * client chose into one checked request; nothing after it reads the client's bytes but
 * through that request. Flags of regions, interrupts and maps are those of <linux/vfio.h>.
 */

#define VFIO_USER_MAJOR 0
#define VFIO_USER_MINOR 0

/* Bytes of one region access: max_data_xfer_size. Any message then lies whole in a socket's
 * buffer, and any reply in a pipe. */
#define VFIO_USER_DATA_MAX 32768
#define VFIO_USER_FDS_MAX 16    // descriptors of one message
#define VFIO_USER_MULTI_MAX 200 // writes in one REGION_WRITE_MULTI
#define VFIO_USER_JSON_MAX 4096 // bytes of VERSION's JSON with its NUL
#define VFIO_USER_PAGE 4096     // bytes: what DMA maps are aligned to

enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DEVICE_RESET = 13,
	VFIO_USER_REGION_WRITE_MULTI = 15,
};

enum vfio_user_flags {
	VFIO_USER_FLAG_TYPE = 0xf,
	VFIO_USER_FLAG_REPLY = 0x1,
	VFIO_USER_FLAG_NO_REPLY = 0x10,
	VFIO_USER_FLAG_ERROR = 0x20,
};

struct vfio_user_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; // bytes of the message with this header
	uint32_t flags;
	uint32_t error; // errno, in an error reply
};

struct vfio_user_version {
	uint16_t major, minor;
	char json[]; // NUL-terminated; may be missing
};

struct vfio_user_dma_map {
	uint32_t argsz, flags;
	uint64_t offset; // into the descriptor
	uint64_t address, size;
};

struct vfio_user_dma_unmap {
	uint32_t argsz, flags;
	uint64_t address, size;
};

struct vfio_user_device_info {
	uint32_t argsz, flags;
	uint32_t regions, irqs;
};

struct vfio_user_region_info {
	uint32_t argsz, flags;
	uint32_t index, cap_offset;
	uint64_t size, offset;
};

struct vfio_user_irq_info {
	uint32_t argsz, flags;
	uint32_t index, count;
};

struct vfio_user_irq_set {
	uint32_t argsz, flags;
	uint32_t index, start, count;
	uint8_t data[]; // count booleans where flags say so
};

struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count; // bytes
	uint8_t data[];
};

struct vfio_user_multi_write {
	uint64_t offset;
	uint32_t region;
	uint32_t count; // bytes, at most 8
	uint8_t data[8];
};

struct vfio_user_multi {
	uint64_t count;
	struct vfio_user_multi_write writes[];
};

/* The largest message that is accepted, and that is sent. */
#define VFIO_USER_MESSAGE_MAX                                                                      \
	(sizeof(struct vfio_user_header) + sizeof(struct vfio_user_region_access) +                \
		VFIO_USER_DATA_MAX)

/* What a client can do, from VERSION's JSON. */
struct vfio_user_capabilities {
	uint64_t max_msg_fds;        // 1 to 2^31
	uint64_t max_data_xfer_size; // bytes
	bool write_multiple;
};

/* One checked region access; data points into the message, NULL for a read. */
struct vfio_user_access {
	uint32_t region;
	uint64_t offset;
	uint32_t count; // bytes, 1 to VFIO_USER_DATA_MAX; offset + count does not wrap
	const uint8_t *data;
};

struct vfio_user_interrupts {
	uint32_t index, start, count; // start + count does not wrap
	uint32_t data;                // one VFIO_IRQ_SET_DATA_*
	uint32_t action;              // one VFIO_IRQ_SET_ACTION_*
	const uint8_t *bools;         // count of them where data is DATA_BOOL
};

/* A checked request. Descriptors travel beside it. Pointers lead into the message. */
struct vfio_user_request {
	enum vfio_user_command command;
	uint16_t id;
	bool no_reply;
	union {
		struct {
			uint16_t major, minor;
			struct vfio_user_capabilities capabilities;
		} version;
		struct vfio_user_dma_map map;     // page-aligned, not empty, does not wrap
		struct vfio_user_dma_unmap unmap; // likewise, unless it unmaps all
		struct vfio_user_device_info info;
		struct vfio_user_region_info region_info;
		struct vfio_user_irq_info irq_info;
		struct vfio_user_interrupts interrupts;
		struct vfio_user_access access; // REGION_READ and REGION_WRITE
		struct {
			uint32_t count; // 1 to VFIO_USER_MULTI_MAX
			const struct vfio_user_multi_write *writes;
		} multi; // vfio_user_multi_access() takes one out
	};
};

/* True where the header can be believed: the length of what follows is known. */
bool vfio_user_header_valid(const struct vfio_user_header *header);

/*
 * Checks a complete message with its count of descriptors: lengths, flags, enumerations,
 * alignment, overflow. Returns 0; EINVAL-like errors for the client as -errno, with *ret
 * untouched: -ENOTSUP for an unknown command, -EINVAL otherwise. The bytes at body must
 * stay as they are while *ret is used, and be aligned to 8.
 */
int vfio_user_decode(const struct vfio_user_header *header, const void *body, size_t fds,
	struct vfio_user_request *ret);

/* Takes write i out of a checked REGION_WRITE_MULTI. Returns false where it is invalid. */
bool vfio_user_multi_access(
	const struct vfio_user_request *request, uint32_t i, struct vfio_user_access *ret);

/*
 * Reads the JSON of VERSION: size bytes with the NUL, at most VFIO_USER_JSON_MAX, nested
 * at most 8 deep. Unknown keys are ignored, missing ones get the specification's defaults.
 * Returns 0 or -EINVAL. size 0 means no JSON, which is allowed.
 */
int vfio_user_parse_capabilities(const char *json, size_t size, struct vfio_user_capabilities *ret);

/*
 * Writes the JSON of VERSION's reply with its NUL into room bytes, the room that the
 * request's JSON had: a reply may not be longer than its request. Returns the bytes
 * written; 0 where not even "{}" fits.
 */
size_t vfio_user_format_capabilities(char *ret, size_t room, bool write_multiple);

#endif
