#include "gpu-device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "log.h"
#include "memfd.h"
#include "program.h"
#include "refuse.h"

/* What a device may send: far more than a fast mouse, far less than mulliond can take. */
#define LINK_BURST_US (100 * USEC_PER_MSEC)
#define LINK_BURST 500

/* A VMM gives up on a device that does not answer for 20 s. */
#define BEAT_US USEC_PER_SEC
#define BEAT_ACCURACY_US (250 * USEC_PER_MSEC)
#define BEATS_MISSED_MAX 3

/* Messages that a dead device's link can have held: its buffer in the smallest of them. */
#define DRAIN_MAX 1024

/* Between the end of its link and a process's own. */
#define LEAVE_US (500 * USEC_PER_MSEC)

static void set_timer(struct gpu_device *device, sd_event_source **timer, uint64_t usec,
	uint64_t accuracy, sd_event_time_handler_t handler) {
	*timer = sd_event_source_disable_unref(*timer);
	if (sd_event_add_time_relative(
		    device->event, timer, CLOCK_MONOTONIC, usec, accuracy, handler, device) < 0) {
		*timer = NULL;
	}
}

/* It is of no more use; what follows comes with its exit. */
static void kill_for(struct gpu_device *device, const char *fault) {
	device->fault = device->fault != NULL ? device->fault : fault;
	device->link_source = sd_event_source_disable_unref(device->link_source);
	process_signal(&device->process, SIGKILL);
}

static int handle_leave(sd_event_source *source, uint64_t usec, void *data) {
	kill_for(data, "closed the link");
	return 0;
}

/* A process that ends closes its link first: how it ends tells more. */
static void expect_exit(struct gpu_device *device) {
	device->link_source = sd_event_source_disable_unref(device->link_source);
	set_timer(device, &device->beat, LEAVE_US, 0, handle_leave);
}

static void ping(struct gpu_device *device) {
	const struct link_message message = {.type = LINK_PING, .beat.cookie = ++device->cookie};
	device->unanswered = true;
	link_send(device->link, &message, NULL, 0);
}

static int handle_beat(sd_event_source *source, uint64_t usec, void *data);

static void set_beat(struct gpu_device *device) {
	set_timer(device, &device->beat, BEAT_US, BEAT_ACCURACY_US, handle_beat);
}

static int handle_beat(sd_event_source *source, uint64_t usec, void *data) {
	struct gpu_device *device = data;
	if (!device->unanswered) {
		ping(device);
	} else if (++device->missed == BEATS_MISSED_MAX) {
		kill_for(device, "did not answer for 3 seconds");
		return 0;
	}
	set_beat(device);
	return 0;
}

/* Nobody waits for a device without a VMM: it is left alone. */
static void handle_pong(struct gpu_device *device, const struct link_beat *beat) {
	// What it says after it has broken the protocol, or let its time pass, is too late.
	if (beat->cookie == device->cookie && device->fault == NULL) {
		device->ready = true;
		device->unanswered = false;
		device->missed = 0;
		if (!device->connected) {
			device->beat = sd_event_source_disable_unref(device->beat);
		}
	}
}

static void handle_vmm(struct gpu_device *device, bool connected) {
	if (connected && device->beat == NULL) {
		set_beat(device);
	}
	if (connected != device->connected) {
		device->connected = connected;
		device->ops->changed(device->data);
	}
}

/*
 * Functions have the same files of guest memory, but a service manager keeps an open file once,
 * under one name. Only of a memfd it is sure that this has no consequences.
 */
