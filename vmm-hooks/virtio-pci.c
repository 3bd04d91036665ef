#include "virtio-pci.h"

#include <errno.h>
#include <linux/vfio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "checked.h"
#include "virtio-pci-capabilities.h"

#define ISR_QUEUE 0x1
#define FEATURE(bit) (UINT64_C(1) << (bit))

static struct device_state_virtio *registers(const struct virtio_pci *virtio) {
	return &virtio->setup.state->virtio;
}

/* The queue that the driver has selected, or NULL. */
static struct device_state_queue *selected(const struct virtio_pci *virtio) {
	struct device_state_virtio *regs = registers(virtio);
	return regs->queue_select < virtio->setup.queues ? &regs->queues[regs->queue_select] : NULL;
}

static uint64_t offered(const struct virtio_pci *virtio) {
	return virtio->setup.features | FEATURE(VIRTIO_F_VERSION_1);
}

static bool has_status(const struct virtio_pci *virtio, uint8_t bit) {
	return (registers(virtio)->device_status & bit) != 0;
}

uint64_t virtio_pci_features(const struct virtio_pci *virtio) {
	return has_status(virtio, VIRTIO_CONFIG_S_FEATURES_OK) ? registers(virtio)->driver_feature
							       : 0;
}

bool virtio_pci_runs(const struct virtio_pci *virtio) {
	return has_status(virtio, VIRTIO_CONFIG_S_DRIVER_OK) &&
		!has_status(virtio, VIRTIO_CONFIG_S_NEEDS_RESET) &&
		pci_may_master(virtio->setup.pci);
}

/* Interrupts (virtio 1.3, 4.1.4.5, 4.1.5.1.2). */

static bool uses_msix(const struct virtio_pci *virtio) {
	return virtio->setup.state->irq.msix_enabled != 0 || pci_msix_enabled(virtio->setup.pci);
}

static void update_intx(struct virtio_pci *virtio) {
	bool pending = registers(virtio)->isr != 0 && !uses_msix(virtio);
	pci_set_interrupt_status(virtio->setup.pci, pending);
	irq_set_level(virtio->setup.irq, pending && pci_may_intx(virtio->setup.pci));
}

/* A message is a write to memory. */
static void send_message(struct virtio_pci *virtio, uint16_t vector) {
	if (uses_msix(virtio) && vector != VIRTIO_MSI_NO_VECTOR &&
		pci_may_master(virtio->setup.pci)) {
		irq_raise(virtio->setup.irq, vector);
	}
}

void virtio_pci_interrupt(struct virtio_pci *virtio, unsigned queue) {
	struct device_state_virtio *regs = registers(virtio);
	if (queue >= virtio->setup.queues) {
		return;
	}
	if (!uses_msix(virtio)) {
		regs->isr |= ISR_QUEUE;
	}
	send_message(virtio, regs->queues[queue].vector);
	update_intx(virtio);
}

/* Before DRIVER_OK the driver is told nothing: it will look for itself. */
static void tell_config(struct virtio_pci *virtio) {
	if (!has_status(virtio, VIRTIO_CONFIG_S_DRIVER_OK)) {
		return;
	}
	registers(virtio)->isr |= VIRTIO_PCI_ISR_CONFIG;
	send_message(virtio, registers(virtio)->config_msix_vector);
	update_intx(virtio);
}

void virtio_pci_config_changed(struct virtio_pci *virtio) {
	registers(virtio)->config_generation++;
	tell_config(virtio);
}

void virtio_pci_needs_reset(struct virtio_pci *virtio) {
	if (!has_status(virtio, VIRTIO_CONFIG_S_NEEDS_RESET)) {
		registers(virtio)->device_status |= VIRTIO_CONFIG_S_NEEDS_RESET;
		tell_config(virtio);
	}
}

static uint8_t read_isr(struct virtio_pci *virtio) {
	uint8_t isr = registers(virtio)->isr;
	registers(virtio)->isr = 0;
	update_intx(virtio);
	return isr;
}

static void notify(struct virtio_pci *virtio, unsigned queue) {
	if (virtio_pci_runs(virtio) && registers(virtio)->queues[queue].enabled != 0) {
		virtio->setup.ops->notified(virtio->setup.data, queue);
	}
}

