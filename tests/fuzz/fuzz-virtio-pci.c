#include "fuzz.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "vfio-user-regions.h"
#include "virtio-pci.h"

/*
 * A virtio function's registers, read and written in its BAR and through configuration space,
 * at every offset and in every width, with resets, interrupts and deaths in between. What
 * virtio 1.3 says of each register holds whatever the driver writes.
 */

#define BAR 2
#define OFFSET 0x1000 // of the window in the BAR
#define BAR_SIZE 0x4000
#define QUEUES DEVICE_STATE_QUEUES
#define QUEUE_SIZE 64
#define CONFIG_SIZE 20
#define VECTORS 3
#define OFFERED                                                                                    \
	(UINT64_C(3) << 28 | 2 | UINT64_C(1) << VIRTIO_F_VERSION_1 |                               \
		UINT64_C(1) << VIRTIO_F_RING_RESET)
#define STEPS_MAX 1024

struct rig {
	struct fuzz_input *input;
	struct device_state state;
	struct irq irq;
	struct keep keep;
	struct pci_function pci;
	struct pci_description description;
	struct virtio_pci virtio;
	unsigned resets, readies;
};

static void handle_reset(void *data) {
	struct rig *rig = data;
	FUZZ_CHECK(rig->state.virtio.device_status == 0);
	rig->resets++;
}

static void handle_ready(void *data) {
	struct rig *rig = data;
	FUZZ_CHECK((virtio_pci_features(&rig->virtio) & ~OFFERED) == 0);
	FUZZ_CHECK((virtio_pci_features(&rig->virtio) >> VIRTIO_F_VERSION_1 & 1) != 0);
	rig->readies++;
}

static void handle_notified(void *data, unsigned queue) {
	struct rig *rig = data;
	FUZZ_CHECK(queue < QUEUES && rig->state.virtio.queues[queue].enabled == 1);
	FUZZ_CHECK(virtio_pci_runs(&rig->virtio));
}

static void handle_queue_reset(void *data, unsigned queue) {
	struct rig *rig = data;
	FUZZ_CHECK(queue < QUEUES && rig->state.virtio.queues[queue].enabled == 0);
}

static void handle_config_read(void *data, uint32_t offset, void *ret, uint32_t count) {
	FUZZ_CHECK(offset < CONFIG_SIZE && count <= CONFIG_SIZE - offset);
	memset(ret, 0x77, count);
}

static void handle_config_write(void *data, uint32_t offset, const void *bytes, uint32_t count) {
	uint8_t copy[CONFIG_SIZE];
	FUZZ_CHECK(offset < CONFIG_SIZE && count <= CONFIG_SIZE - offset);
	memcpy(copy, bytes, count);
}

static const struct virtio_pci_ops ops = {
	.reset = handle_reset,
	.ready = handle_ready,
	.notified = handle_notified,
	.queue_reset = handle_queue_reset,
	.config_read = handle_config_read,
	.config_write = handle_config_write,
};

static int bar_read(void *data, uint64_t offset, void *ret, uint32_t count) {
	struct rig *rig = data;
	return offset < OFFSET ? 0 : virtio_pci_read(&rig->virtio, offset - OFFSET, ret, count);
}

static int bar_write(void *data, uint64_t offset, const void *bytes, uint32_t count) {
	struct rig *rig = data;
	return offset < OFFSET ? 0 : virtio_pci_write(&rig->virtio, offset - OFFSET, bytes, count);
}

static const struct pci_bar_ops bar_ops = {.read = bar_read, .write = bar_write};

static void handle_command_written(void *data) {
	virtio_pci_command_written(data);
}

/* A process begins, or goes on from the state. */
static void begin(struct rig *rig) {
	const struct virtio_pci_setup setup = {
		.state = &rig->state,
		.irq = &rig->irq,
		.pci = &rig->pci,
		.bar = BAR,
		.offset = OFFSET,
		.features = OFFERED,
		.queues = QUEUES,
		.queue_size = QUEUE_SIZE,
		.config_size = CONFIG_SIZE,
		.ops = &ops,
		.data = rig,
	};
	virtio_pci_init(&rig->virtio, &setup);
	rig->description = (struct pci_description){
		.vendor = 0x1af4,
		.device = 0x1050,
		.class = 0x030000,
		.intx = true,
		.bars = {[BAR] = {.size = BAR_SIZE, .fd = -1, .ops = &bar_ops, .data = rig},
			[4] = {.size = 4096, .fd = -1}},
		.msix = {.vectors = VECTORS, .bar = 4, .pending = 0x800},
		.capabilities = rig->virtio.capabilities,
		.capabilities_len = VIRTIO_PCI_CAPABILITIES,
		.command_written = handle_command_written,
		.data = &rig->virtio,
	};
	irq_init(&rig->irq, NULL, &rig->state.irq, &rig->keep, true, VECTORS);
	FUZZ_CHECK(pci_init(&rig->pci, &rig->description, &rig->state));
}

