#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "bridge.h"
#include "clock.h"
#include "device-link.h"
#include "device-sandbox.h"
#include "device-store.h"
#include "fd.h"
#include "gpu-function.h"
#include "keep.h"
#include "link-listener.h"
#include "log.h"
#include "missed.h"
#include "slice.h"
#include "vfio-user-server.h"

/* How long a device waits for a mulliond when its VMM is gone, too. */
#define ALONE_US (60 * USEC_PER_SEC)

/* One guest's GPU: what its VMM sees over vfio-user, and what its desktop shows over Wayland. */
struct device {
	sd_event *event;              // owned
	int link;                     // owned, -1 while there is no mulliond
	sd_event_source *link_source; // owned
	struct link_listener links;   // where another mulliond connects
	bool adopting;                // it does not know all yet
	struct link_sandbox sandbox;  // to be told
	struct missed missed;         // while it does not
	sd_event_source *alone;       // owned: ends a device that nobody needs
	bool vmm_told, vmm_connected; // what mulliond knows, and what is

	struct link_setup setup;
	int fds[LINK_FDS]; // owned, -1 when closed; the slice's is in slice
	struct keep keep;  // what was stored at mulliond
	struct device_store store;
	struct slice slice;
	struct gpu_function function;
	struct vfio_user_server *server; // owned; NULL before the set-up
	struct bridge *bridge;           // owned

	struct log_limit input_lost;
};

/* Whether something is left to be told to mulliond, which did not read. */
static void update_link_interest(struct device *device) {
	if (device->link_source == NULL || device->adopting) {
		return;
	}
	bool waiting = device->vmm_told != device->vmm_connected || device->keep.untold > 0;
	sd_event_source_set_io_events(device->link_source, EPOLLIN | (waiting ? EPOLLOUT : 0));
}

/* Without VMM and mulliond nobody needs it, and nobody would end it. */
static void watch_needed(struct device *device) {
	device->alone = sd_event_source_disable_unref(device->alone);
	if (device->link < 0 && !device->vmm_connected) {
		sd_event_add_time_relative(
			device->event, &device->alone, CLOCK_MONOTONIC, ALONE_US, 0, NULL, NULL);
	}
}

/* Tells mulliond about the VMM; where it does not read just now, once it does. */
static void tell_vmm(struct device *device) {
	watch_needed(device);
	if (device->link < 0 || device->adopting) {
		return;
	}
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
	update_link_interest(device);
}

static void handle_vmm_connected(void *data, bool connected) {
	struct device *device = data;
	device->vmm_connected = connected;
	tell_vmm(device);
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
	return vfio_user_server_busy(device->server);
}

