#include "guest-virtio.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "memfd.h"

#define PAGE 4096
#define RAM_SIZE (UINT64_C(64) << 20)

#define VECTOR_CONFIG 0
#define VECTOR_QUEUE 1 // and those after it

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define RING_FEATURES                                                                              \
	(FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX) |                 \
		FEATURE(VIRTIO_F_RING_RESET))

static int complain(struct virtio_guest *guest, const char *complaint) {
	guest->complaint = complaint;
	return -EPROTO;
}

static bool has(const struct virtio_guest *guest, unsigned feature) {
	return (guest->features & FEATURE(feature)) != 0;
}

/* Memory. */

static int make_ram(struct virtio_guest *guest) {
	guest->ram_size = guest->options.ram_size != 0 ? guest->options.ram_size : RAM_SIZE;
	guest->ram_fd = memfd_create_sealed("guest-ram", guest->ram_size);
	if (guest->ram_fd < 0) {
		return guest->ram_fd;
	}
	void *ram =
		mmap(NULL, guest->ram_size, PROT_READ | PROT_WRITE, MAP_SHARED, guest->ram_fd, 0);
	if (ram == MAP_FAILED) {
		return -errno;
	}
	guest->ram = ram;
	return vmm_dma_map(guest->vmm, VIRTIO_GUEST_RAM, guest->ram_size,
		VFU_DMA_READABLE | VFU_DMA_WRITABLE, guest->ram_fd, 0);
}

uint64_t virtio_guest_alloc(struct virtio_guest *guest, uint64_t size, uint64_t align) {
	uint64_t at = (guest->allocated + align - 1) & ~(align - 1);
	if (at > guest->ram_size || size > guest->ram_size - at) {
		return 0;
	}
	guest->allocated = at + size;
	memset(guest->ram + at, 0, size);
	return VIRTIO_GUEST_RAM + at;
}

void *virtio_guest_at(struct virtio_guest *guest, uint64_t address, uint64_t size) {
	uint64_t offset = address - VIRTIO_GUEST_RAM;
	return offset <= guest->ram_size && size <= guest->ram_size - offset ? guest->ram + offset
									     : NULL;
}

/* PCI. */

static int enable_pci(struct vmm *vmm) {
	const struct {
		uint32_t at, value, count;
	} writes[] = {
		{PCI_BASE_ADDRESS_0, VIRTIO_GUEST_BAR0, 4},
		{PCI_BASE_ADDRESS_2, VIRTIO_GUEST_BAR2, 4},
		{PCI_BASE_ADDRESS_4, VIRTIO_GUEST_BAR4, 4},
		{PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2},
	};
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		int error = vmm_write(
			vmm, VFU_REGION_CONFIG, writes[i].at, &writes[i].value, writes[i].count);
		if (error < 0) {
			return error;
		}
	}
	return 0;
}

static uint32_t read_config(struct virtio_guest *guest, unsigned offset, uint32_t count) {
	uint32_t value = 0;
	vmm_read(guest->vmm, VFU_REGION_CONFIG, offset, &value, count);
	return value;
}

static void read_capability(struct virtio_guest *guest, unsigned at) {
	struct virtio_guest_part *const parts[] = {
		[VIRTIO_PCI_CAP_COMMON_CFG] = &guest->common,
		[VIRTIO_PCI_CAP_NOTIFY_CFG] = &guest->notify,
		[VIRTIO_PCI_CAP_ISR_CFG] = &guest->isr,
		[VIRTIO_PCI_CAP_DEVICE_CFG] = &guest->device,
	};
	uint8_t type = (uint8_t)read_config(guest, at + VIRTIO_PCI_CAP_CFG_TYPE, 1);
	if (type == 0 || type >= sizeof(parts) / sizeof(parts[0]) || parts[type]->length != 0) {
		return; // the first of a type counts
	}
	*parts[type] = (struct virtio_guest_part){
		.region = (uint8_t)read_config(guest, at + VIRTIO_PCI_CAP_BAR, 1),
		.offset = read_config(guest, at + VIRTIO_PCI_CAP_OFFSET, 4),
		.length = read_config(guest, at + VIRTIO_PCI_CAP_LENGTH, 4),
	};
	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
		guest->notify_multiplier = read_config(guest, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
	}
}