void virtio_pci_command_written(struct virtio_pci *virtio) {
	update_intx(virtio);
	for (unsigned i = 0; i < virtio->setup.queues; i++) {
		notify(virtio, i);
	}
}

/* The common configuration (virtio 1.3, 4.1.4.3). */

static struct device_state_queue unused_queue(const struct virtio_pci *virtio) {
	return (struct device_state_queue){
		.size = virtio->setup.queue_size,
		.vector = VIRTIO_MSI_NO_VECTOR,
	};
}

static void power_on(struct virtio_pci *virtio) {
	struct device_state_virtio *regs = registers(virtio);
	*regs = (struct device_state_virtio){.config_msix_vector = VIRTIO_MSI_NO_VECTOR};
	for (unsigned i = 0; i < virtio->setup.queues; i++) {
		regs->queues[i] = unused_queue(virtio);
	}
}

void virtio_pci_reset(struct virtio_pci *virtio) {
	power_on(virtio);
	update_intx(virtio);
	virtio->setup.ops->reset(virtio->setup.data);
}

static uint32_t half(uint64_t value, uint32_t select) {
	return select < 2 ? (uint32_t)(value >> 32 * select) : 0;
}

static void compose_queue(const struct virtio_pci *virtio, struct virtio_pci_common_cfg *ret) {
	const struct device_state_queue *queue = selected(virtio);
	if (queue == NULL) {
		return;
	}
	ret->queue_size = queue->size;
	ret->queue_msix_vector = queue->vector;
	ret->queue_enable = queue->enabled;
	ret->queue_notify_off = registers(virtio)->queue_select;
	ret->queue_desc_lo = half(queue->desc, 0);
	ret->queue_desc_hi = half(queue->desc, 1);
	ret->queue_avail_lo = half(queue->driver, 0);
	ret->queue_avail_hi = half(queue->driver, 1);
	ret->queue_used_lo = half(queue->device, 0);
	ret->queue_used_hi = half(queue->device, 1);
}

/* All of it at once: whatever bytes of it are asked for. */
static void compose(const struct virtio_pci *virtio, struct virtio_pci_common_cfg *ret) {
	const struct device_state_virtio *regs = registers(virtio);
	*ret = (struct virtio_pci_common_cfg){
		.device_feature_select = regs->device_feature_select,
		.device_feature = half(offered(virtio), regs->device_feature_select),
		.guest_feature_select = regs->driver_feature_select,
		.guest_feature = half(regs->driver_feature, regs->driver_feature_select),
		.msix_config = regs->config_msix_vector,
		.num_queues = (uint16_t)virtio->setup.queues,
		.device_status = regs->device_status,
		.config_generation = regs->config_generation,
		.queue_select = regs->queue_select,
	};
	compose_queue(virtio, ret);
}

static void write_device_select(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	registers(virtio)->device_feature_select = value;
}

static void write_driver_select(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	registers(virtio)->driver_feature_select = value;
}

static void write_driver_feature(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	struct device_state_virtio *regs = registers(virtio);
	uint32_t select = regs->driver_feature_select;
	if (select < 2 && !has_status(virtio, VIRTIO_CONFIG_S_FEATURES_OK)) {
		regs->driver_feature &= ~(UINT64_C(0xffffffff) << 32 * select);
		regs->driver_feature |= (uint64_t)value << 32 * select;
	}
}

/* One that does not exist reads back as none. */
static uint16_t valid_vector(const struct virtio_pci *virtio, uint32_t value) {
	return value < virtio->setup.irq->counts[VFIO_PCI_MSIX_IRQ_INDEX] ? (uint16_t)value
									  : VIRTIO_MSI_NO_VECTOR;
}

static void write_config_vector(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	registers(virtio)->config_msix_vector = valid_vector(virtio, value);
}

static bool features_fit(struct virtio_pci *virtio) {
	uint64_t accepted = registers(virtio)->driver_feature;
	if ((accepted & ~offered(virtio)) == 0 && (accepted & FEATURE(VIRTIO_F_VERSION_1)) != 0) {
		return true;
	}
	log_limited(&virtio->refused, LOG_LEVEL_WARNING,
		"the guest's driver accepts features %#llx, of which %#llx are offered: refused",
		(unsigned long long)accepted, (unsigned long long)offered(virtio));
	return false;
}

