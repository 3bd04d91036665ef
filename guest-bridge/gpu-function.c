#include "gpu-function.h"

#include <errno.h>
#include <string.h>

static bool has_dispi(const struct gpu_function *function) {
	return function->setup.link->personality != LINK_PERSONALITY_VIRTIO_GPU;
}

static int registers_read(void *data, uint64_t offset, void *ret, uint32_t count) {
	struct gpu_function *function = data;
	if (offset >= GPU_FUNCTION_VIRTIO) {
		return virtio_pci_read(
			virtio_gpu_pci(function->virtio), offset - GPU_FUNCTION_VIRTIO, ret, count);
	}
	const struct pci_bar *page = &function->bochs.description.bars[2];
	if (!has_dispi(function) || offset + count > GPU_FUNCTION_VIRTIO) {
		return 0;
	}
	return page->ops->read(page->data, offset, ret, count);
}

static int registers_write(void *data, uint64_t offset, const void *bytes, uint32_t count) {
	struct gpu_function *function = data;
	if (offset >= GPU_FUNCTION_VIRTIO) {
		return virtio_pci_write(virtio_gpu_pci(function->virtio),
			offset - GPU_FUNCTION_VIRTIO, bytes, count);
	}
	const struct pci_bar *page = &function->bochs.description.bars[2];
	if (!has_dispi(function) || offset + count > GPU_FUNCTION_VIRTIO) {
		return 0;
	}
	return page->ops->write(page->data, offset, bytes, count);
}

static const struct pci_bar_ops registers_ops = {.read = registers_read, .write = registers_write};

static void handle_command(void *data) {
	virtio_pci_command_written(data);
}

/* Virtio's function: its identity, its registers, and where dispi is, too, bochs' aperture. */
static void describe_virtio(struct gpu_function *function) {
	struct virtio_pci *virtio = virtio_gpu_pci(function->virtio);
	function->description = (struct pci_description){
		.vendor = 0x1af4,
		.device = 0x1050,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class = has_dispi(function) ? 0x030000 : 0x038000,
		.revision = 1,
		.intx = true,
		.bars = {[2] = {.size = GPU_FUNCTION_REGISTERS_SIZE,
				 .fd = -1,
				 .ops = &registers_ops,
				 .data = function},
			[4] = {.size = GPU_FUNCTION_MSIX_SIZE, .fd = -1}},
		.msix = {.vectors = VIRTIO_GPU_VECTORS, .bar = 4, .pending = GPU_FUNCTION_PENDING},
		.capabilities = virtio->capabilities,
		.capabilities_len = VIRTIO_PCI_CAPABILITIES,
		.command_written = handle_command,
		.data = virtio,
	};
	if (has_dispi(function)) {
		function->description.bars[0] = function->bochs.description.bars[0];
	}
}

static void handle_mode_changed(void *data) {
	struct gpu_function *function = data;
	if (function->virtio == NULL || !virtio_gpu_took_over(function->virtio)) {
		function->setup.ops->scanout_changed(function->setup.data, 0);
	}
}

static void handle_drawn(void *data) {
	struct gpu_function *function = data;
	if (function->virtio == NULL || !virtio_gpu_took_over(function->virtio)) {
		function->setup.drawn(function->setup.data, 0);
	}
}

static const struct bochs_ops bochs_ops = {
	.mode_changed = handle_mode_changed,
	.drawn = handle_drawn,
};

static int make_virtio(struct gpu_function *function) {
	const struct virtio_gpu_setup setup = {
		.event = function->setup.event,
		.store = function->setup.store,
		.slice = function->setup.slice,
		.irq = &function->irq,
		.pci = &function->pci,
		.link = function->setup.link,
		.udmabuf = function->setup.udmabuf,
		.bar = 2,
		.offset = GPU_FUNCTION_VIRTIO,
		.ops = function->setup.ops,
		.data = function->setup.data,
	};
	return virtio_gpu_create(&function->virtio, &setup);
}

int gpu_function_init(struct gpu_function *function, const struct gpu_function_setup *setup) {
	*function = (struct gpu_function){.setup = *setup};
	struct device_state *state = &setup->store->work->state;
	bochs_init(&function->bochs, state, setup->slice, setup->link, &bochs_ops, function);
	if (setup->link->personality == LINK_PERSONALITY_BOCHS) {
		function->description = function->bochs.description;
	} else {
		int error = make_virtio(function);
		if (error < 0) {
			return error;
		}
		describe_virtio(function);
	}
	irq_init(&function->irq, setup->event, &state->irq, setup->keep, function->description.intx,
		function->description.msix.vectors);
	return pci_init(&function->pci, &function->description, state) ? 0 : -EINVAL;
}

void gpu_function_finish(struct gpu_function *function) {
	virtio_gpu_destroy(function->virtio);
	if (function->irq.state != NULL) {
		irq_finish(&function->irq);
	}
	*function = (struct gpu_function){0};
}

void gpu_function_start(struct gpu_function *function, const struct dma *dma) {
	if (function->virtio != NULL) {
		virtio_gpu_start(function->virtio, dma);
	}
}

void gpu_function_reset(struct gpu_function *function) {
	if (function->virtio != NULL) {
		virtio_gpu_reset(function->virtio);
	}
	bochs_reset(&function->bochs);
}

void gpu_function_get_scanout(struct gpu_function *function, unsigned head, struct scanout *ret) {
	*ret = (struct scanout){0};
	if (function->virtio != NULL && virtio_gpu_took_over(function->virtio)) {
		virtio_gpu_get_scanout(function->virtio, head, ret);
	} else if (head == 0 && has_dispi(function)) {
		bochs_get_scanout(&function->bochs, ret);
	}
}
