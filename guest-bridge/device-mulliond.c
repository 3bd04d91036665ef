#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"
#include "fd.h"

#define ALONE_ACCURACY_USEC (250 * USEC_PER_MSEC)

/* Whether something is left to be told to mulliond, which did not read. */
static void update_link_interest(struct device *device) {
	if (device->link_source == NULL || device->adopting) {
		return;
	}
	bool waiting = device->vmm_told != device->vmm_connected;
	for (unsigned i = 0; i < device->setup.functions; i++) {
		waiting = waiting || device->ports[i].keep.untold > 0;
	}
	sd_event_source_set_io_events(device->link_source, EPOLLIN | (waiting ? EPOLLOUT : 0));
}

/* Without VMM and mulliond nobody needs it, and nobody would end it. */
static void watch_needed(struct device *device) {
	device->alone = sd_event_source_disable_unref(device->alone);
	if (device->link < 0 && !device->vmm_connected) {
		sd_event_add_time_relative(device->event, &device->alone, CLOCK_MONOTONIC,
			device->alone_usec, ALONE_ACCURACY_USEC, NULL, NULL);
	}
}

void device_mulliond_tell_vmm(struct device *device) {
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

void device_mulliond_send_input(struct device *device, const struct link_input *input) {
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

static int take_setup(struct device *device, const struct link_setup *setup, int *fds) {
	log_init("mullion-device", setup->name, LOG_LEVEL_INFO);
	if (device->setup.version != 0) {
		log_error("mulliond sent the set-up twice");
		return -EPROTO;
	}
	device->setup = *setup;
	for (size_t i = 0; i < LINK_FDS_OF(setup->functions); i++) {
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
	bool running = device->running, given = device->setup.version != 0 && !running;
	if (message->type == LINK_SETUP) {
		return take_setup(device, &message->setup, fds);
	}
	if (message->type == LINK_STORED && given &&
		message->key.function < device->setup.functions) {
		keep_restore(&device->ports[message->key.function].keep, message->key, fds[0]);
		fds[0] = -1;
		return 0;
	}
	if (message->type == LINK_GO && given) {
		return device_set_up(device);
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

/* mulliond, or with -1 nobody, keeps what the functions have. */
static void set_link(struct device *device, int link) {
	for (unsigned i = 0; i < device->setup.functions; i++) {
		keep_set_link(&device->ports[i].keep, link);
	}
}

/* The guest goes on without mulliond, and waits for another one. */
static int handle_end(struct device *device) {
	if (!device->running) {
		return sd_event_exit(device->event, EXIT_SUCCESS);
	}
	log_warning("mulliond is gone: the guest goes on");
	device->link_source = sd_event_source_disable_unref(device->link_source);
	device->link = fd_close(device->link);
	device->adopting = false;
	set_link(device, -1);
	link_listener_wait(&device->links, true);
	watch_needed(device);
	// It may have waited for mulliond to keep something.
	device_resume(device);
	return 0;
}

/* What does not go through now is lost, as other input is. */
static void send_missed(struct device *device) {
	struct link_message message = {.type = LINK_INPUT};
	while (missed_take(&device->missed, &message.input)) {
		link_send(device->link, &message, NULL, 0);
	}
}

int device_mulliond_tell_sandbox(struct device *device) {
	const struct link_message message = {.type = LINK_SANDBOX, .sandbox = device->sandbox};
	return link_send(device->link, &message, NULL, 0);
}

/* Tells another mulliond the rest. Returns 0; -EAGAIN where it does not take all now. */
static int adopt_rest(struct device *device) {
	struct link_message message = {.type = LINK_DISPLAY};
	int display = bridge_display(device->bridge);
	int error = 0;
	for (unsigned i = 0; i < device->setup.functions && error == 0; i++) {
		error = keep_tell_stores(&device->ports[i].keep);
	}
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
		error = device_mulliond_tell_sandbox(device);
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

void device_mulliond_adopt(void *data, int fd) {
	struct device *device = data;
	const struct link_message message = {.type = LINK_ADOPT, .setup = device->setup};
	int fds[LINK_FDS_MAX];
	memcpy(fds, device->fds, sizeof(fds));
	fds[LINK_FD_SLICE] = device->slice.fd;
	link_listener_wait(&device->links, false);
	device->link = fd;
	device->adopting = true;
	int error = link_send(fd, &message, fds, LINK_FDS_OF(device->setup.functions));
	if (error == 0) {
		error = sd_event_add_io(device->event, &device->link_source, fd, EPOLLIN | EPOLLOUT,
			handle_link, device);
	}
	if (error < 0) {
		log_error("another mulliond cannot be told: %s", strerror(-error));
		handle_end(device);
		return;
	}
	set_link(device, fd);
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
		device_mulliond_tell_vmm(device);
		if (device->running) {
			device_resume(device);
		}
	}
	return (revents & ~(uint32_t)EPOLLOUT) != 0 ? read_link(device) : 0;
}

/* A callback for this after every event would cost every trap a turn of the loop. */
static void handle_waiting(void *data) {
	update_link_interest(data);
}

int device_mulliond_init(struct device *device) {
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		device_port_init(&device->ports[i], i, &device->fds[LINK_FD_OF(i, 0)], device->link,
			handle_waiting, device);
	}
	fd_set_cloexec(device->link, true);
	return sd_event_add_io(
		device->event, &device->link_source, device->link, EPOLLIN, handle_link, device);
}
