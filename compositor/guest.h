#ifndef COMPOSITOR_GUEST_H
#define COMPOSITOR_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/util/box.h>

#include "config.h"
#include "guest-cursor.h"

struct guest_client;
struct guest_desktop;
struct guest_window;
struct server;
struct window;

enum guest_state {
	GUEST_OFF,
	GUEST_STARTING,
	GUEST_RUNNING,
	GUEST_STOPPING,
	GUEST_FAILED,
};

/* A guest as mulliond reports it: everything here is trusted. */
struct guest_report {
	const char *name, *title, *reason; // reason may be NULL
	uint32_t number;
	struct config_colour colour;
	enum guest_state state;
	uint64_t device; // its device's process, 0 for none
	bool shown;      // its device has a display
};

#define GUEST_HEADS_MAX 16

/* One of a guest's screens, each a window. */
struct guest_head {
	struct guest *guest;
	unsigned number;               // from 0
	struct guest_window *window;   // NULL while it has none
	struct guest_desktop *desktop; // what its device shows on it, NULL for nothing
	uint64_t frames;               // that were shown
	uint64_t direct;               // frames of a screen that were its buffer itself
	struct wlr_box place;          // of its last window
	bool moved, sized;             // what of that the user chose
	bool pointer_locked;           // to its window
};

/* A guest that mulliond has told of. */
struct guest {
	struct server *server;
	struct wl_list link; // server.guests
	char *name, *title;  // owned
	char *reason;        // owned, may be NULL
	uint32_t number;
	struct config_colour colour;
	enum guest_state state;
	bool dismissed; // a window of it was closed after it had failed

	struct guest_head heads[GUEST_HEADS_MAX];
	struct guest_client *client;   // its device's connection, NULL for none
	struct guest_cursor cursor;    // the pointer over its windows
	uint64_t device;               // process of its device, 0 for none
	bool shown;                    // mulliond holds that device to have a display
	bool presenting;               // it has not answered yet to the last one given
	uint64_t presented;            // us, when a device was last given one
	unsigned presents;             // in short order
	struct wl_event_source *retry; // to give it one, NULL for none
	bool seen;                     // in the report being read
};

/* Takes a report over: a new guest, another state, a window that appears or goes. */
void guest_report(struct server *server, const struct guest_report *report);

/* Around all guest_report calls of one list; who is not in it has gone. */
void guest_reports_begin(struct server *server);
void guest_reports_end(struct server *server);

/* Also closes its windows and its connection. */
void guest_destroy(struct guest *guest);

/* Its device's connection has gone. */
void guest_client_gone(struct guest *guest);

/* Its device has been given a display, or could not be. */
void guest_presented(struct server *server, const char *name, bool refused);

/* Shows its state in its windows. */
void guest_describe(struct guest *guest);

/* A close button: power-down, or the windows of a failed one away. */
void guest_close(struct guest *guest);

/* head.desktop is new, or NULL where it has gone: shows it. */
void guest_head_changed(struct guest_head *head);

struct guest *guest_find(struct server *server, const char *name);

/* Its first head's; NULL where there is no such guest or it has no window. */
struct window *guest_window_by_number(struct server *server, uint32_t number);

#endif
