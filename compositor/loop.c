#include "loop.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"

// Events of sd-event handled in a row before Wayland gets its turn.
#define SD_EVENTS_IN_A_ROW 64

static int handle_kick(int fd, uint32_t mask, void *data) {
	uint64_t count;
	ssize_t size = read(fd, &count, sizeof(count));
	(void)size;
	return 0;
}

static int handle_sd_ready(int fd, uint32_t mask, void *data) {
	// Only wakes loop_run, which dispatches.
	return 0;
}

int loop_init(struct loop *loop, struct wl_display *display) {
	*loop = (struct loop){
		.display = display,
		.wayland = wl_display_get_event_loop(display),
		.kick_fd = -1,
	};
	int error = sd_event_new(&loop->sd);
	if (error < 0) {
		loop->sd = NULL;
		return error;
	}
	loop->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->kick_fd < 0) {
		error = -errno;
		goto error;
	}
	loop->kick_source = wl_event_loop_add_fd(
		loop->wayland, loop->kick_fd, WL_EVENT_READABLE, handle_kick, NULL);
	loop->sd_source = wl_event_loop_add_fd(
		loop->wayland, sd_event_get_fd(loop->sd), WL_EVENT_READABLE, handle_sd_ready, NULL);
	if (loop->kick_source != NULL && loop->sd_source != NULL) {
		return 0;
	}
	error = -ENOMEM;
error:
	loop_finish(loop);
	return error;
}

void loop_finish(struct loop *loop) {
	if (loop->sd == NULL) {
		return;
	}
	if (loop->sd_source != NULL) {
		wl_event_source_remove(loop->sd_source);
	}
	if (loop->kick_source != NULL) {
		wl_event_source_remove(loop->kick_source);
	}
	loop->kick_fd = fd_close(loop->kick_fd);
	loop->sd = sd_event_unref(loop->sd);
	loop->sd_source = loop->kick_source = NULL;
}

/* Handles what sd-event has, and leaves it prepared for the sleep that follows. */
static void dispatch_sd(struct loop *loop) {
	for (int i = 0; i < SD_EVENTS_IN_A_ROW && !loop->stopped; i++) {
		int handled = sd_event_run(loop->sd, 0);
		if (handled < 0) {
			log_error("the event loop failed: %s", strerror(-handled));
			loop->stopped = true;
		}
		if (handled <= 0) {
			return;
		}
	}
	loop_kick(loop);
}

void loop_run(struct loop *loop) {
	while (!loop->stopped) {
		dispatch_sd(loop);
		wl_event_loop_dispatch_idle(loop->wayland);
		wl_display_flush_clients(loop->display);
		if (!loop->stopped && wl_event_loop_dispatch(loop->wayland, -1) < 0 &&
			errno != EINTR) {
			log_error("the event loop failed: %s", strerror(errno));
			loop->stopped = true;
		}
	}
}

void loop_kick(struct loop *loop) {
	uint64_t one = 1;
	ssize_t size = write(loop->kick_fd, &one, sizeof(one));
	(void)size;
}

void loop_stop(struct loop *loop) {
	loop->stopped = true;
	loop_kick(loop);
}