static int find_capabilities(struct virtio_guest *guest) {
	unsigned at = read_config(guest, PCI_CAPABILITY_LIST, 1);
	for (unsigned i = 0; at >= 0x40 && i < 48; i++) {
		uint8_t id = (uint8_t)read_config(guest, at, 1);
		if (id == PCI_CAP_ID_VNDR) {
			read_capability(guest, at);
		} else if (id == PCI_CAP_ID_MSIX) {
			guest->msix = at;
		}
		at = read_config(guest, at + 1, 1);
	}
	bool found = guest->common.length >= sizeof(struct virtio_pci_common_cfg) &&
		guest->notify.length != 0 && guest->isr.length != 0 && guest->device.length != 0;
	return found ? 0 : complain(guest, "a structure has no capability");
}

/* Registers. */

uint64_t virtio_guest_read(struct virtio_guest *guest, const struct virtio_guest_part *part,
	uint32_t offset, uint32_t count) {
	uint64_t value = 0;
	if (vmm_read(guest->vmm, part->region, part->offset + offset, &value, count) < 0) {
		return UINT64_MAX;
	}
	return value;
}

int virtio_guest_write(struct virtio_guest *guest, const struct virtio_guest_part *part,
	uint32_t offset, uint64_t value, uint32_t count) {
	return vmm_write(guest->vmm, part->region, part->offset + offset, &value, count);
}

static uint64_t get(struct virtio_guest *guest, uint32_t offset, uint32_t count) {
	return virtio_guest_read(guest, &guest->common, offset, count);
}

static int put(struct virtio_guest *guest, uint32_t offset, uint64_t value, uint32_t count) {
	return virtio_guest_write(guest, &guest->common, offset, value, count);
}

uint8_t virtio_guest_status(struct virtio_guest *guest) {
	return (uint8_t)get(guest, VIRTIO_PCI_COMMON_STATUS, 1);
}

static int add_status(struct virtio_guest *guest, uint8_t bit) {
	uint8_t status = virtio_guest_status(guest) | bit;
	int error = put(guest, VIRTIO_PCI_COMMON_STATUS, status, 1);
	if (error == 0 && virtio_guest_status(guest) != status) {
		error = complain(guest, "the device does not take a status");
	}
	return error;
}

/* Features. */

