/*
 * A touch screen for the headless compositor: linked into mullion, it stands in libinput's
 * place. It is touched by datagrams to the socket 'touch' in the runtime directory, one command
 * each, and each answered with one:
 *
 *	plug, unplug
 *	down ID X Y, motion ID X Y   pixels of the first output
 *	up ID, cancel ID
 *	frame
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <wlr/backend.h>
#include <wlr/interfaces/wlr_touch.h>
#include <wlr/types/wlr_output.h>

#include "output.h"
#include "program.h"
#include "server.h"

static const struct wlr_touch_impl impl = {.name = "test"};
static struct wlr_touch screen;
static struct server *server;
static bool plugged;

static uint32_t now_ms(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static void plug(void) {
	if (!plugged) {
		wlr_touch_init(&screen, &impl, "test touch screen");
		wl_signal_emit_mutable(&server->backend->events.new_input, &screen.base);
		plugged = true;
	}
}

static void unplug(void) {
	if (plugged) {
		wlr_touch_finish(&screen);
		plugged = false;
	}
}

static bool obey(const char *command) {
	const struct output *output = wl_container_of(server->outputs.next, output, link);
	char what[16];
	int id = 0;
	double x = 0, y = 0;
	if (sscanf(command, "%15s %d %lf %lf", what, &id, &x, &y) < 1) {
		return false;
	}
	x /= output->wlr->width;
	y /= output->wlr->height;
	if (strcmp(what, "plug") == 0) {
		plug();
	} else if (!plugged) {
		return false;
	} else if (strcmp(what, "unplug") == 0) {
		unplug();
	} else if (strcmp(what, "down") == 0) {
		struct wlr_touch_down_event event = {&screen, now_ms(), id, x, y};
		wl_signal_emit_mutable(&screen.events.down, &event);
	} else if (strcmp(what, "motion") == 0) {
		struct wlr_touch_motion_event event = {&screen, now_ms(), id, x, y};
		wl_signal_emit_mutable(&screen.events.motion, &event);
	} else if (strcmp(what, "up") == 0) {
		struct wlr_touch_up_event event = {&screen, now_ms(), id};
		wl_signal_emit_mutable(&screen.events.up, &event);
	} else if (strcmp(what, "cancel") == 0) {
		struct wlr_touch_cancel_event event = {&screen, now_ms(), id};
		wl_signal_emit_mutable(&screen.events.cancel, &event);
	} else if (strcmp(what, "frame") == 0) {
		wl_signal_emit_mutable(&screen.events.frame, NULL);
	} else {
		return false;
	}
	return true;
}

static int handle_command(int fd, uint32_t mask, void *data) {
	char command[128];
	struct sockaddr_un hand;
	socklen_t length = sizeof(hand);
	ssize_t size =
		recvfrom(fd, command, sizeof(command) - 1, 0, (struct sockaddr *)&hand, &length);
	if (size > 0) {
		command[size] = '\0';
		const char *answer = obey(command) ? "ok" : "what?";
		sendto(fd, answer, strlen(answer), 0, (struct sockaddr *)&hand, length);
	}
	return 0;
}

static int listen_for_commands(struct sockaddr_un *address) {
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char *folder = program_runtime_dir();
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/touch",
		folder != NULL ? folder : "");
	free(folder);
	if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof(*address)) < 0) {
		perror("touch screen");
		exit(EXIT_FAILURE);
	}
	return fd;
}

/* In the place of server_run(), which the linker calls so. */
bool __real_server_run(struct server *s, const char *command);
bool __wrap_server_run(struct server *s, const char *command);

bool __wrap_server_run(struct server *s, const char *command) {
	struct sockaddr_un address;
	server = s;
	int fd = listen_for_commands(&address);
	struct wl_event_source *source =
		wl_event_loop_add_fd(s->loop.wayland, fd, WL_EVENT_READABLE, handle_command, NULL);
	bool done = __real_server_run(s, command);
	wl_event_source_remove(source);
	close(fd);
	unlink(address.sun_path);
	unplug();
	return done;
}
