/*
 * Keyboards and a touch screen for the headless compositor: linked into mullion, they stand in
 * libinput's place. They obey datagrams to the socket 'input' in the runtime directory, one
 * command each, and each answered with "ok" or a number:
 *
 *	keyboard N, remove N         N is 0 to 3
 *	key N CODE 1|0
 *	leds N                       enum wlr_keyboard_led
 *	plug [N], unplug             the touch screen, which names output N, from 1, as its
 *	down ID X Y, motion ID X Y   pixels of its output; all are as large as the first
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
#include <wlr/interfaces/wlr_keyboard.h>
#include <wlr/interfaces/wlr_touch.h>
#include <wlr/types/wlr_output.h>

#include "output.h"
#include "program.h"
#include "server.h"

#define KEYBOARDS 4

struct board {
	struct wlr_keyboard wlr;
	bool plugged;
	uint32_t leds;
};

static void update_leds(struct wlr_keyboard *wlr, uint32_t leds) {
	struct board *board = wl_container_of(wlr, board, wlr);
	board->leds = leds;
}

static const struct wlr_keyboard_impl keyboard_impl = {.name = "test", .led_update = update_leds};
static const struct wlr_touch_impl touch_impl = {.name = "test"};
static struct board boards[KEYBOARDS];
static struct wlr_touch screen;
static struct server *server;
static bool plugged;

static uint32_t now_ms(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static void plug(int number) {
	if (!plugged) {
		wlr_touch_init(&screen, &touch_impl, "test touch screen");
		const struct output *output;
		wl_list_for_each (output, &server->outputs, link) {
			if (--number == 0) {
				screen.output_name = strdup(output->wlr->name);
			}
		}
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

static void notify_key(struct board *board, uint32_t code, bool pressed) {
	struct wlr_keyboard_key_event event = {now_ms(), code, true,
		pressed ? WL_KEYBOARD_KEY_STATE_PRESSED : WL_KEYBOARD_KEY_STATE_RELEASED};
	wlr_keyboard_notify_key(&board->wlr, &event);
}

/* As libinput does it: what is held is released before. */
static void remove_keyboard(struct board *board) {
	while (board->wlr.num_keycodes > 0) {
		notify_key(board, board->wlr.keycodes[0], false);
	}
	wlr_keyboard_finish(&board->wlr);
	board->plugged = false;
}

/* The answer to a command for a keyboard; -1 where there is none. */
static int use_keyboard(const char *what, struct board *board, uint32_t code, bool pressed) {
	if (strcmp(what, "keyboard") == 0 && !board->plugged) {
		board->plugged = true;
		wlr_keyboard_init(&board->wlr, &keyboard_impl, "test keyboard");
		wl_signal_emit_mutable(&server->backend->events.new_input, &board->wlr.base);
		return 0;
	}
	if (!board->plugged) {
		return -1;
	}
	if (strcmp(what, "key") == 0) {
		notify_key(board, code, pressed);
		return 0;
	}
	if (strcmp(what, "leds") == 0) {
		return (int)board->leds;
	}
	remove_keyboard(board);
	return 0;
}

static bool touch(const char *what, int id, double x, double y) {
	if (!plugged) {
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

static bool is_for_keyboard(const char *what) {
	return strcmp(what, "keyboard") == 0 || strcmp(what, "remove") == 0 ||
		strcmp(what, "key") == 0 || strcmp(what, "leds") == 0;
}

static void obey(const char *command, char answer[static 16]) {
	const struct output *output = wl_container_of(server->outputs.next, output, link);
	char what[16] = "";
	int id = 0, number = -1;
	double x = 0, y = 0;
	sscanf(command, "%15s %d %lf %lf", what, &id, &x, &y);
	if (is_for_keyboard(what) && id >= 0 && id < KEYBOARDS) {
		number = use_keyboard(what, &boards[id], (uint32_t)x, y != 0);
	} else if (strcmp(what, "plug") == 0) {
		plug(id);
		number = 0;
	} else if (touch(what, id, x / output->wlr->width, y / output->wlr->height)) {
		number = 0;
	}
	if (number >= 0 && strcmp(what, "leds") == 0) {
		snprintf(answer, 16, "%d", number);
	} else {
		snprintf(answer, 16, "%s", number >= 0 ? "ok" : "what?");
	}
}

static int handle_command(int fd, uint32_t mask, void *data) {
	char command[128];
	struct sockaddr_un hand;
	socklen_t length = sizeof(hand);
	ssize_t size =
		recvfrom(fd, command, sizeof(command) - 1, 0, (struct sockaddr *)&hand, &length);
	if (size > 0) {
		command[size] = '\0';
		char answer[16];
		obey(command, answer);
		sendto(fd, answer, strlen(answer), 0, (struct sockaddr *)&hand, length);
	}
	return 0;
}

static int listen_for_commands(struct sockaddr_un *address) {
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char *folder = program_runtime_dir();
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/input",
		folder != NULL ? folder : "");
	free(folder);
	if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof(*address)) < 0) {
		perror("machine-input");
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
	for (size_t i = 0; i < KEYBOARDS; i++) {
		if (boards[i].plugged) {
			remove_keyboard(&boards[i]);
		}
	}
	return done;
}
