#ifndef TESTS_VMM_H
#define TESTS_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vfio-user-wire.h"

/*
 * A vfio-user client: plays the VMM, and with guest-bochs.h the guest in it, at native
 * speed. The calls send one command and wait for its reply; underneath, single messages
 * and raw bytes can be sent and received, for hostile tests.
 *
 * Results: 0 or more is success. The server's own error comes back as -errno (-EINVAL,
 * -ENOENT, ...). -ECONNRESET: the server has closed the connection. -ETIMEDOUT: no answer
 * in time. -EPROTO: the answer breaks the protocol; vmm->complaint says how.
 */

#define VMM_TIMEOUT_MSEC 5000
#define VMM_REGIONS 9
#define VMM_FDS_MAX 64

/* The longest message that is received, header included. */
#define VMM_MESSAGE_MAX (1024 * 1024 + 64)

struct vmm {
	int fd;            // owned, -1 when closed
	uint16_t next_id;  // of the next command
	bool write_multi;  // the server takes WRITE_MULTI
	char version[512]; // the server's JSON
	const char *complaint;

	// Received and not yet handed out.
	uint8_t *buffer; // owned, twice VMM_MESSAGE_MAX bytes
	size_t buffer_used;
	int fds[VMM_FDS_MAX]; // owned
	size_t fds_used;
};

struct vmm_message {
	struct vfu_header header;
	const uint8_t *body;  // valid until the next receive
	size_t size;          // of the body
	int fds[VMM_FDS_MAX]; // the receiver's; vmm_message_drop_fds() closes them
	size_t fds_len;
};

struct vmm_region {
	uint32_t flags;
	uint64_t size;
	uint64_t offset; // into fd
	int fd;          // owned, -1 where the region cannot be mapped
	uint8_t *map;    // owned, size bytes, NULL until vmm_region_map()
};

/* Connects; every wait ends after timeout_msec. Returns 0 or -errno. Call vmm_close() in
 * either case, or on a zeroed struct whose fd is -1. */
int vmm_connect(struct vmm *vmm, const char *path, int timeout_msec);
void vmm_close(struct vmm *vmm);

/* VERSION, as QEMU 11.1 sends it. */
int vmm_negotiate(struct vmm *vmm);

/* Connects and negotiates. */
int vmm_open(struct vmm *vmm, const char *path);

/* Sends a command with n descriptors (which stay the caller's) and waits for its reply.
 * The reply's body is vmm's until the next receive; ret may be NULL. */
int vmm_call(struct vmm *vmm, enum vfu_command command, const void *body, size_t size,
	const int *fds, size_t n, struct vmm_message *ret);

int vmm_get_info(struct vmm *vmm, struct vfu_device_info *ret);

/* Region info with its descriptor; ret->map stays NULL. */
int vmm_get_region(struct vmm *vmm, uint32_t index, struct vmm_region *ret);
int vmm_region_map(struct vmm_region *region);
void vmm_region_finish(struct vmm_region *region);

int vmm_get_irq(struct vmm *vmm, uint32_t index, struct vfu_irq_info *ret);
int vmm_set_irqs(struct vmm *vmm, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	const int *fds, size_t n);

/* fd -1: a map without a file, as QEMU sends for ROM and for the device's own BAR. */
int vmm_dma_map(
	struct vmm *vmm, uint64_t address, uint64_t size, uint32_t flags, int fd, uint64_t offset);
int vmm_dma_unmap(struct vmm *vmm, uint64_t address, uint64_t size);

int vmm_read(struct vmm *vmm, uint32_t region, uint64_t offset, void *data, uint32_t count);
int vmm_write(struct vmm *vmm, uint32_t region, uint64_t offset, const void *data, uint32_t count);
int vmm_write_multi(struct vmm *vmm, const struct vfu_write_multi_entry *entries, uint64_t count);

/* Little-endian accesses of one register. A failed read returns all ones, as a bus does,
 * and leaves vmm->complaint set. */
uint32_t vmm_read32(struct vmm *vmm, uint32_t region, uint64_t offset);
uint16_t vmm_read16(struct vmm *vmm, uint32_t region, uint64_t offset);
uint8_t vmm_read8(struct vmm *vmm, uint32_t region, uint64_t offset);
int vmm_write32(struct vmm *vmm, uint32_t region, uint64_t offset, uint32_t value);
int vmm_write16(struct vmm *vmm, uint32_t region, uint64_t offset, uint16_t value);
int vmm_write8(struct vmm *vmm, uint32_t region, uint64_t offset, uint8_t value);

int vmm_reset(struct vmm *vmm);

/* For hostile tests. */

/* Exactly these bytes and descriptors (up to 253, the kernel's own bound) in one sendmsg. */
int vmm_send_raw(struct vmm *vmm, const void *bytes, size_t size, const int *fds, size_t n);

/* A message whose header says what the body says, without waiting for the reply. */
int vmm_send(struct vmm *vmm, enum vfu_command command, uint32_t flags, const void *body,
	size_t size, const int *fds, size_t n);

/* The next message, whatever it is. */
int vmm_receive(struct vmm *vmm, struct vmm_message *ret);
void vmm_message_drop_fds(struct vmm_message *message);

/* Waits until the server closes the connection, discarding what it sends. Returns 0 or
 * -ETIMEDOUT. */
int vmm_wait_closed(struct vmm *vmm, int timeout_msec);

#endif
