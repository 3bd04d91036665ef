#include "session-keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>
#include <wlr/types/wlr_output.h>

#include "clock.h"
#include "guest-window.h"
#include "guest.h"
#include "log.h"
#include "output.h"
#include "program.h"
#include "server.h"
#include "session-state.h"
#include "window.h"

#define WRITE_DELAY (100 * USEC_PER_MSEC) // after a change, for those that follow it
#define RECALL_TIME (3 * USEC_PER_SEC)    // for guests that mulliond does not name as running

_Static_assert(SESSION_HEADS_MAX == GUEST_HEADS_MAX, "a window of each head");

struct session_keep {
	struct server *server;
	char *path;                    // owned
	char *written;                 // owned: what the file holds, NULL for unknown
	struct session_state state;    // what it is to hold; until recalled: what it held
	sd_event_source *write, *late; // owned
	// Until all windows of the earlier session are back, or some are given up:
	bool recalling;
	bool back[SESSION_WINDOWS_MAX]; // of state.windows
	unsigned expected;              // open ones that are not
	bool had_focus;                 // one of them
	bool told, forgotten;
};

static void write_state(struct session_keep *keep) {
	char *text = NULL;
	int error = session_state_format(&keep->state, &text);
	if (error == 0 && keep->written != NULL && strcmp(keep->written, text) == 0) {
		free(text);
		return;
	}
	error = error < 0 ? error : session_state_save(keep->path, text);
	if (error < 0 && !keep->told) {
		keep->told = true;
		log_warning("%s: %s: a restarted mullion would not find its windows again",
			keep->path, strerror(-error));
	}
	free(keep->written);
	keep->written = error < 0 ? NULL : text;
	if (error < 0) {
		free(text);
	}
}

/* The frontmost guest stands for a client that has the focus, and will be gone. */
static bool has_focus(struct window *window, bool taken) {
	struct window *focused = window->server->focused;
	return focused == window || (focused != NULL && focused->head == NULL && !taken);
}

static void describe_open(struct window *window, bool taken, struct session_window *ret) {
	struct output *output = window_output(window);
	*ret = (struct session_window){
		.x = window->box.x,
		.y = window->box.y,
		.width = window->box.width,
		.height = window->box.height,
		.open = true,
		.moved = window->moved,
		.sized = window->sized,
		.fullscreen = window->fullscreen != NULL,
		.focused = has_focus(window, taken),
	};
	if (output != NULL && strlen(output->wlr->name) <= SESSION_OUTPUT_MAX) {
		memcpy(ret->output, output->wlr->name, strlen(output->wlr->name));
	}
}

/* A window that is not shown now, where the user has put it; false where nobody did. */
static bool describe_closed(const struct guest_head *head, struct session_window *ret) {
	const struct window *window = head->window != NULL ? guest_window_base(head->window) : NULL;
	const struct wlr_box *box = window != NULL ? &window->box : &head->place;
	*ret = (struct session_window){
		.x = box->x,
		.y = box->y,
		.width = box->width,
		.height = box->height,
		.moved = window != NULL ? window->moved : head->moved,
		.sized = window != NULL ? window->sized : head->sized,
	};
	return (window == NULL || !window->mapped) && (ret->moved || ret->sized);
}

static void add(struct session_state *state, const struct guest_head *head,
	const struct session_window *described) {
	const char *name = head->guest->name;
	size_t length = strlen(name);
	if (state->windows_len < SESSION_WINDOWS_MAX && length <= CONFIG_NAME_MAX) {
		struct session_window *window = &state->windows[state->windows_len++];
		*window = *described;
		memcpy(window->guest, name, length);
		window->head = head->number;
	}
}

static void collect(struct server *server, struct session_state *state) {
	struct session_window described;
	bool taken = false;
	state->windows_len = 0;
	struct window *window;
	wl_list_for_each (window, &server->windows, link) {
		if (window->head != NULL && window->placed) {
			describe_open(window, taken, &described);
			taken = taken || described.focused;
			add(state, window->head, &described);
		}
	}
	struct guest *guest;
	wl_list_for_each (guest, &server->guests, link) {
		for (unsigned i = 0; i < GUEST_HEADS_MAX; i++) {
			if (describe_closed(&guest->heads[i], &described)) {
				add(state, &guest->heads[i], &described);
			}
		}
	}
}

static int handle_write(sd_event_source *source, uint64_t usec, void *data) {
	struct session_keep *keep = data;
	keep->write = sd_event_source_disable_unref(keep->write);
	// Until all are there again the earlier state is the better one.
	if (!keep->recalling) {
		collect(keep->server, &keep->state);
	}
	write_state(keep);
	return 0;
}

void session_keep_changed(struct session_keep *keep) {
	if (keep == NULL || keep->write != NULL || keep->recalling || keep->forgotten ||
		keep->server->leaving) {
		return;
	}
	sd_event_add_time_relative(keep->server->loop.sd, &keep->write, CLOCK_MONOTONIC,
		WRITE_DELAY, WRITE_DELAY / 10, handle_write, keep);
	loop_kick(&keep->server->loop);
}

/* Whoever is in front stands in for the one that had the focus and is gone. */
static void stop_recalling(struct session_keep *keep) {
	struct server *server = keep->server;
	keep->late = sd_event_source_disable_unref(keep->late);
	keep->recalling = false;
	if (keep->had_focus && server->focused == NULL && !wl_list_empty(&server->windows)) {
		struct window *front = wl_container_of(server->windows.next, front, link);
		window_focus(front);
	}
	session_keep_changed(keep);
}

