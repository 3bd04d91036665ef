#ifndef COMPOSITOR_XDG_H
#define COMPOSITOR_XDG_H

#include <stdbool.h>
#include <wayland-server-core.h>

struct server;
struct window;
struct wlr_scene_tree;
struct xdg;

/* Ordinary clients' windows: xdg-shell with decorations drawn by mullion, in neutral grey. */

/* Returns NULL without memory. */
struct xdg *xdg_create(struct server *server);

/* Accepts NULL. Before the display goes, after its clients. */
void xdg_destroy(struct xdg *xdg);

/* The user let go of the edge: the client is told. Does nothing to a guest's window. */
void xdg_window_end_resize(struct window *window);

/* For xdg_shell.events.new_popup. */
void xdg_popup_handle_new(struct wl_listener *listener, void *data);

#endif
