#ifndef TESTS_GUEST_VIRTIO_H
#define TESTS_GUEST_VIRTIO_H

#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm.h"

/*
 * A guest's driver of a virtio device on PCI (virtio 1.3, 4.1), on top of a VMM: finds the
 * structures by their capabilities, negotiates features, sets up its queues in the memory that
 * it has mapped for the device, and submits requests, as many at once as a queue has room for.
 * Written from the specification and sharing nothing with the device: the tests' own opinion.
 *
 * Registers and rings can be reached by themselves, for hostile tests.
 *
 * Results: 0 or more is success, -errno as from vmm.h. -EPROTO: the device breaks the rules;
 * guest->complaint says how. -EIO: it needs a reset.
 */

#define VIRTIO_GUEST_RAM UINT64_C(0x40000000) // guest address
#define VIRTIO_GUEST_BAR0 0xe0000000u
#define VIRTIO_GUEST_BAR2 0xf0000000u
#define VIRTIO_GUEST_BAR4 0xf1000000u
#define VIRTIO_GUEST_QUEUES 2
#define VIRTIO_GUEST_SLOTS_MAX 256     // requests of a queue at once
#define VIRTIO_GUEST_REQUEST_MAX 1024  // bytes of a request, without its payload
#define VIRTIO_GUEST_RESPONSE_MAX 2048 // bytes
#define VIRTIO_GUEST_CHAIN_MAX 3       // descriptors: request, payload, response
#define VIRTIO_GUEST_SLOT_SIZE 4096    // bytes: request, response, indirect table

struct virtio_guest_options {
	uint64_t ram_size;   // bytes; 0: 64 MiB
	uint64_t features;   // taken where they are offered, beyond VERSION_1; 0: those of rings
	bool no_features;    // but VERSION_1
	uint16_t queue_size; // 0: the largest
	bool intx;           // instead of MSI-X
	bool poll;           // asks for no interrupts of queues, and looks instead
	bool posted;         // notifies without waiting for the write's reply
};

/* One of the device's structures, in a region. */
struct virtio_guest_part {
	uint32_t region, offset, length;
};

/* A request in flight. */
struct virtio_guest_slot {
	bool busy;
	uint32_t response_size; // room for the response
};

struct virtio_guest_queue {
	uint64_t address; // of the table of descriptors, which the rings follow
	uint16_t size;
	volatile struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
	uint64_t slots_address; // VIRTIO_GUEST_SLOT_SIZE for each
	unsigned slots_len;
	struct virtio_guest_slot slots[VIRTIO_GUEST_SLOTS_MAX];
	unsigned next_slot, in_flight;
	uint16_t offered;  // chains, in all
	uint16_t notified; // offered at the last look whether to notify
	uint16_t seen;     // used elements, in all
	int interrupt;     // owned: eventfd, -1 where there is none of its own
	uint64_t notifies, interrupts, submitted; // counted
};

struct virtio_guest {
	struct vmm *vmm; // borrowed
	struct virtio_guest_options options;
	const char *complaint;

	int ram_fd;   // owned
	uint8_t *ram; // owned, ram_size bytes at VIRTIO_GUEST_RAM
	uint64_t ram_size;
	uint64_t allocated; // bytes of it

	struct virtio_guest_part common, notify, isr, device;
	uint32_t notify_multiplier;
	unsigned msix; // where that capability lies; 0: none

	uint64_t offered, features;
	struct virtio_guest_queue queues[VIRTIO_GUEST_QUEUES];
	int config_interrupt; // owned: eventfd, also of INTx
	bool config_changed;  // as an interrupt said that somebody else has waited for
};

struct virtio_guest_request {
	const void *bytes; // its first part
	uint32_t size;     // up to VIRTIO_GUEST_REQUEST_MAX
	uint64_t payload;  // guest address of a second part
	uint32_t payload_size;
	uint32_t response_size; // room for the response
};

/* A response that has come. */
struct virtio_guest_response {
	unsigned slot;
	uint32_t size;     // bytes that the device says it has written
	const void *bytes; // valid until the next request is submitted
};

/* Memory, PCI, capabilities, features, queues, interrupts: the device runs. Needs
 * virtio_guest_finish() in either case. options may be NULL. */
int virtio_guest_start(
	struct virtio_guest *guest, struct vmm *vmm, const struct virtio_guest_options *options);
void virtio_guest_finish(struct virtio_guest *guest);

/* The steps of which that is made: memory, PCI and capabilities; then the driver's part, which
 * may be done again, as when a driver is loaded again. */
int virtio_guest_probe(
	struct virtio_guest *guest, struct vmm *vmm, const struct virtio_guest_options *options);
int virtio_guest_drive(struct virtio_guest *guest);
/* Status 0; memory that was allocated is free again. */
int virtio_guest_reset(struct virtio_guest *guest);

/* Resets one queue, and sets it up again in other memory; what was in flight is lost. */
int virtio_guest_reset_queue(struct virtio_guest *guest, unsigned queue);

/* Memory of the guest, zeroed, aligned to align (a power of two); 0 where there is no more. */
uint64_t virtio_guest_alloc(struct virtio_guest *guest, uint64_t size, uint64_t align);
/* What lies there; NULL outside of its memory. */
void *virtio_guest_at(struct virtio_guest *guest, uint64_t address, uint64_t size);

/* Makes a request available. Returns its slot, or -EBUSY where all are in flight. */
int virtio_guest_submit(
	struct virtio_guest *guest, unsigned queue, const struct virtio_guest_request *request);
/* Notifies, where the device wants it. */
int virtio_guest_kick(struct virtio_guest *guest, unsigned queue);
/* Takes a response without waiting: 1, or 0 where there is none. */
int virtio_guest_take(
	struct virtio_guest *guest, unsigned queue, struct virtio_guest_response *ret);
/* Waits for one and takes it: 0, -ETIMEDOUT after VMM_TIMEOUT_MSEC, -EIO. */
int virtio_guest_wait(
	struct virtio_guest *guest, unsigned queue, struct virtio_guest_response *ret);
/* Submits, notifies, and waits; nothing else may be in flight. */
int virtio_guest_call(struct virtio_guest *guest, unsigned queue,
	const struct virtio_guest_request *request, struct virtio_guest_response *ret);

/* True where the configuration has changed since the last call, as its interrupt says. */
bool virtio_guest_config_changed(struct virtio_guest *guest, int timeout_msec);

/* Registers: of one of the structures, count bytes of them. A read that fails is all ones. */
uint64_t virtio_guest_read(struct virtio_guest *guest, const struct virtio_guest_part *part,
	uint32_t offset, uint32_t count);
int virtio_guest_write(struct virtio_guest *guest, const struct virtio_guest_part *part,
	uint32_t offset, uint64_t value, uint32_t count);
uint8_t virtio_guest_status(struct virtio_guest *guest);

/* Notifies whether the device wants it or not. */
int virtio_guest_notify(struct virtio_guest *guest, unsigned queue);

#endif
