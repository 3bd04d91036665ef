#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "bochs.h"
#include "bridge.h"
#include "device-link.h"
#include "device-sandbox.h"
#include "device-state.h"
#include "fd.h"
#include "irq.h"
#include "log.h"
#include "memfd.h"
#include "pci.h"
#include "slice.h"
#include "vfio-user-server.h"

/* One guest's GPU: what its VMM sees over vfio-user, and what its desktop shows over Wayland. */
struct device {
	sd_event *event;              // owned
	int link;                     // owned
	sd_event_source *link_source; // owned
	bool vmm_told, vmm_connected; // what mulliond knows, and what is

	struct slice slice;
	struct device_state *state; // owned mapping
	struct bochs bochs;
	struct pci_function pci;
	struct irq irq;
	struct vfio_user_server *server; // owned; NULL before the set-up
	struct bridge *bridge;           // owned

	struct log_limit input_lost;
};

/* Tells mulliond about the VMM; where it does not read just now, once it does. */
static void tell_vmm(struct device *device) {
	while (device->vmm_told != device->vmm_connected) {
		struct link_message message = {
			.type = LINK_VMM,
			.vmm = {.connected = device->vmm_connected},
		};
		if (link_send(device->link, &message, NULL, 0) < 0) {
			break;
		}
		device->vmm_told = device->vmm_connected;
	}
	bool waiting = device->vmm_told != device->vmm_connected;
	sd_event_source_set_io_events(device->link_source, EPOLLIN | (waiting ? EPOLLOUT : 0));
}

static void handle_vmm_connected(void *data, bool connected) {
	struct device *device = data;
	device->vmm_connected = connected;
	tell_vmm(device);
}

static void handle_reset(void *data) {
	struct device *device = data;
	bochs_reset(&device->bochs);
}

static const struct vfio_user_server_ops server_ops = {
	.reset = handle_reset,
	.connected = handle_vmm_connected,
};

static void handle_mode_changed(void *data) {
	struct device *device = data;
	if (device->bridge != NULL) {
		bridge_scanout_changed(device->bridge);
	}
}

static void handle_drawn(void *data) {
	struct device *device = data;
	if (device->bridge != NULL) {
		bridge_drawn(device->bridge);
	}
}

static const struct bochs_ops bochs_ops = {
	.mode_changed = handle_mode_changed,
	.drawn = handle_drawn,
};

static void get_scanout(void *data, struct scanout *ret) {
	struct device *device = data;
	bochs_get_scanout(&device->bochs, ret);
}

static void get_palette(void *data, uint32_t palette[256]) {
	struct device *device = data;
	dispi_palette(&device->state->dispi, palette);
}

static void handle_input(void *data, const struct link_input *input) {
	struct device *device = data;
	struct link_message message = {.type = LINK_INPUT, .input = *input};
	int error = link_send(device->link, &message, NULL, 0);
	if (error < 0) {
		log_limited(&device->input_lost, LOG_LEVEL_WARNING, "input is lost: %s",
			strerror(-error));
	}
}

static void handle_looked(void *data) {
	struct device *device = data;
	device->state->looks++;
}

static void handle_committed(void *data) {
	struct device *device = data;
	device->state->commits++;
}

static const struct bridge_ops bridge_ops = {
	.get_scanout = get_scanout,
	.get_palette = get_palette,
	.input = handle_input,
	.looked = handle_looked,
	.committed = handle_committed,
};

/* Maps the state and continues from it, or begins it where the memory is still zero. */
static int map_state(struct device *device, int fd) {
	int error = memfd_check(fd, DEVICE_STATE_SIZE, NULL);
	if (error < 0) {
		return error;
	}
	void *map = mmap(NULL, DEVICE_STATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		return -errno;
	}
	struct device_state *state = map;
	if (state->magic == 0) {
		state->version = DEVICE_STATE_VERSION;
		state->size = sizeof(*state);
		dispi_reset(&state->dispi);
		state->magic = DEVICE_STATE_MAGIC;
	} else if (state->magic != DEVICE_STATE_MAGIC || state->version != DEVICE_STATE_VERSION ||
		state->size != sizeof(*state)) {
		munmap(map, DEVICE_STATE_SIZE);
		return -EPROTO;
	}
	state->generation++;
	device->state = state;
	return 0;
}

