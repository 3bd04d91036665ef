#ifndef COMPOSITOR_SERVER_H
#define COMPOSITOR_SERVER_H

#include <stdbool.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_scene.h>

#include "config.h"
#include "frame.h"
#include "loop.h"
#include "notice.h"
#include "process.h"

struct desktop_varlink;
struct guest_desktop_manager;
struct host_link;
struct output;
struct seat;
struct session_keep;
struct window;
struct xdg;

/* Layers of the scene, from the back. */
enum layer {
	LAYER_BACKGROUND,
	LAYER_WINDOWS,
	LAYER_FULLSCREEN,
	LAYER_OVERLAY, // drag icons, notices
	LAYER_COUNT,
};

/* The session: one per process. */
struct server {
	struct config config; // owned
	struct frame_style frame_style;
	struct wl_display *display;
	struct loop loop;
	struct processes processes;

	struct wlr_session *session; // NULL unless on a virtual terminal
	struct wlr_backend *backend; // NULL once it has gone
	struct wlr_renderer *renderer;
	struct wlr_allocator *allocator;
	struct wlr_compositor *compositor;
	struct wlr_output_layout *output_layout;
	struct wlr_scene *scene;
	struct wlr_scene_output_layout *scene_layout;
	struct wlr_scene_tree *layers[LAYER_COUNT];
	struct notice notice;

	struct wl_list outputs; // struct output.link, the first is the oldest
	struct wl_list windows; // struct window.link, mapped ones, the front one first
	struct window *focused; // one of windows, or NULL
	struct wl_list guests;  // struct guest.link, by number
	size_t guests_seen;

	struct seat *seat;
	struct xdg *xdg;
	struct guest_desktop_manager *guest_desktop;
	struct host_link *host;
	struct session_keep *keep;
	struct desktop_varlink *desktop_varlink;

	struct wl_event_source *changed_idle; // pending, or NULL
	struct wl_event_source *closed_idle;  // likewise
	struct wl_event_source *signals[2];
	const char *socket; // wayland-0, ...
	bool guest_dmabufs; // guests' devices may send dma-bufs
	bool leaving;
	bool failed; // its display has gone: nobody left it

	struct wl_listener new_output, backend_destroy, new_surface;
};

/*
 * Makes everything up to the point where outputs may appear. config becomes the
 * server's, also on failure. Logs what went wrong and returns false; server_finish is
 * safe then, too.
 */
bool server_init(struct server *server, struct config *config);

/* Starts the backend and runs until the session ends. */
bool server_run(struct server *server, const char *command);

void server_finish(struct server *server);

/*
 * Something that others can see has changed (windows, focus, what is visible): tells
 * them once, when the loop is idle.
 */
void server_changed(struct server *server);

/* Ends the session in order; a second time, at once. */
void server_leave(struct server *server);

/*
 * The last window that we had in another session has gone. Where its user closed it, the
 * session ends in order; where the other session has gone with it, nothing is left undone.
 */
void server_window_closed(struct server *server);

/* Runs a command line by sh, as a client of the session. */
void server_spawn(struct server *server, const char *command);

#endif
