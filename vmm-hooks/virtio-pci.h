#ifndef VMM_HOOKS_VIRTIO_PCI_H
#define VMM_HOOKS_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "device-state.h"
#include "irq.h"
#include "log.h"
#include "pci.h"

/*
 * A modern virtio device on PCI (virtio 1.3, 4.1): the structures that its capabilities
 * point to, its status and features, its queues' registers, its interrupts. What goes on in
 * the queues and what the device's own configuration means is the owner's.
 *
 * The structures lie in one window of a BAR, VIRTIO_PCI_WINDOW bytes long:
 *   0x0000 common   0x0800 ISR   0x1000 device configuration   0x2000 notify, 4 bytes a queue
 */

#define VIRTIO_PCI_WINDOW 0x3000
#define VIRTIO_PCI_CAPABILITIES 5 // common, notify, ISR, device, PCI_CFG

struct virtio_pci_ops {
	/* The driver has reset the device, or function or VMM have: nothing is known any more. */
	void (*reset)(void *data);
	/* The driver has set DRIVER_OK: the queues may be used, and are to be looked at. */
	void (*ready)(void *data);
	/* The driver notifies a queue that it has enabled. Called while a message is handled: the
	 * queue is to be looked at afterwards. */
	void (*notified)(void *data, unsigned queue);
	/* The driver has reset one queue (VIRTIO_F_RING_RESET, offered among features): what was
	 * taken from it is not given back any more. It may be set up again. */
	void (*queue_reset)(void *data, unsigned queue);
	/* The device's own configuration; offset + count lies in its config_size bytes. */
	void (*config_read)(void *data, uint32_t offset, void *ret, uint32_t count);
	void (*config_write)(void *data, uint32_t offset, const void *bytes, uint32_t count);
};

struct virtio_pci_setup {
	struct device_state *state; // borrowed; its virtio part
	struct irq *irq;            // borrowed
	struct pci_function *pci;   // borrowed; may be made after this, as irq
	uint8_t bar;                // where the window lies
	uint32_t offset;            // of the window in it
	uint64_t features;          // offered, beyond VIRTIO_F_VERSION_1
	unsigned queues;            // at most DEVICE_STATE_QUEUES
	uint16_t queue_size;        // the largest
	uint32_t config_size;       // bytes of the device's own configuration
	const struct virtio_pci_ops *ops;
	void *data;
};

struct virtio_pci {
	struct virtio_pci_setup setup;
	struct pci_capability capabilities[VIRTIO_PCI_CAPABILITIES]; // for a pci_description
	uint8_t bodies[VIRTIO_PCI_CAPABILITIES][20];                 // theirs
	struct log_limit refused;
};

/* Goes on from the state; one that is all zero is as at power-on. setup is copied. */
void virtio_pci_init(struct virtio_pci *virtio, const struct virtio_pci_setup *setup);

/* As at power-on; calls ops->reset. */
void virtio_pci_reset(struct virtio_pci *virtio);

/* An access of count bytes at offset of the window. Returns 0 or -EINVAL. */
int virtio_pci_read(struct virtio_pci *virtio, uint64_t offset, void *ret, uint32_t count);
int virtio_pci_write(struct virtio_pci *virtio, uint64_t offset, const void *bytes, uint32_t count);

/* What the driver accepted; 0 before FEATURES_OK. */
uint64_t virtio_pci_features(const struct virtio_pci *virtio);

/* DRIVER_OK is set, bus mastering is on and the device does not need a reset: queues may be
 * worked on. */
bool virtio_pci_runs(const struct virtio_pci *virtio);

/* Interrupts of a queue, and of a changed configuration: MSI-X where the driver has given a
 * vector, else INTx by ISR. */
void virtio_pci_interrupt(struct virtio_pci *virtio, unsigned queue);
void virtio_pci_config_changed(struct virtio_pci *virtio);

/* The description's command_written(): what waited for bus mastering is notified now. */
void virtio_pci_command_written(struct virtio_pci *virtio);

/* A broken queue: sets NEEDS_RESET, and tells the driver. */
void virtio_pci_needs_reset(struct virtio_pci *virtio);

#endif
