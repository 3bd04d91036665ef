#ifndef VMM_HOOKS_VIRTIO_PCI_CAPABILITIES_H
#define VMM_HOOKS_VIRTIO_PCI_CAPABILITIES_H

#include "virtio-pci.h"

/* Where virtio's structures lie in the window, and how a driver finds them there (virtio 1.3,
 * 4.1.4). */

#define VIRTIO_PCI_COMMON_OFFSET 0x0000
#define VIRTIO_PCI_ISR_OFFSET 0x0800
#define VIRTIO_PCI_DEVICE_OFFSET 0x1000
#define VIRTIO_PCI_NOTIFY_OFFSET 0x2000
#define VIRTIO_PCI_NOTIFY_STEP 4  // bytes a queue
#define VIRTIO_PCI_COMMON_SIZE 60 // bytes: up to queue_reset

/* Fills in virtio->capabilities. */
void virtio_pci_make_capabilities(struct virtio_pci *virtio);

#endif
