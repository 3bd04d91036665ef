#include "virtio-pci-capabilities.h"

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <string.h>

/* Of a capability's body, which follows its id and its next pointer. */
#define BODY(field) (offsetof(struct virtio_pci_cfg_cap, field) - 2)

/* The way in through configuration space (virtio 1.3, 4.1.4.9), which firmware takes. */

static uint32_t get32(const uint8_t *bytes) {
	uint32_t value;
	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* Where it is aimed at, which may be nowhere. */
static bool aimed(const struct virtio_pci *virtio, const uint8_t *body, uint32_t *ret_offset,
	uint32_t *ret_length) {
	uint32_t offset = get32(body + BODY(cap.offset)), length = get32(body + BODY(cap.length));
	const struct virtio_pci_setup *setup = &virtio->setup;
	if (body[BODY(cap.bar)] != setup->bar || (length != 1 && length != 2 && length != 4) ||
		offset % length != 0 || offset < setup->offset) {
		return false;
	}
	*ret_offset = offset - setup->offset;
	*ret_length = length;
	return true;
}

static void window_read(void *data, uint8_t *body) {
	struct virtio_pci *virtio = data;
	uint32_t offset, length;
	memset(body + BODY(pci_cfg_data), 0, 4);
	if (aimed(virtio, body, &offset, &length)) {
		virtio_pci_read(virtio, offset, body + BODY(pci_cfg_data), length);
	}
}

static void window_write(void *data, uint8_t *body) {
	struct virtio_pci *virtio = data;
	uint32_t offset, length;
	if (aimed(virtio, body, &offset, &length)) {
		uint8_t bytes[4];
		memcpy(bytes, body + BODY(pci_cfg_data), sizeof(bytes));
		virtio_pci_write(virtio, offset, bytes, length);
	}
}

static const struct pci_window_ops window_ops = {.read = window_read, .write = window_write};

/* Offset, length and data of that, and which BAR. */
static const uint8_t window_writable[sizeof(struct virtio_pci_cfg_cap) - 2] = {
	[BODY(cap.bar)] = 0xff,
	[BODY(cap.offset)] = 0xff,
	0xff,
	0xff,
	0xff,
	[BODY(cap.length)] = 0xff,
	0xff,
	0xff,
	0xff,
	[BODY(pci_cfg_data)] = 0xff,
	0xff,
	0xff,
	0xff,
};

/* extra: what follows struct virtio_pci_cap, of that many bytes. */
static struct pci_capability *add_capability(struct virtio_pci *virtio, unsigned at, uint8_t type,
	uint32_t offset, uint32_t length, uint32_t extra, unsigned extra_size) {
	uint8_t *body = virtio->bodies[at];
	body[BODY(cap.cap_len)] = (uint8_t)(sizeof(struct virtio_pci_cap) + extra_size);
	body[BODY(cap.cfg_type)] = type;
	body[BODY(cap.bar)] = virtio->setup.bar;
	memcpy(body + BODY(cap.offset), &offset, sizeof(offset));
	memcpy(body + BODY(cap.length), &length, sizeof(length));
	memcpy(body + BODY(pci_cfg_data), &extra, extra_size);
	virtio->capabilities[at] = (struct pci_capability){
		.id = PCI_CAP_ID_VNDR,
		.length = body[BODY(cap.cap_len)] - 2,
		.body = body,
	};
	return &virtio->capabilities[at];
}

void virtio_pci_make_capabilities(struct virtio_pci *virtio) {
	const struct virtio_pci_setup *setup = &virtio->setup;
	const uint32_t base = setup->offset;
	add_capability(virtio, 0, VIRTIO_PCI_CAP_COMMON_CFG, base + VIRTIO_PCI_COMMON_OFFSET,
		VIRTIO_PCI_COMMON_SIZE, 0, 0);
	add_capability(virtio, 1, VIRTIO_PCI_CAP_NOTIFY_CFG, base + VIRTIO_PCI_NOTIFY_OFFSET,
		VIRTIO_PCI_NOTIFY_STEP * setup->queues, VIRTIO_PCI_NOTIFY_STEP, sizeof(uint32_t));
	add_capability(virtio, 2, VIRTIO_PCI_CAP_ISR_CFG, base + VIRTIO_PCI_ISR_OFFSET, 1, 0, 0);
	add_capability(virtio, 3, VIRTIO_PCI_CAP_DEVICE_CFG, base + VIRTIO_PCI_DEVICE_OFFSET,
		setup->config_size, 0, 0);
	struct pci_capability *window =
		add_capability(virtio, 4, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0, sizeof(uint32_t));
	virtio->bodies[4][BODY(cap.bar)] = 0;
	window->writable = window_writable;
	window->window = sizeof(uint32_t);
	window->ops = &window_ops;
	window->data = virtio;
}