static int handle_late(sd_event_source *source, uint64_t usec, void *data) {
	struct session_keep *keep = data;
	log_debug("%u guests of the earlier session have no window any more", keep->expected);
	stop_recalling(keep);
	return 0;
}

static void load(struct session_keep *keep) {
	int error = session_state_load(keep->path, &keep->state);
	if (error == -ENOENT) {
		return;
	}
	if (error < 0) {
		log_warning("%s: %s: the windows of the earlier session are placed anew",
			keep->path, error == -EBADMSG ? "damaged" : strerror(-error));
		return;
	}
	for (size_t i = 0; i < keep->state.windows_len; i++) {
		keep->expected += keep->state.windows[i].open;
		keep->had_focus = keep->had_focus || keep->state.windows[i].focused;
	}
	log_info("the session goes on: %u windows of its guests come back", keep->expected);
	keep->recalling = keep->state.windows_len > 0;
}

struct session_keep *session_keep_create(struct server *server) {
	struct session_keep *keep = calloc(1, sizeof(*keep));
	char *directory = program_runtime_dir();
	if (keep == NULL || directory == NULL ||
		asprintf(&keep->path, "%s/" SESSION_STATE_FILE, directory) < 0) {
		log_error("no directory for the session's state: %s (is XDG_RUNTIME_DIR set?)",
			strerror(errno));
		free(directory);
		free(keep);
		return NULL;
	}
	free(directory);
	keep->server = server;
	load(keep);
	return keep;
}

void session_keep_destroy(struct session_keep *keep) {
	if (keep == NULL) {
		return;
	}
	if (keep->write != NULL) {
		write_state(keep);
	}
	sd_event_source_disable_unref(keep->write);
	sd_event_source_disable_unref(keep->late);
	free(keep->written);
	free(keep->path);
	free(keep);
}

void session_keep_forget(struct session_keep *keep) {
	if (keep != NULL) {
		keep->forgotten = true;
		keep->write = sd_event_source_disable_unref(keep->write);
		unlink(keep->path);
	}
}

void session_keep_set_host(struct session_keep *keep, pid_t pid) {
	keep->state.host_start = pid != 0 ? session_process_start(pid) : 0;
	keep->state.host = keep->state.host_start != 0 ? pid : 0;
	if (!keep->forgotten) {
		write_state(keep);
	}
}

pid_t session_keep_get_host(struct session_keep *keep) {
	pid_t pid = keep->state.host;
	return pid != 0 && session_process_start(pid) == keep->state.host_start ? pid : 0;
}

static bool is_of(const struct session_window *window, const struct guest_head *head) {
	return window->head == head->number && strcmp(window->guest, head->guest->name) == 0;
}

/* The head's place among the windows of the earlier session; windows_len for none. */
static size_t rank(const struct session_keep *keep, const struct guest_head *head) {
	size_t i = 0;
	while (i < keep->state.windows_len &&
		(head == NULL || !is_of(&keep->state.windows[i], head))) {
		i++;
	}
	return i;
}

void session_keep_recall(struct session_keep *keep, struct guest *guest) {
	for (size_t i = 0; keep->recalling && i < keep->state.windows_len; i++) {
		const struct session_window *window = &keep->state.windows[i];
		struct guest_head *head = &guest->heads[window->head];
		if (is_of(window, head)) {
			head->place = (struct wlr_box){
				window->x, window->y, window->width, window->height};
			head->moved = window->moved;
			head->sized = window->sized;
		}
	}
}

const struct session_window *session_keep_expected(
	const struct session_keep *keep, const struct guest_head *head) {
	size_t i = rank(keep, head);
	bool expected = keep->recalling && i < keep->state.windows_len &&
		keep->state.windows[i].open && !keep->back[i];
	return expected ? &keep->state.windows[i] : NULL;
}

/* Behind those that stood in front of it, and before all others. */
static void restore_stack(struct session_keep *keep, struct window *window) {
	size_t own = rank(keep, window->head);
	struct window *other;
	wl_list_for_each (other, &keep->server->windows, link) {
		if (other != window && rank(keep, other->head) > own) {
			window_stack_before(window, other);
			return;
		}
	}
}

static struct output *find_output(struct server *server, const char *name) {
	struct output *output;
	wl_list_for_each (output, &server->outputs, link) {
		if (strcmp(output->wlr->name, name) == 0) {
			return output;
		}
	}
	return NULL;
}

void session_keep_restore(struct session_keep *keep, struct window *window) {
	const struct session_window *was = session_keep_expected(keep, window->head);
	if (was == NULL) {
		return;
	}
	keep->back[was - keep->state.windows] = true;
	keep->expected--;
	restore_stack(keep, window);
	if (was->fullscreen) {
		struct output *output = find_output(keep->server, was->output);
		output = output != NULL ? output : window_output(window);
		if (output != NULL) {
			window_set_fullscreen(window, output);
		}
	}
	if (was->focused) {
		window_focus(window);
	}
	if (window->head->number > 0) {
		// Not told of by mulliond, but shown by its device some time after that.
		session_keep_reported(keep);
	}
}

bool session_keep_busy(const struct session_keep *keep) {
	return keep->recalling;
}

void session_keep_reported(struct session_keep *keep) {
	if (!keep->recalling) {
		return;
	}
	if (keep->expected == 0) {
		stop_recalling(keep);
	} else if (keep->late == NULL) {
		sd_event_add_time_relative(keep->server->loop.sd, &keep->late, CLOCK_MONOTONIC,
			RECALL_TIME, 0, handle_late, keep);
		loop_kick(&keep->server->loop);
	}
}