/* A driver sets bits one after the other, and clears them by a reset only. */
static void write_status(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	uint8_t status = registers(virtio)->device_status, set = (uint8_t)value & ~status;
	if (value == 0) {
		virtio_pci_reset(virtio);
		return;
	}
	set &= (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
	if ((set & VIRTIO_CONFIG_S_FEATURES_OK) != 0 && !features_fit(virtio)) {
		set &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	}
	if (((status | set) & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
		set &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	}
	registers(virtio)->device_status = status | set;
	if ((set & VIRTIO_CONFIG_S_DRIVER_OK) != 0) {
		virtio->setup.ops->ready(virtio->setup.data);
	}
}

static void write_select(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	registers(virtio)->queue_select = (uint16_t)value;
}

static void write_size(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	struct device_state_queue *queue = selected(virtio);
	if (queue != NULL && queue->enabled == 0 && value != 0 && (value & (value - 1)) == 0 &&
		value <= virtio->setup.queue_size) {
		queue->size = (uint16_t)value;
	}
}

static void write_vector(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	struct device_state_queue *queue = selected(virtio);
	if (queue != NULL) {
		queue->vector = valid_vector(virtio, value);
	}
}

static void write_enable(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	struct device_state_queue *queue = selected(virtio);
	if (queue != NULL && queue->enabled == 0 && value == 1) {
		queue->enabled = 1;
		queue->available = queue->used = queue->signalled = 0;
	}
}

/* Done at once: it reads as 0 again, and so does queue_enable. */
static void write_reset(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	struct device_state_queue *queue = selected(virtio);
	if (queue != NULL && queue->enabled != 0 && value == 1 &&
		(virtio_pci_features(virtio) & FEATURE(VIRTIO_F_RING_RESET)) != 0) {
		*queue = unused_queue(virtio);
		virtio->setup.ops->queue_reset(virtio->setup.data, registers(virtio)->queue_select);
	}
}

static void write_address(struct virtio_pci *virtio, uint32_t offset, uint32_t value) {
	struct device_state_queue *queue = selected(virtio);
	if (queue == NULL || queue->enabled != 0) {
		return;
	}
	uint64_t *const addresses[] = {&queue->desc, &queue->driver, &queue->device};
	uint64_t *address = addresses[(offset - VIRTIO_PCI_COMMON_Q_DESCLO) / 8];
	unsigned shift = offset % 8 != 0 ? 32 : 0;
	*address &= ~(UINT64_C(0xffffffff) << shift);
	*address |= (uint64_t)value << shift;
}

/* What can be written. The device names none of it by another width. */
static const struct field {
	uint8_t offset, width;
	void (*write)(struct virtio_pci *virtio, uint32_t offset, uint32_t value);
} fields[] = {
	{VIRTIO_PCI_COMMON_DFSELECT, 4, write_device_select},
	{VIRTIO_PCI_COMMON_GFSELECT, 4, write_driver_select},
	{VIRTIO_PCI_COMMON_GF, 4, write_driver_feature},
	{VIRTIO_PCI_COMMON_MSIX, 2, write_config_vector},
	{VIRTIO_PCI_COMMON_STATUS, 1, write_status},
	{VIRTIO_PCI_COMMON_Q_SELECT, 2, write_select},
	{VIRTIO_PCI_COMMON_Q_SIZE, 2, write_size},
	{VIRTIO_PCI_COMMON_Q_MSIX, 2, write_vector},
	{VIRTIO_PCI_COMMON_Q_ENABLE, 2, write_enable},
	{VIRTIO_PCI_COMMON_Q_DESCLO, 4, write_address},
	{VIRTIO_PCI_COMMON_Q_DESCHI, 4, write_address},
	{VIRTIO_PCI_COMMON_Q_AVAILLO, 4, write_address},
	{VIRTIO_PCI_COMMON_Q_AVAILHI, 4, write_address},
	{VIRTIO_PCI_COMMON_Q_USEDLO, 4, write_address},
	{VIRTIO_PCI_COMMON_Q_USEDHI, 4, write_address},
	{VIRTIO_PCI_COMMON_Q_RESET, 2, write_reset},
};

static void write_common(
	struct virtio_pci *virtio, uint32_t offset, const uint8_t *bytes, uint32_t count) {
	if (count == 8 && offset % 8 == 0) { // an address in one piece
		write_common(virtio, offset, bytes, 4);
		write_common(virtio, offset + 4, bytes + 4, 4);
		return;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].offset == offset && fields[i].width == count) {
			uint32_t value = 0;
			memcpy(&value, bytes, count);
			fields[i].write(virtio, offset, value);
			return;
		}
	}
}

