#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings.h"
#include "clock.h"
#include "guest-client.h"
#include "guest-window.h"
#include "host-link.h"
#include "log.h"
#include "seat.h"
#include "server.h"
#include "session-keep.h"
#include "window.h"

/* A device that is replaced gets its display at once; devices that go on dying, later. */
#define PRESENT_BURST 8
#define PRESENT_INTERVAL (1 * USEC_PER_SEC) // between two displays, beyond that
#define PRESENT_QUIET (10 * USEC_PER_SEC)   // without any, and all is forgotten

struct guest *guest_find(struct server *server, const char *name) {
	struct guest *guest;
	wl_list_for_each (guest, &server->guests, link) {
		if (strcmp(guest->name, name) == 0) {
			return guest;
		}
	}
	return NULL;
}

struct window *guest_window_by_number(struct server *server, uint32_t number) {
	struct guest *guest;
	wl_list_for_each (guest, &server->guests, link) {
		if (guest->number == number && guest->heads[0].window != NULL) {
			return guest_window_base(guest->heads[0].window);
		}
	}
	return NULL;
}

static void insert_by_number(struct guest *guest) {
	struct wl_list *after = &guest->server->guests;
	struct guest *other;
	wl_list_for_each (other, &guest->server->guests, link) {
		if (other->number > guest->number) {
			break;
		}
		after = &other->link;
	}
	wl_list_insert(after, &guest->link);
}

static struct guest *guest_create(struct server *server, const struct guest_report *report) {
	struct guest *guest = calloc(1, sizeof(*guest));
	char *name = strdup(report->name);
	if (guest == NULL || name == NULL) {
		free(guest);
		free(name);
		return NULL;
	}
	guest->server = server;
	guest->name = name;
	guest->number = report->number;
	for (unsigned i = 0; i < GUEST_HEADS_MAX; i++) {
		guest->heads[i].guest = guest;
		guest->heads[i].number = i;
	}
	guest_cursor_init(&guest->cursor, guest);
	insert_by_number(guest);
	session_keep_recall(server->keep, guest);
	return guest;
}

static void cancel_retry(struct guest *guest) {
	if (guest->retry != NULL) {
		wl_event_source_remove(guest->retry);
		guest->retry = NULL;
	}
}

static void destroy_windows(struct guest *guest) {
	// The first one last: it is the one that the keys belong to.
	for (unsigned i = GUEST_HEADS_MAX; i-- > 0;) {
		guest_window_destroy(guest->heads[i].window);
	}
}

void guest_destroy(struct guest *guest) {
	cancel_retry(guest);
	guest->state = GUEST_OFF; // its device gets no other display
	guest_client_destroy(guest->client);
	guest_cursor_reset(&guest->cursor);
	destroy_windows(guest);
	wl_list_remove(&guest->link);
	free(guest->name);
	free(guest->title);
	free(guest->reason);
	free(guest);
}

static void replace(char **string, const char *with) {
	char *copy = with != NULL ? strdup(with) : NULL;
	free(*string);
	*string = copy;
}

static void present(struct guest *guest);

static int handle_retry(void *data) {
	struct guest *guest = data;
	cancel_retry(guest);
	present(guest);
	return 0;
}

/* How long the next display of a guest has to wait, in us. */
static uint64_t present_delay(const struct guest *guest, uint64_t now) {
	uint64_t next = guest->presented + PRESENT_INTERVAL;
	return guest->presents >= PRESENT_BURST && now < next ? next - now : 0;
}

/*
 * Gives its device a display of ours. One after the other: two at once could arrive in another
 * order, and the device would be left with the one that is over.
 */
static void present(struct guest *guest) {
	struct server *server = guest->server;
	if (guest->state != GUEST_RUNNING || guest->client != NULL || guest->presenting ||
		guest->retry != NULL || server->leaving) {
		return;
	}
	uint64_t now = clock_usec();
	if (now - guest->presented > PRESENT_QUIET) {
		guest->presents = 0;
	}
	uint64_t delay = present_delay(guest, now);
	if (delay > 0) {
		guest->retry = wl_event_loop_add_timer(server->loop.wayland, handle_retry, guest);
		if (guest->retry != NULL) {
			wl_event_source_timer_update(
				guest->retry, (int)(delay / USEC_PER_MSEC) + 1);
		}
		return;
	}
	guest->presented = now;
	guest->presents++;
	int socket;
	guest->client = guest_client_create(guest, &socket);
	if (guest->client != NULL) {
		guest->shown = true; // until we hear otherwise
		guest->presenting = host_link_present(server->host, guest->name, socket);
	}
}

void guest_presented(struct server *server, const char *name, bool refused) {
	struct guest *guest = guest_find(server, name);
	if (guest != NULL) {
		guest->presenting = false;
		guest->shown = guest->shown && !refused;
		// Its client may have gone meanwhile, and the answer be to that one's display.
		present(guest);
	}
}

void guest_client_gone(struct guest *guest) {
	guest->client = NULL;
	guest_cursor_reset(&guest->cursor);
	if (!guest->shown) {
		present(guest);
	}
	server_changed(guest->server);
}

/*
 * Sees to it that the device of a report is shown here. A mulliond that has adopted a
 * device does not know of our connection to it, which goes on; the connection to another
 * device is over.
 */
