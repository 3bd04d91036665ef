#ifndef GUEST_BRIDGE_GPU_FUNCTION_H
#define GUEST_BRIDGE_GPU_FUNCTION_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "bochs.h"
#include "device-link.h"
#include "device-store.h"
#include "irq.h"
#include "keep.h"
#include "pci.h"
#include "virtio-gpu.h"

/*
 * The guest's GPU as one PCI function, in one of its personalities:
 *   bochs       QEMU's bochs-display, see bochs.h
 *   virtio-vga  1af4:1050, class VGA: BAR0 the aperture; BAR2 the registers of bochs, and from
 *               GPU_FUNCTION_VIRTIO on those of virtio; BAR4 MSI-X. The screen shows what
 *               bochs' registers say until virtio's driver sets a scanout, and again after
 *               that is reset.
 *   virtio-gpu  likewise, without aperture and without bochs' registers
 */

#define GPU_FUNCTION_REGISTERS_SIZE 0x4000 // bytes of BAR2
#define GPU_FUNCTION_VIRTIO 0x1000         // in it
#define GPU_FUNCTION_MSIX_SIZE 4096        // bytes of BAR4
#define GPU_FUNCTION_PENDING 0x800         // in it

struct gpu_function_setup {
	sd_event *event;
	const struct link_setup *link; // outlives the function
	struct device_store *store;
	struct keep *keep;
	int udmabuf; // /dev/udmabuf, borrowed, or -1
	const struct slice *slice;
	const struct virtio_gpu_ops *ops;
	void (*drawn)(void *data, unsigned head); // as bridge_drawn()
	void *data;
};

struct gpu_function {
	struct gpu_function_setup setup;
	struct pci_function pci;
	struct irq irq;
	struct bochs bochs;
	struct virtio_gpu *virtio; // owned; NULL for bochs
	struct pci_description description;
};

/* Goes on from the state. setup is copied. Returns 0, -ENOMEM, or -EINVAL where the aperture is
 * not possible as a BAR. */
int gpu_function_init(struct gpu_function *function, const struct gpu_function_setup *setup);

/* Safe on a zeroed one. Leaves the state. */
void gpu_function_finish(struct gpu_function *function);

/* The guest's memory is there. */
void gpu_function_start(struct gpu_function *function, const struct dma *dma);

/* All but PCI and interrupts as at power-on. */
void gpu_function_reset(struct gpu_function *function);

void gpu_function_get_scanout(struct gpu_function *function, unsigned head, struct scanout *ret);

#endif