/* The window (virtio 1.3, 4.1.4). */

enum part {
	PART_COMMON,
	PART_ISR,
	PART_DEVICE,
	PART_NOTIFY,
	PART_NONE,
};

/* Where an access begins; *ret_offset is that in the part, *count is cut where it ends. */
static enum part find_part(
	const struct virtio_pci *virtio, uint64_t offset, uint32_t *ret_offset, uint32_t *count) {
	const struct {
		uint32_t offset, size;
	} parts[] = {
		[PART_COMMON] = {VIRTIO_PCI_COMMON_OFFSET, VIRTIO_PCI_COMMON_SIZE},
		[PART_ISR] = {VIRTIO_PCI_ISR_OFFSET, 1},
		[PART_DEVICE] = {VIRTIO_PCI_DEVICE_OFFSET, virtio->setup.config_size},
		[PART_NOTIFY] = {VIRTIO_PCI_NOTIFY_OFFSET,
			VIRTIO_PCI_NOTIFY_STEP * virtio->setup.queues},
	};
	for (unsigned i = 0; i < PART_NONE; i++) {
		if (offset >= parts[i].offset && offset - parts[i].offset < parts[i].size) {
			*ret_offset = (uint32_t)offset - parts[i].offset;
			uint32_t left = parts[i].size - *ret_offset;
			*count = *count < left ? *count : left;
			return i;
		}
	}
	return PART_NONE;
}

static void count_trap(struct virtio_pci *virtio, enum part part) {
	static const enum trap_class traps[] = {
		[PART_COMMON] = TRAP_VIRTIO_CONFIG,
		[PART_ISR] = TRAP_VIRTIO_ISR,
		[PART_DEVICE] = TRAP_VIRTIO_CONFIG,
		[PART_NOTIFY] = TRAP_VIRTIO_NOTIFY,
		[PART_NONE] = TRAP_OTHER,
	};
	virtio->setup.state->traps[traps[part]]++;
}

int virtio_pci_read(struct virtio_pci *virtio, uint64_t offset, void *ret, uint32_t count) {
	if (!checked_range(offset, count, VIRTIO_PCI_WINDOW)) {
		return -EINVAL;
	}
	memset(ret, 0, count);
	uint32_t at = 0;
	enum part part = find_part(virtio, offset, &at, &count);
	count_trap(virtio, part);
	if (part == PART_COMMON) {
		uint8_t common[VIRTIO_PCI_COMMON_SIZE] = {0};
		compose(virtio, (struct virtio_pci_common_cfg *)common);
		memcpy(ret, common + at, count);
	} else if (part == PART_ISR && count > 0) {
		*(uint8_t *)ret = read_isr(virtio);
	} else if (part == PART_DEVICE) {
		virtio->setup.ops->config_read(virtio->setup.data, at, ret, count);
	}
	return 0;
}

int virtio_pci_write(
	struct virtio_pci *virtio, uint64_t offset, const void *bytes, uint32_t count) {
	if (!checked_range(offset, count, VIRTIO_PCI_WINDOW)) {
		return -EINVAL;
	}
	uint32_t at = 0, width = count;
	enum part part = find_part(virtio, offset, &at, &count);
	count_trap(virtio, part);
	if (part == PART_COMMON) {
		write_common(virtio, at, bytes, width);
	} else if (part == PART_DEVICE) {
		virtio->setup.ops->config_write(virtio->setup.data, at, bytes, count);
	} else if (part == PART_NOTIFY && at % VIRTIO_PCI_NOTIFY_STEP == 0) {
		notify(virtio, at / VIRTIO_PCI_NOTIFY_STEP);
	}
	return 0;
}

void virtio_pci_init(struct virtio_pci *virtio, const struct virtio_pci_setup *setup) {
	*virtio = (struct virtio_pci){.setup = *setup};
	virtio_pci_make_capabilities(virtio);
	if (registers(virtio)->queues[0].size == 0) {
		power_on(virtio);
	}
}