static int open_anew(const struct link_key *key, int fd) {
	char path[64];
	if (key->kind != LINK_KIND_MEMORY || key->function == LINK_FUNCTION_GPU ||
		memfd_check(fd, 0, NULL) < 0) {
		return fd;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int own = open(path, (fcntl(fd, F_GETFL) & O_ACCMODE) | O_CLOEXEC);
	if (own < 0) {
		return fd;
	}
	close(fd);
	return own;
}

bool gpu_device_keep(struct gpu_device *device, const struct link_key *key, int fd) {
	if (key->function >= device->setup.functions) {
		fd_close(fd);
		return false;
	}
	fd = open_anew(key, fd);
	fd_shelf_put(device->shelf, LINK_FDS_MAX + link_key_slot(key), fd);
	keeper_store(&device->keeper, key, fd);
	return true;
}

/* Takes over what it uses of fds. Returns false for a message that no device may send. */
static bool handle_message(
	struct gpu_device *device, const struct link_message *message, int *fds) {
	switch (message->type) {
	case LINK_INPUT:
		device->ops->input(device->data, &message->input);
		return true;
	case LINK_VMM:
		handle_vmm(device, message->vmm.connected);
		return true;
	case LINK_STORE: {
		int fd = fds[0];
		fds[0] = -1;
		return gpu_device_keep(device, &message->key, fd);
	}
	case LINK_DROP:
		return gpu_device_keep(device, &message->key, -1);
	case LINK_SANDBOX:
		device->untrusted_sandbox = message->sandbox;
		return true;
	case LINK_PONG:
		handle_pong(device, &message->beat);
		return true;
	default:
		return false;
	}
}

/* One message. Returns as link_receive() does; -EPROTO for one of the wrong type, too. */
static int receive(struct gpu_device *device) {
	struct link_message message;
	int fds[FD_MAX];
	size_t n;
	int result = link_receive(device->link, &message, fds, &n);
	if (result == 1) {
		result = handle_message(device, &message, fds) ? 1 : -EPROTO;
		fd_close_many(fds, n);
	}
	return result;
}

static int handle_link(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct gpu_device *device = data;
	int result = receive(device);
	if (result == 0 || result == -ECONNRESET) {
		expect_exit(device);
	} else if (result < 0 && result != -EAGAIN && result != -EINTR) {
		kill_for(device, "broke the link's protocol");
	}
	return 0;
}

/*
 * What it had stored before it died counts, though nobody has read it yet. No more than its
 * buffer held: it may have given its end of the link away, to somebody who still writes.
 */
static void drain(struct gpu_device *device) {
	int result = device->link >= 0 ? 1 : 0;
	for (unsigned i = 0; i < DRAIN_MAX && (result == 1 || result == -EINTR); i++) {
		result = receive(device);
	}
}

static void close_link(struct gpu_device *device) {
	device->link_source = sd_event_source_disable_unref(device->link_source);
	device->beat = sd_event_source_disable_unref(device->beat);
	device->link = fd_close(device->link);
}

static int handle_pause(sd_event_source *source, uint64_t usec, void *data);

/* Starts it again, at once or after a while; or gives up. */
static void replace(struct gpu_device *device, const char *reason) {
	uint64_t wait;
	if (!backoff_died(&device->backoff, clock_usec(), &wait)) {
		char text[SANDBOX_LINE_MAX + 64];
		snprintf(text, sizeof(text), "%s, after more than %d others in a minute", reason,
			BACKOFF_DEATHS_MAX);
		device->ops->ended(device->data, text);
		return;
	}
	device->restarts++;
	log_warning("guest '%s': %s: started again%s", device->setup.name, reason,
		wait > 0 ? " after a pause" : "");
	set_timer(device, &device->pause, wait, 1, handle_pause);
	device->ops->replaced(device->data);
}

static int handle_pause(sd_event_source *source, uint64_t usec, void *data) {
	struct gpu_device *device = data;
	char *reason = NULL;
	device->pause = sd_event_source_disable_unref(device->pause);
	if (gpu_device_start(device, &reason) < 0) {
		replace(device, reason != NULL ? reason : "out of memory");
		free(reason);
	} else {
		device->ops->changed(device->data);
	}
	return 0;
}

/* How it has ended, or the layer that it could not apply; why not it may have said itself. */
static void describe_end(
	const struct gpu_device *device, const siginfo_t *info, char line[SANDBOX_LINE_MAX]) {
	const struct link_sandbox *untrusted = &device->untrusted_sandbox;
	struct sandbox_problem problem = {0};
	char how[PROCESS_HOW_MAX];
	if (process_sandbox_failed(info, &problem.layer)) {
		problem.error = untrusted->failed == problem.layer ? (int)untrusted->error : 0;
		sandbox_describe(&problem, line);
		return;
	}
	process_how(info, how);
	snprintf(line, SANDBOX_LINE_MAX, "its GPU process (mullion-device) %s",
		device->fault != NULL ? device->fault : how);
}

static void handle_exit(void *data, const siginfo_t *info) {
	struct gpu_device *device = data;
	char reason[SANDBOX_LINE_MAX];
	drain(device);
	close_link(device);
	describe_end(device, info, reason);
	if (device->ordered || !device->ready) {
		device->ops->ended(device->data, reason);
	} else {
		replace(device, reason);
	}
}

static int spawn(struct gpu_device *device, int link, char **ret_reason) {
	char *path = program_find("mullion-device");
	if (path == NULL) {
		return refuse(ret_reason, "mullion-device is not there: install mullion anew");
	}
	const struct sandbox sandbox = {.kind = SANDBOX_KIND_DEVICE};
	char *argv[] = {(char *)"mullion-device", NULL, NULL};
	struct process_spec spec = {path, argv, &link, 1, -1, -1, &sandbox, true};
	if (!device->sandbox) {
		spec.sandbox = NULL;
		argv[1] = (char *)"--no-sandbox";
	}
	int error = process_start(&device->process, device->event, &spec, handle_exit, device);
	free(path);
	if (error < 0) {
		char why[SANDBOX_LINE_MAX];
		process_why(spec.sandbox, error, why);
		return refuse(ret_reason, "mullion-device cannot be started: %s", why);
	}
	return 0;
}

static int send_setup(struct gpu_device *device) {
	struct link_message message = {.type = LINK_SETUP, .setup = device->setup};
	int error = link_send(
		device->link, &message, device->fds, LINK_FDS_OF(device->setup.functions));
	if (error == 0) {
		error = keeper_send(&device->keeper, device->link);
	}
	message.type = LINK_GO;
	return error < 0 ? error : link_send(device->link, &message, NULL, 0);
}

static int watch_link(struct gpu_device *device) {
	int error = sd_event_add_io(
		device->event, &device->link_source, device->link, EPOLLIN, handle_link, device);
	if (error >= 0) {
		error = sd_event_source_set_ratelimit(
			device->link_source, LINK_BURST_US, LINK_BURST);
	}
	return error;
}

int gpu_device_start(struct gpu_device *device, char **ret_reason) {
	int pair[2];
	int error = keeper_pair(pair);
	if (error < 0) {
		return refuse(ret_reason, "no link to the GPU process: %s", strerror(-error));
	}
	device->link = pair[0];
	device->fault = NULL;
	device->missed = 0;
	device->untrusted_sandbox = (struct link_sandbox){0};
	error = spawn(device, pair[1], ret_reason);
	if (error < 0) {
		close(pair[1]);
		close_link(device);
		return error;
	}
	// One that has ended already says why by its end, not by what it can be sent no more.
	error = send_setup(device);
	close(pair[1]);
	if (error == 0) {
		error = watch_link(device);
	}
	if (error < 0) {
		process_finish(&device->process);
		close_link(device);
		return refuse(ret_reason, "the GPU process cannot be set up: %s", strerror(-error));
	}
	ping(device);
	set_beat(device);
	return 0;
}

int gpu_device_adopt(struct gpu_device *device, pid_t pid, int pidfd, int link) {
	device->link = link;
	return process_adopt(&device->process, device->event, pid, pidfd, handle_exit, device);
}

int gpu_device_go_on(struct gpu_device *device) {
	int error = watch_link(device);
	if (error < 0) {
		return error;
	}
	device->ready = true;
	ping(device);
	set_beat(device);
	return 0;
}

void gpu_device_init(struct gpu_device *device, sd_event *event, const struct link_setup *setup,
	bool sandbox, const int *fds, const struct gpu_device_ops *ops, void *data) {
	*device = (struct gpu_device){
		.setup = *setup,
		.sandbox = sandbox,
		.fds = fds,
		.link = -1,
		.event = event,
		.ops = ops,
		.data = data,
	};
	keeper_init(&device->keeper);
}

bool gpu_device_is_gone(const struct gpu_device *device) {
	return device->process.pid == 0 && device->pause == NULL;
}

int gpu_device_show(struct gpu_device *device, int display) {
	const struct link_message message = {.type = LINK_DISPLAY};
	return device->process.pid == 0 ? -ENOTCONN
					: link_send(device->link, &message, &display, 1);
}

void gpu_device_end(struct gpu_device *device, int signal) {
	device->ordered = true;
	device->pause = sd_event_source_disable_unref(device->pause);
	process_signal(&device->process, signal);
}

void gpu_device_finish(struct gpu_device *device) {
	if (device->ops == NULL) {
		return;
	}
	process_finish(&device->process);
	device->pause = sd_event_source_disable_unref(device->pause);
	close_link(device);
	keeper_clear(&device->keeper);
	*device = (struct gpu_device){0};
}