static bool valid_vector(uint16_t vector) {
	return vector < VECTORS || vector == VIRTIO_MSI_NO_VECTOR;
}

static void check(const struct rig *rig) {
	const struct device_state_virtio *regs = &rig->state.virtio;
	uint8_t status = regs->device_status;
	FUZZ_CHECK((status & VIRTIO_CONFIG_S_DRIVER_OK) == 0 ||
		(status & VIRTIO_CONFIG_S_FEATURES_OK) != 0);
	FUZZ_CHECK((status & VIRTIO_CONFIG_S_FEATURES_OK) == 0 ||
		(regs->driver_feature & ~OFFERED) == 0);
	FUZZ_CHECK((regs->isr & ~3) == 0);
	FUZZ_CHECK(rig->state.irq.level == 0 || regs->isr != 0);
	FUZZ_CHECK(valid_vector(regs->config_msix_vector));
	for (unsigned i = 0; i < QUEUES; i++) {
		const struct device_state_queue *queue = &regs->queues[i];
		FUZZ_CHECK(queue->size >= 1 && queue->size <= QUEUE_SIZE);
		FUZZ_CHECK((queue->size & (queue->size - 1)) == 0);
		FUZZ_CHECK(queue->enabled <= 1 && valid_vector(queue->vector));
	}
}

/* A queue that was enabled before is as it was, unless there was a reset. */
static void check_kept(
	const struct rig *rig, const struct device_state_virtio *before, unsigned resets) {
	for (unsigned i = 0; i < QUEUES && rig->resets == resets; i++) {
		const struct device_state_queue *was = &before->queues[i];
		const struct device_state_queue *is = &rig->state.virtio.queues[i];
		FUZZ_CHECK(was->enabled == 0 ||
			(is->enabled == 1 && is->size == was->size && is->desc == was->desc &&
				is->driver == was->driver && is->device == was->device &&
				is->available == was->available));
	}
	FUZZ_CHECK(rig->resets != resets ||
		(before->device_status & ~rig->state.virtio.device_status) == 0);
}

/* Registers that exist, near them, and any. */
static uint64_t pick_offset(struct fuzz_input *input) {
	static const uint32_t parts[] = {0, 0, 0, 0x800, 0x1000, 0x2000, 0x2ffc, 0};
	uint8_t how = fuzz_u8(input);
	if (how == 0xff) {
		return fuzz_u16(input);
	}
	return OFFSET + parts[how % 8] + fuzz_u8(input) % 72;
}

static void access_region(struct rig *rig, uint32_t region, uint64_t offset, uint8_t how) {
	static const uint32_t counts[] = {1, 2, 4, 8, 3, 5, 64, 4};
	struct vfio_user_access access = {
		.region = region,
		.offset = offset,
		.count = counts[how % 8],
	};
	// Of exactly that size, so that a sanitizer sees the byte behind it.
	uint8_t *bytes = calloc(1, access.count);
	FUZZ_CHECK(bytes != NULL);
	if ((how & 8) != 0) {
		fuzz_take(rig->input, bytes, access.count);
		access.data = bytes;
		region_access(&rig->pci, &access, NULL);
	} else {
		region_access(&rig->pci, &access, bytes);
	}
	free(bytes);
}

static void die(struct rig *rig) {
	struct device_state_virtio before = rig->state.virtio;
	irq_finish(&rig->irq);
	begin(rig);
	FUZZ_CHECK(memcmp(&before, &rig->state.virtio, sizeof(before)) == 0);
}

static void step(struct rig *rig) {
	uint8_t what = fuzz_u8(rig->input);
	switch (what >> 4) {
	case 0:
		virtio_pci_interrupt(&rig->virtio, what & 3);
		break;
	case 1:
		virtio_pci_config_changed(&rig->virtio);
		break;
	case 2:
		virtio_pci_needs_reset(&rig->virtio);
		break;
	case 3:
		pci_reset(&rig->pci);
		virtio_pci_reset(&rig->virtio);
		break;
	case 4:
		die(rig);
		break;
	case 5:
	case 6:
	case 7:
		access_region(rig, VFIO_PCI_CONFIG_REGION_INDEX, fuzz_u8(rig->input), what);
		break;
	default:
		access_region(rig, BAR, pick_offset(rig->input), what);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct rig *rig = calloc(1, sizeof(*rig));
	FUZZ_CHECK(rig != NULL);
	log_init("fuzz", NULL, LOG_LEVEL_ERROR);
	rig->input = &input;
	keep_init(&rig->keep, LINK_FUNCTION_GPU, -1);
	begin(rig);
	for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
		struct device_state_virtio before = rig->state.virtio;
		unsigned resets = rig->resets;
		step(rig);
		check(rig);
		check_kept(rig, &before, resets);
	}
	irq_finish(&rig->irq);
	keep_finish(&rig->keep);
	free(rig);
	return 0;
}