static void show_changed(void *data, unsigned head) {
	struct device *device = data;
	if (device->bridge != NULL) {
		bridge_scanout_changed(device->bridge, head);
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
	.scanout_changed = show_changed,
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
	dispi_palette(&device->store.work->state.dispi, palette);
}

static void handle_input(void *data, const struct link_input *input) {
	struct device *device = data;
	struct link_message message = {.type = LINK_INPUT, .input = *input};
	if (device->link < 0 || device->adopting) {
		missed_note(&device->missed, input);
		return;
	}
	int error = link_send(device->link, &message, NULL, 0);
	if (error < 0) {
		log_limited(&device->input_lost, LOG_LEVEL_WARNING, "input is lost: %s",
			strerror(-error));
	}
}

static void handle_looked(void *data) {
	struct device *device = data;
	device->store.file->live.looks++;
}

static void handle_committed(void *data) {
	struct device *device = data;
	device->store.file->live.commits++;
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

static const struct bridge_ops bridge_ops = {
	.get_scanout = get_scanout,
	.get_palette = get_palette,
	.input = handle_input,
	.frame = handle_frame,
	.resized = handle_resized,
	.looked = handle_looked,
	.committed = handle_committed,
};

/* Continues from the state, or begins it. */
static int open_state(struct device *device) {
	bool new;
	int error = device_store_open(&device->store, device->fds[LINK_FD_STATE], &new);
	if (error < 0) {
		return error;
	}
	struct device_state *state = &device->store.work->state;
	if (new) {
		dispi_reset(&state->dispi);
	}
	state->generation++;
	return 0;
}

/* mulliond can be told again. */
static void resume(struct device *device) {
	vfio_user_server_tell(device->server);
	if (device->function.virtio != NULL) {
		virtio_gpu_resume(device->function.virtio);
	}
}

static bool is_listening(int fd) {
	int domain = 0, type = 0, listening = 0;
	socklen_t size = sizeof(int);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

/* A pipe that is too small would lose a reply. */
static bool is_pipe_of_replies(const int fds[2]) {
	return fcntl(fds[1], F_GETPIPE_SZ) >= LINK_REPLIES_SIZE &&
		fd_set_nonblock(fds[0], true) == 0 && fd_set_nonblock(fds[1], true) == 0;
}

_Static_assert(VFIO_USER_MESSAGE_MAX <= LINK_REPLIES_SIZE, "the longest reply fits");

/* Builds the function on its slice and its state. */
static int make_function(struct device *device) {
	const struct gpu_function_setup setup = {
		.event = device->event,
		.link = &device->setup,
		.store = &device->store,
		.keep = &device->keep,
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

static int make_server(struct device *device) {
	const int *fds = device->fds;
	const struct vfio_user_server_setup setup = {
		.event = device->event,
		.listen_fd = fds[LINK_FD_LISTENER],
		.replies = {fds[LINK_FD_REPLIES_READ], fds[LINK_FD_REPLIES_WRITE]},
		.pci = &device->function.pci,
		.irq = &device->function.irq,
		.store = &device->store,
		.keep = &device->keep,
		.ops = &server_ops,
		.data = device,
	};
	if (!is_listening(setup.listen_fd) || !is_pipe_of_replies(setup.replies)) {
		return -EINVAL;
	}
	return vfio_user_server_create(&device->server, &setup);
}

static void handle_adopter(void *data, int fd);

/* All that there is has come: the device begins, or goes on. */
static int set_up(struct device *device) {
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
	error = make_function(device);
	if (error == 0) {
		error = make_bridge(device);
	}
	if (error == 0) {
		error = link_listener_init(&device->links, device->event,
			device->fds[LINK_FD_LINKS], handle_adopter, device);
	}
	if (error == 0) {
		error = make_server(device);
	}
	if (error < 0) {
		log_error("the device cannot be set up: %s", strerror(-error));
		return error;
	}
	gpu_function_start(&device->function, vfio_user_server_dma(device->server));
	// mulliond may know something else from an earlier device.
	device->vmm_told = !device->vmm_connected;
	tell_vmm(device);
	return 0;
}

static int take_setup(struct device *device, const struct link_setup *setup, int *fds) {
	log_init("mullion-device", setup->name, LOG_LEVEL_INFO);
	if (device->setup.version != 0) {
		log_error("mulliond sent the set-up twice");
		return -EPROTO;
	}
	device->setup = *setup;
	for (size_t i = 0; i < LINK_FDS; i++) {
		device->fds[i] = fds[i];
		fds[i] = -1;
	}
	return 0;
}

static void answer_ping(struct device *device, const struct link_beat *beat) {
	const struct link_message pong = {.type = LINK_PONG, .beat = *beat};
	link_send(device->link, &pong, NULL, 0);
}

static int show(struct device *device, int *fd) {
	int error = bridge_connect(device->bridge, *fd);
	*fd = -1;
	if (error < 0) {
		log_error("the guest cannot be shown: %s", strerror(-error));
	}
	return 0;
}

/* Takes over what it uses of fds. */
static int handle_message(struct device *device, const struct link_message *message, int *fds) {
	bool running = device->server != NULL, given = device->setup.version != 0 && !running;
	if (message->type == LINK_SETUP) {
		return take_setup(device, &message->setup, fds);
	}
	if (message->type == LINK_STORED && given) {
		keep_restore(&device->keep, message->key, fds[0]);
		fds[0] = -1;
		return 0;
	}
	if (message->type == LINK_GO && given) {
		return set_up(device);
	}
	if (message->type == LINK_PING && running) {
		answer_ping(device, &message->beat);
		return 0;
	}
	if (message->type == LINK_DISPLAY && running) {
		return show(device, &fds[0]);
	}
	log_error("mulliond sent message %u at the wrong time", message->type);
	return -EPROTO;
}

/* The guest goes on without mulliond, and waits for another one. */
static int handle_end(struct device *device) {
	if (device->server == NULL) {
		return sd_event_exit(device->event, EXIT_SUCCESS);
	}
	log_warning("mulliond is gone: the guest goes on");
	device->link_source = sd_event_source_disable_unref(device->link_source);
	device->link = fd_close(device->link);
	device->adopting = false;
	keep_set_link(&device->keep, -1);
	link_listener_wait(&device->links, true);
	watch_needed(device);
	// It may have waited for mulliond to keep something.
	resume(device);
	return 0;
}

/* What does not go through now is lost, as other input is. */
static void send_missed(struct device *device) {
	struct link_message message = {.type = LINK_INPUT};
	while (missed_take(&device->missed, &message.input)) {
		link_send(device->link, &message, NULL, 0);
	}
}

/* How this process is shut in. */
static int tell_sandbox(struct device *device) {
	const struct link_message message = {.type = LINK_SANDBOX, .sandbox = device->sandbox};
	return link_send(device->link, &message, NULL, 0);
}

/* Tells another mulliond the rest. Returns 0; -EAGAIN where it does not take all now. */
static int adopt_rest(struct device *device) {
	struct link_message message = {.type = LINK_DISPLAY};
	int display = bridge_display(device->bridge);
	int error = keep_tell_stores(&device->keep);
	if (error == 0 && display >= 0) {
		error = link_send(device->link, &message, &display, 1);
	}
	message = (struct link_message){
		.type = LINK_VMM,
		.vmm.connected = device->vmm_connected,
	};
	if (error == 0) {
		error = link_send(device->link, &message, NULL, 0);
	}
	if (error == 0) {
		error = tell_sandbox(device);
	}
	message = (struct link_message){.type = LINK_GO};
	if (error == 0) {
		error = link_send(device->link, &message, NULL, 0);
	}
	if (error == 0) {
		device->adopting = false;
		device->vmm_told = device->vmm_connected;
		send_missed(device);
	}
	return error;
}

static int handle_link(sd_event_source *source, int fd, uint32_t revents, void *data);

static void handle_adopter(void *data, int fd) {
	struct device *device = data;
	const struct link_message message = {.type = LINK_ADOPT, .setup = device->setup};
	int fds[LINK_FDS];
	memcpy(fds, device->fds, sizeof(fds));
	fds[LINK_FD_SLICE] = device->slice.fd;
	link_listener_wait(&device->links, false);
	device->link = fd;
	device->adopting = true;
	int error = link_send(fd, &message, fds, LINK_FDS);
	if (error == 0) {
		error = sd_event_add_io(device->event, &device->link_source, fd, EPOLLIN | EPOLLOUT,
			handle_link, device);
	}
	if (error < 0) {
		log_error("another mulliond cannot be told: %s", strerror(-error));
		handle_end(device);
		return;
	}
	keep_set_link(&device->keep, fd);
	watch_needed(device);
}

/* Reads what there is, one message after the other: a restart is many messages long. */
static int read_link(struct device *device) {
	struct link_message message;
	int fds[FD_MAX];
	size_t n = 0;
	int result = link_receive(device->link, &message, fds, &n);
	if (result == 0 || result == -ECONNRESET) {
		return handle_end(device);
	}
	if (result < 0 && result != -EAGAIN && result != -EINTR) {
		log_error("the link to mulliond broke: %s", strerror(-result));
		return sd_event_exit(device->event, EXIT_FAILURE);
	}
	if (result > 0) {
		result = handle_message(device, &message, fds);
		fd_close_many(fds, n);
		return result < 0 ? sd_event_exit(device->event, EXIT_FAILURE) : 0;
	}
	return 0;
}

static int handle_link(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct device *device = data;
	if ((revents & EPOLLOUT) != 0 && device->adopting) {
		int error = adopt_rest(device);
		if (error < 0 && error != -EAGAIN) {
			return handle_end(device);
		}
	}
	if ((revents & EPOLLOUT) != 0) {
		tell_vmm(device);
		if (device->server != NULL) {
			resume(device);
		}
	}
	return (revents & ~(uint32_t)EPOLLOUT) != 0 ? read_link(device) : 0;
}

/* A callback for this after every event would cost every trap a turn of the loop. */
static void handle_waiting(void *data) {
	update_link_interest(data);
}

static bool is_link(int fd) {
	int type = 0;
	socklen_t size = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static int device_init(struct device *device) {
	*device = (struct device){.link = LINK_DEVICE_FD, .slice = {.fd = -1}};
	memset(device->fds, -1, sizeof(device->fds));
	keep_init(&device->keep, device->link);
	keep_watch(&device->keep, handle_waiting, device);
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
	gpu_function_finish(&device->function);
	device_store_close(&device->store);
	slice_finish(&device->slice);
	keep_finish(&device->keep);
	fd_close_many(device->fds, LINK_FDS);
	sd_event_source_disable_unref(device->link_source);
	sd_event_source_disable_unref(device->alone);
	link_listener_finish(&device->links);
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
	struct link_sandbox layers = {0};
	if (sandbox) {
		device_sandbox(LINK_DEVICE_FD, &layers);
	}
	signal(SIGPIPE, SIG_IGN);
	struct device device;
	int error = device_init(&device);
	device.sandbox = layers;
	if (error >= 0) {
		tell_sandbox(&device);
		error = sd_event_loop(device.event);
	}
	if (error < 0) {
		log_error("the event loop failed: %s", strerror(-error));
	}
	device_finish(&device);
	return error < 0 ? EXIT_FAILURE : error;
}
