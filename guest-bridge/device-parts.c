#include "device.h"

#include <errno.h>
#include <string.h>

#include "clock.h"

static struct device_port *gpu_port(struct device *device) {
	return &device->ports[LINK_FUNCTION_GPU];
}

static void handle_vmm_connected(void *data, bool connected) {
	struct device *device = data;
	device->vmm_connected = connected;
	device_mulliond_tell_vmm(device);
}

static void handle_reset(void *data) {
	struct device *device = data;
	gpu_function_reset(&device->function);
}

static const struct vfio_user_server_ops server_ops = {
	.reset = handle_reset,
	.connected = handle_vmm_connected,
};

static bool vmm_busy(void *data) {
	struct device *device = data;
	return device_port_busy(gpu_port(device));
}

static bool is_hidden(void *data) {
	struct device *device = data;
	return bridge_hidden(device->bridge);
}

static void show_changed(void *data, unsigned head) {
	struct device *device = data;
	if (device->bridge != NULL) {
		bridge_scanout_changed(device->bridge, head);
	}
}

static void show_kept(void *data, unsigned head) {
	struct device *device = data;
	if (device->bridge != NULL) {
		bridge_keep(device->bridge, head);
	}
}

static void show_drawn(void *data, unsigned head) {
	struct device *device = data;
	if (device->bridge != NULL) {
		bridge_drawn(device->bridge, head);
	}
}

static void show_flipped(void *data, unsigned head, const struct damage_boxes *boxes) {
	struct device *device = data;
	bridge_flipped(device->bridge, head, boxes);
}

static void show_flushed(void *data, unsigned head, const struct damage_boxes *boxes) {
	struct device *device = data;
	bridge_flushed(device->bridge, head, boxes);
}

static void show_cursor(void *data, const uint32_t *pixels, uint32_t hot_x, uint32_t hot_y) {
	struct device *device = data;
	bridge_set_cursor(device->bridge, pixels, hot_x, hot_y);
}

static void reset_cursor(void *data) {
	struct device *device = data;
	if (device->bridge != NULL) {
		bridge_reset_cursor(device->bridge);
	}
}

static const struct virtio_gpu_ops gpu_ops = {
	.busy = vmm_busy,
	.hidden = is_hidden,
	.scanout_changed = show_changed,
	.keep = show_kept,
	.flipped = show_flipped,
	.flushed = show_flushed,
	.set_cursor = show_cursor,
	.reset_cursor = reset_cursor,
};

static void get_scanout(void *data, unsigned head, struct scanout *ret) {
	struct device *device = data;
	gpu_function_get_scanout(&device->function, head, ret);
}

static void get_palette(void *data, uint32_t palette[256]) {
	struct device *device = data;
	dispi_palette(&gpu_port(device)->store.work->state.dispi, palette);
}

static void send_over_link(void *data, const struct link_input *input) {
	device_mulliond_send_input(data, input);
}

static void handle_input(void *data, const struct link_input *input) {
	struct device *device = data;
	input_route_send(&device->route, input);
}

static void handle_looked(void *data) {
	struct device *device = data;
	gpu_port(device)->store.file->live.looks++;
}

static void handle_committed(void *data) {
	struct device *device = data;
	gpu_port(device)->store.file->live.commits++;
}

static void handle_frame(void *data, unsigned head) {
	struct device *device = data;
	if (device->function.virtio != NULL) {
		virtio_gpu_frame(device->function.virtio, head);
	}
}

static void handle_resized(void *data, unsigned head, uint32_t width, uint32_t height,
	uint32_t refresh, uint32_t scale) {
	struct device *device = data;
	if (device->function.virtio != NULL) {
		virtio_gpu_resized(device->function.virtio, head, width, height, refresh, scale);
	}
}

static void handle_plugged(void *data, unsigned head, bool plugged) {
	struct device *device = data;
	if (device->function.virtio != NULL) {
		virtio_gpu_plugged(device->function.virtio, head, plugged);
	}
}

static const struct bridge_ops bridge_ops = {
	.get_scanout = get_scanout,
	.get_palette = get_palette,
	.input = handle_input,
	.frame = handle_frame,
	.plugged = handle_plugged,
	.resized = handle_resized,
	.looked = handle_looked,
	.committed = handle_committed,
};

static int open_state(struct device *device) {
	struct device_port *port = gpu_port(device);
	bool new;
	int error = device_port_open(port, &new);
	if (error == 0 && new) {
		dispi_reset(&port->store.work->state.dispi);
		port->store.work->state.gpu.blobs = device->udmabuf >= 0;
	}
	return error;
}

void device_resume(struct device *device) {
	vfio_user_server_tell(gpu_port(device)->server);
	device_inputs_resume(device);
	if (device->function.virtio != NULL) {
		virtio_gpu_resume(device->function.virtio);
	}
}

/* Builds the function on its slice and its state. */
static int make_function(struct device *device) {
	const struct gpu_function_setup setup = {
		.event = device->event,
		.link = &device->setup,
		.store = &gpu_port(device)->store,
		.keep = &gpu_port(device)->keep,
		.udmabuf = device->udmabuf,
		.slice = &device->slice,
		.ops = &gpu_ops,
		.drawn = show_drawn,
		.data = device,
	};
	int error = gpu_function_init(&device->function, &setup);
	if (error == -EINVAL) {
		log_error("an aperture of %llu bytes is not possible: it must be a power of two",
			(unsigned long long)device->setup.aperture_size);
	}
	return error;
}

static int make_bridge(struct device *device) {
	const struct bridge_setup setup = {
		.event = device->event,
		.slice = &device->slice,
		.heads = device->setup.heads,
		// A bochs guest cannot be asked for another size.
		.follow = device->setup.follow != 0 &&
			device->setup.personality != LINK_PERSONALITY_BOCHS,
		.hidden_usec = USEC_PER_SEC * 1000 / device->setup.hidden_refresh,
		.ops = &bridge_ops,
		.data = device,
	};
	return bridge_create(&device->bridge, &setup);
}

int device_set_up(struct device *device) {
	const struct link_setup *setup = &device->setup;
	int error = slice_init(&device->slice, device->fds[LINK_FD_SLICE], setup->slice_base,
		setup->slice_size, setup->aperture_size);
	device->fds[LINK_FD_SLICE] = -1;
	if (error < 0) {
		log_error("the slice cannot be used: %s", strerror(-error));
		return error;
	}
	error = open_state(device);
	if (error < 0) {
		log_error("the state cannot be used: %s", strerror(-error));
		return error;
	}
	input_route_init(&device->route, send_over_link, device);
	error = make_function(device);
	if (error == 0) {
		error = make_bridge(device);
	}
	if (error == 0) {
		error = link_listener_init(&device->links, device->event,
			device->fds[LINK_FD_LINKS], device_mulliond_adopt, device);
	}
	if (error == 0) {
		error = device_port_serve(gpu_port(device), device->event, &device->function.pci,
			&device->function.irq, &server_ops, device);
	}
	if (error == 0) {
		error = device_inputs_set_up(device);
	}
	if (error < 0) {
		log_error("the device cannot be set up: %s", strerror(-error));
		return error;
	}
	gpu_function_start(&device->function, vfio_user_server_dma(gpu_port(device)->server));
	device->running = true;
	// mulliond may know something else from an earlier device.
	device->vmm_told = !device->vmm_connected;
	device_mulliond_tell_vmm(device);
	return 0;
}