static void update_display(struct guest *guest, const struct guest_report *report) {
	bool same = guest->device == report->device && report->device != 0;
	guest->device = report->device;
	guest->shown = report->shown;
	if (report->shown) {
		return;
	}
	if (guest->client != NULL && !same) {
		guest_client_destroy(guest->client);
	}
	present(guest);
}

static bool has_windows(const struct guest *guest) {
	return guest->state != GUEST_OFF && !(guest->state == GUEST_FAILED && guest->dismissed);
}

/* The first head always has a window, a further one from when its device shows it. */
static void update_window(struct guest_head *head) {
	if (head->window == NULL && (head->number == 0 || head->desktop != NULL)) {
		guest_window_create(head);
	}
}

static void update_windows(struct guest *guest) {
	if (!has_windows(guest)) {
		destroy_windows(guest);
		return;
	}
	for (unsigned i = 0; i < GUEST_HEADS_MAX; i++) {
		update_window(&guest->heads[i]);
	}
	guest_describe(guest);
}

void guest_head_changed(struct guest_head *head) {
	if (head->window != NULL) {
		guest_window_desktop_changed(head->window);
	} else if (has_windows(head->guest)) {
		update_window(head);
	}
}

void guest_report(struct server *server, const struct guest_report *report) {
	struct guest *guest = guest_find(server, report->name);
	if (guest == NULL && (guest = guest_create(server, report)) == NULL) {
		return;
	}
	guest->seen = true;
	if (guest->state != report->state) {
		log_debug("guest '%s': state %d", guest->name, report->state);
		guest->dismissed = false;
		seat_guest_ended(server->seat, guest);
	}
	guest->state = report->state;
	guest->colour = report->colour;
	replace(&guest->title, report->title);
	replace(&guest->reason, report->reason);
	if (guest->number != report->number) {
		guest->number = report->number;
		wl_list_remove(&guest->link);
		insert_by_number(guest);
	}
	update_windows(guest);
	update_display(guest, report);
}

void guest_reports_begin(struct server *server) {
	struct guest *guest;
	wl_list_for_each (guest, &server->guests, link) {
		guest->seen = false;
	}
}

void guest_reports_end(struct server *server) {
	struct guest *guest, *next;
	wl_list_for_each_safe (guest, next, &server->guests, link) {
		if (!guest->seen) {
			guest_destroy(guest);
		}
	}
	session_keep_reported(server->keep);
	server_changed(server);
}

/* "work", "work 2", ... */
static void describe_title(const struct guest_head *head, const char *note) {
	struct frame *frame = &guest_window_base(head->window)->frame;
	const struct guest *guest = head->guest;
	const char *title = guest->title != NULL ? guest->title : guest->name;
	char *numbered = NULL;
	if (head->number > 0 && asprintf(&numbered, "%s %u", title, head->number + 1) < 0) {
		numbered = NULL;
	}
	frame_set_colour(frame, guest->colour, (int)guest->number);
	frame_set_title(frame, numbered != NULL ? numbered : title, note);
	free(numbered);
}

/* Beside the title, what the user has to know in order to get out. */
static void describe_lock(const struct guest_head *head) {
	char key[BINDING_TEXT_MAX], note[BINDING_TEXT_MAX + 32];
	bindings_describe(&head->guest->server->config.host.key_grab, key);
	snprintf(note, sizeof(note), "pointer locked, %s frees it", key);
	describe_title(head, note);
}

static void describe_head(const struct guest_head *head, const char *note, const char *message) {
	const struct guest *guest = head->guest;
	if (head->pointer_locked) {
		describe_lock(head);
	} else {
		describe_title(head, note);
	}
	if (guest->state != GUEST_RUNNING || guest->reason != NULL) {
		guest_window_drop_stale(head->window);
	}
	frame_set_message(&guest_window_base(head->window)->frame, message);
}

void guest_describe(struct guest *guest) {
	static const char *const notes[] = {
		[GUEST_STARTING] = "starting",
		[GUEST_STOPPING] = "stopping",
		[GUEST_FAILED] = "failed",
	};
	const char *note =
		guest->state < sizeof(notes) / sizeof(notes[0]) ? notes[guest->state] : NULL;
	char *message = NULL;
	if (guest->state == GUEST_FAILED) {
		const char *reason = guest->reason != NULL ? guest->reason : "no reason is known";
		if (asprintf(&message, "failed: %s", reason) < 0) {
			message = NULL;
		}
	} else if (guest->state == GUEST_RUNNING) {
		// A reason of a guest that runs is why it has no device any more.
		message = strdup(
			guest->reason != NULL ? guest->reason : "running, nothing drawn yet");
	} else {
		message = strdup(note != NULL ? note : "");
	}
	for (unsigned i = 0; i < GUEST_HEADS_MAX; i++) {
		if (guest->heads[i].window != NULL) {
			describe_head(&guest->heads[i], note, message);
		}
	}
	free(message);
}

void guest_close(struct guest *guest) {
	if (guest->state == GUEST_FAILED) {
		guest->dismissed = true;
		update_windows(guest);
	} else {
		host_link_stop(guest->server->host, guest->name);
	}
}