static uint64_t read_offered(struct virtio_guest *guest) {
	put(guest, VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	uint64_t high = get(guest, VIRTIO_PCI_COMMON_DF, 4) & UINT32_MAX;
	put(guest, VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	return high << 32 | (get(guest, VIRTIO_PCI_COMMON_DF, 4) & UINT32_MAX);
}

static int negotiate(struct virtio_guest *guest) {
	uint64_t wanted = guest->options.features != 0 ? guest->options.features : RING_FEATURES;
	guest->offered = read_offered(guest);
	if ((guest->offered & FEATURE(VIRTIO_F_VERSION_1)) == 0) {
		return complain(guest, "the device is a legacy one");
	}
	guest->features = FEATURE(VIRTIO_F_VERSION_1) |
		(guest->options.no_features ? 0 : wanted & guest->offered);
	put(guest, VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	put(guest, VIRTIO_PCI_COMMON_GF, (uint32_t)guest->features, 4);
	put(guest, VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	put(guest, VIRTIO_PCI_COMMON_GF, guest->features >> 32, 4);
	return add_status(guest, VIRTIO_CONFIG_S_FEATURES_OK);
}

/* Interrupts. */

static int bind_eventfd(struct virtio_guest *guest, uint32_t index, uint32_t vector, int *fd) {
	if (*fd < 0) {
		*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	return vmm_set_irqs(
		guest->vmm, VFU_IRQ_DATA_EVENTFD | VFU_IRQ_ACTION_TRIGGER, index, vector, 1, fd, 1);
}

/* In QEMU's order: the bit that enables, then the eventfds. */
static int enable_msix(struct virtio_guest *guest) {
	uint16_t flags = (uint16_t)read_config(guest, guest->msix + PCI_MSIX_FLAGS, 2);
	if (guest->msix == 0 || (flags & PCI_MSIX_FLAGS_QSIZE) < VIRTIO_GUEST_QUEUES) {
		return complain(guest, "the device has too few vectors");
	}
	int error = vmm_write16(guest->vmm, VFU_REGION_CONFIG, guest->msix + PCI_MSIX_FLAGS,
		flags | PCI_MSIX_FLAGS_ENABLE);
	if (error == 0) {
		error = bind_eventfd(guest, VFU_IRQ_MSIX, VECTOR_CONFIG, &guest->config_interrupt);
	}
	for (unsigned i = 0; error == 0 && i < VIRTIO_GUEST_QUEUES; i++) {
		error = bind_eventfd(
			guest, VFU_IRQ_MSIX, VECTOR_QUEUE + i, &guest->queues[i].interrupt);
	}
	return error;
}

static int set_vector(struct virtio_guest *guest, uint32_t offset, uint16_t vector) {
	int error = put(guest, offset, vector, 2);
	if (error == 0 && get(guest, offset, 2) != vector) {
		error = complain(guest, "the device does not take a vector");
	}
	return error;
}

static int set_up_interrupts(struct virtio_guest *guest) {
	if (guest->options.intx) {
		return bind_eventfd(guest, VFU_IRQ_INTX, 0, &guest->config_interrupt);
	}
	int error = enable_msix(guest);
	return error < 0 ? error : set_vector(guest, VIRTIO_PCI_COMMON_MSIX, VECTOR_CONFIG);
}

/* Queues. */

static uint64_t avail_address(const struct virtio_guest_queue *queue) {
	return queue->address + sizeof(struct vring_desc) * (uint64_t)queue->size;
}

/* As Linux lays out a ring that is allocated in one piece. */
static uint64_t used_address(const struct virtio_guest_queue *queue) {
	uint64_t end = avail_address(queue) + 2 * (3 + (uint64_t)queue->size);
	return (end + 63) & ~UINT64_C(63);
}

static int allocate(struct virtio_guest *guest, struct virtio_guest_queue *queue) {
	uint64_t size = used_address(queue) + 6 + 8 * (uint64_t)queue->size;
	queue->address = virtio_guest_alloc(guest, size, PAGE);
	queue->slots_len = has(guest, VIRTIO_RING_F_INDIRECT_DESC)
		? queue->size
		: queue->size / VIRTIO_GUEST_CHAIN_MAX;
	queue->slots_address = virtio_guest_alloc(
		guest, (uint64_t)queue->slots_len * VIRTIO_GUEST_SLOT_SIZE, VIRTIO_GUEST_SLOT_SIZE);
	if (queue->address == 0 || queue->slots_address == 0) {
		return -ENOMEM;
	}
	queue->desc = virtio_guest_at(guest, queue->address, 0);
	queue->avail = virtio_guest_at(guest, avail_address(queue), 0);
	queue->used = virtio_guest_at(guest, used_address(queue), 0);
	return 0;
}

static int choose_size(struct virtio_guest *guest, struct virtio_guest_queue *queue) {
	uint16_t wanted = guest->options.queue_size;
	uint16_t size = (uint16_t)get(guest, VIRTIO_PCI_COMMON_Q_SIZE, 2);
	if (wanted != 0 && wanted < size) {
		put(guest, VIRTIO_PCI_COMMON_Q_SIZE, wanted, 2);
		size = (uint16_t)get(guest, VIRTIO_PCI_COMMON_Q_SIZE, 2);
	}
	if (size < VIRTIO_GUEST_CHAIN_MAX || size > VIRTIO_GUEST_SLOTS_MAX ||
		(size & (size - 1)) != 0) {
		return complain(guest, "a queue has an impossible size");
	}
	queue->size = size;
	return 0;
}

static int set_up_queue(struct virtio_guest *guest, unsigned index) {
	struct virtio_guest_queue *queue = &guest->queues[index];
	*queue = (struct virtio_guest_queue){.interrupt = queue->interrupt};
	put(guest, VIRTIO_PCI_COMMON_Q_SELECT, index, 2);
	int error = choose_size(guest, queue);
	if (error == 0) {
		error = allocate(guest, queue);
	}
	if (error == 0 && !guest->options.intx) {
		error = set_vector(
			guest, VIRTIO_PCI_COMMON_Q_MSIX, (uint16_t)(VECTOR_QUEUE + index));
	}
	if (error < 0) {
		return error;
	}
	if (guest->options.poll && !has(guest, VIRTIO_RING_F_EVENT_IDX)) {
		queue->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	}
	const uint64_t addresses[] = {queue->address, avail_address(queue), used_address(queue)};
	for (uint32_t i = 0; i < 3; i++) {
		put(guest, VIRTIO_PCI_COMMON_Q_DESCLO + 8 * i, (uint32_t)addresses[i], 4);
		put(guest, VIRTIO_PCI_COMMON_Q_DESCHI + 8 * i, addresses[i] >> 32, 4);
	}
	put(guest, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	return get(guest, VIRTIO_PCI_COMMON_Q_ENABLE, 2) == 1
		? 0
		: complain(guest, "a queue is not enabled");
}

/* Starting. */

int virtio_guest_probe(
	struct virtio_guest *guest, struct vmm *vmm, const struct virtio_guest_options *options) {
	*guest = (struct virtio_guest){.vmm = vmm, .ram_fd = -1, .config_interrupt = -1};
	for (unsigned i = 0; i < VIRTIO_GUEST_QUEUES; i++) {
		guest->queues[i].interrupt = -1;
	}
	if (options != NULL) {
		guest->options = *options;
	}
	int error = make_ram(guest);
	if (error == 0) {
		error = enable_pci(vmm);
	}
	return error == 0 ? find_capabilities(guest) : error;
}

int virtio_guest_reset(struct virtio_guest *guest) {
	int error = put(guest, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	if (error == 0 && virtio_guest_status(guest) != 0) {
		error = complain(guest, "the device does not reset");
	}
	guest->allocated = 0;
	return error;
}

int virtio_guest_reset_queue(struct virtio_guest *guest, unsigned index) {
	put(guest, VIRTIO_PCI_COMMON_Q_SELECT, index, 2);
	int error = put(guest, VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	if (error == 0 &&
		(get(guest, VIRTIO_PCI_COMMON_Q_RESET, 2) != 0 ||
			get(guest, VIRTIO_PCI_COMMON_Q_ENABLE, 2) != 0)) {
		error = complain(guest, "a queue does not reset");
	}
	return error == 0 ? set_up_queue(guest, index) : error;
}

int virtio_guest_drive(struct virtio_guest *guest) {
	int error = virtio_guest_reset(guest);
	if (error == 0) {
		error = add_status(guest, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	}
	if (error == 0) {
		error = add_status(guest, VIRTIO_CONFIG_S_DRIVER);
	}
	if (error == 0) {
		error = negotiate(guest);
	}
	if (error == 0) {
		error = set_up_interrupts(guest);
	}
	for (unsigned i = 0; error == 0 && i < VIRTIO_GUEST_QUEUES; i++) {
		error = set_up_queue(guest, i);
	}
	return error == 0 ? add_status(guest, VIRTIO_CONFIG_S_DRIVER_OK) : error;
}

int virtio_guest_start(
	struct virtio_guest *guest, struct vmm *vmm, const struct virtio_guest_options *options) {
	int error = virtio_guest_probe(guest, vmm, options);
	return error == 0 ? virtio_guest_drive(guest) : error;
}

void virtio_guest_finish(struct virtio_guest *guest) {
	if (guest->ram != NULL) {
		munmap(guest->ram, guest->ram_size);
		guest->ram = NULL;
	}
	guest->ram_fd = fd_close(guest->ram_fd);
	guest->config_interrupt = fd_close(guest->config_interrupt);
	for (unsigned i = 0; i < VIRTIO_GUEST_QUEUES; i++) {
		guest->queues[i].interrupt = fd_close(guest->queues[i].interrupt);
	}
}