static bool is_listening(int fd) {
	int domain = 0, type = 0, listening = 0;
	socklen_t size = sizeof(int);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

/* Builds the function on its slice and its state. */
static int make_function(struct device *device, const struct link_setup *setup) {
	bochs_init(&device->bochs, device->state, &device->slice, setup, &bochs_ops, device);
	irq_init(&device->irq, device->event, &device->state->irq, device->bochs.description.intx,
		device->bochs.description.msix.vectors);
	if (!pci_init(&device->pci, &device->bochs.description, device->state)) {
		log_error("an aperture of %llu bytes is not possible: it must be a power of two",
			(unsigned long long)setup->aperture_size);
		return -EINVAL;
	}
	// A VMM does not come back by itself: whoever connects begins at power-on.
	device->state->vmm_connected = 0;
	device->state->dma_maps = 0;
	pci_reset(&device->pci);
	bochs_reset(&device->bochs);
	return 0;
}

/* Takes over what it uses of fds. */
static int set_up(struct device *device, const struct link_setup *setup, int *fds) {
	log_init("mullion-device", setup->name, LOG_LEVEL_INFO);
	if (device->server != NULL || device->state != NULL) {
		log_error("mulliond sent the set-up twice");
		return -EPROTO;
	}
	int error = slice_init(&device->slice, fds[LINK_FD_SLICE], setup->slice_base,
		setup->slice_size, setup->aperture_size);
	fds[LINK_FD_SLICE] = -1;
	if (error < 0) {
		log_error("the slice cannot be used: %s", strerror(-error));
		return error;
	}
	error = map_state(device, fds[LINK_FD_STATE]);
	if (error < 0) {
		log_error("the state cannot be used: %s", strerror(-error));
		return error;
	}
	error = make_function(device, setup);
	if (error == 0) {
		error = bridge_create(
			&device->bridge, device->event, &device->slice, &bridge_ops, device);
	}
	if (error == 0) {
		error = is_listening(fds[LINK_FD_LISTENER]) ? 0 : -ENOTSOCK;
	}
	if (error == 0) {
		int listen_fd = fds[LINK_FD_LISTENER];
		fds[LINK_FD_LISTENER] = -1;
		error = vfio_user_server_create(&device->server, device->event, listen_fd,
			&device->pci, &device->irq, device->state, &server_ops, device);
	}
	if (error < 0) {
		log_error("the device cannot be set up: %s", strerror(-error));
	}
	return error;
}

static int handle_message(struct device *device, const struct link_message *message, int *fds) {
	if (message->type == LINK_SETUP) {
		return set_up(device, &message->setup, fds);
	}
	if (message->type == LINK_GO && device->server != NULL) {
		return 0;
	}
	if (message->type == LINK_PING) {
		struct link_message pong = {.type = LINK_PONG, .beat = message->beat};
		link_send(device->link, &pong, NULL, 0);
		return 0;
	}
	if (message->type != LINK_DISPLAY || device->server == NULL) {
		log_error("mulliond sent message %u at the wrong time", message->type);
		return -EPROTO;
	}
	int error = bridge_connect(device->bridge, fds[0]);
	fds[0] = -1;
	if (error < 0) {
		log_error("the guest cannot be shown: %s", strerror(-error));
	}
	return 0;
}

static int handle_link(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct device *device = data;
	if ((revents & EPOLLOUT) != 0) {
		tell_vmm(device);
	}
	struct link_message message;
	int fds[FD_MAX];
	size_t n = 0;
	int result = link_receive(fd, &message, fds, &n);
	if (result == -EAGAIN || result == -EINTR) {
		return 0;
	}
	if (result == 0 || result == -ECONNRESET) {
		return sd_event_exit(device->event, EXIT_SUCCESS);
	}
	if (result < 0) {
		log_error("the link to mulliond broke: %s", strerror(-result));
		return sd_event_exit(device->event, EXIT_FAILURE);
	}
	result = handle_message(device, &message, fds);
	fd_close_many(fds, n);
	return result < 0 ? sd_event_exit(device->event, EXIT_FAILURE) : 0;
}

static bool is_link(int fd) {
	int type = 0;
	socklen_t size = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static int device_init(struct device *device) {
	*device = (struct device){.link = LINK_DEVICE_FD, .slice = {.fd = -1}};
	fd_set_cloexec(device->link, true);
	int error = sd_event_default(&device->event);
	if (error >= 0) {
		error = sd_event_add_io(device->event, &device->link_source, device->link, EPOLLIN,
			handle_link, device);
	}
	const int signals[] = {SIGINT, SIGTERM};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]) && error >= 0; i++) {
		error = sd_event_add_signal(
			device->event, NULL, signals[i] | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL);
	}
	return error;
}

static void device_finish(struct device *device) {
	vfio_user_server_destroy(device->server);
	bridge_destroy(device->bridge);
	if (device->state != NULL) {
		irq_finish(&device->irq);
		munmap(device->state, DEVICE_STATE_SIZE);
	}
	slice_finish(&device->slice);
	sd_event_source_disable_unref(device->link_source);
	sd_event_unref(device->event);
	fd_close(device->link);
}

/* Returns whether to go into the sandbox. */
static bool parse_arguments(int argc, char *argv[]) {
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"no-sandbox", no_argument, NULL, 'n'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int option;
	bool sandbox = true;
	while ((option = getopt_long(argc, argv, "hV", options, NULL)) >= 0) {
		switch (option) {
		case 'h':
			printf("usage: mullion-device\n\n"
			       "One guest's GPU. mulliond starts it, with their link on descriptor %d;\n"
			       "it is of no use by hand.\n\n"
			       "  -h, --help        show this text\n"
			       "      --no-sandbox  run with all rights of the user\n"
			       "  -V, --version     show the version\n",
				LINK_DEVICE_FD);
			exit(EXIT_SUCCESS);
		case 'n':
			sandbox = false;
			break;
		case 'V':
			printf("mullion-device %s\n", MULLION_VERSION);
			exit(EXIT_SUCCESS);
		default:
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "mullion-device: '%s' is not understood: it takes no arguments\n",
			argv[optind]);
		exit(2);
	}
	return sandbox;
}

int main(int argc, char *argv[]) {
	bool sandbox = parse_arguments(argc, argv);
	log_init("mullion-device", NULL, LOG_LEVEL_INFO);
	if (!is_link(LINK_DEVICE_FD)) {
		log_error("there is no link on descriptor %d: mulliond starts this program",
			LINK_DEVICE_FD);
		return EXIT_FAILURE;
	}
	if (sandbox) {
		device_sandbox();
	}
	signal(SIGPIPE, SIG_IGN);
	struct device device;
	int error = device_init(&device);
	if (error >= 0) {
		error = sd_event_loop(device.event);
	}
	if (error < 0) {
		log_error("the event loop failed: %s", strerror(-error));
	}
	device_finish(&device);
	return error < 0 ? EXIT_FAILURE : error;
}
