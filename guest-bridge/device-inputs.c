#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

/* A function that the guest has input from. */
struct device_input {
	struct device_port *port; // borrowed
	struct input_function function;
};

static void handle_reset(void *data) {
	struct device_input *input = data;
	input_function_reset(&input->function);
}

/* mulliond asks about the GPU alone: whoever lets the functions go lets all go. */
static void handle_connected(void *data, bool connected) {
}

static const struct vfio_user_server_ops server_ops = {
	.reset = handle_reset,
	.connected = handle_connected,
};

static bool is_busy(void *data) {
	const struct device_input *input = data;
	return device_port_busy(input->port);
}

static int set_up(struct device *device, struct device_input *input) {
	struct device_port *port = input->port;
	bool new;
	int error = device_port_open(port, &new);
	if (error < 0) {
		return error;
	}
	const struct input_function_setup setup = {
		.event = device->event,
		.function = port->function,
		.store = &port->store,
		.keep = &port->keep,
		.name = device->setup.name,
		.busy = is_busy,
		.data = input,
	};
	error = input_function_init(&input->function, &setup);
	if (error == 0) {
		error = device_port_serve(port, device->event, &input->function.pci,
			&input->function.irq, &server_ops, input);
	}
	if (error == 0) {
		input_function_start(&input->function, vfio_user_server_dma(port->server));
	}
	return error;
}

int device_inputs_set_up(struct device *device) {
	for (unsigned i = 1; i < device->setup.functions; i++) {
		struct device_input *input = calloc(1, sizeof(*input));
		device->inputs[i] = input;
		if (input == NULL) {
			return -ENOMEM;
		}
		input->port = &device->ports[i];
		device->route.functions[i] = &input->function;
		int error = set_up(device, input);
		if (error < 0) {
			log_error("the guest's %s cannot be set up: %s", link_function_name(i),
				strerror(-error));
			return error;
		}
	}
	return 0;
}

void device_inputs_resume(struct device *device) {
	for (unsigned i = 1; i < device->setup.functions; i++) {
		vfio_user_server_tell(device->ports[i].server);
		input_function_resume(&device->inputs[i]->function);
	}
}

void device_inputs_finish(struct device *device) {
	for (unsigned i = 1; i < LINK_FUNCTIONS; i++) {
		if (device->inputs[i] != NULL) {
			input_function_finish(&device->inputs[i]->function);
			free(device->inputs[i]);
			device->inputs[i] = NULL;
		}
	}
}
