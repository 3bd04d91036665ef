#ifndef COMPOSITOR_WINDOW_H
#define COMPOSITOR_WINDOW_H

#include <stdbool.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/util/box.h>

#include "frame.h"

struct guest_head;
struct output;
struct server;
struct window;
struct wlr_surface;

/* What differs between a guest's window and an ordinary client's. */
struct window_impl {
	/* Where its keys go; NULL where there is nothing to type into. */
	struct wlr_surface *(*surface)(struct window *window);
	/*
	 * Show the content in the size of box. Returns true where it does at once; false
	 * where the client answers later, through window_content_resized.
	 */
	bool (*resize)(struct window *window, int width, int height);
	/* Place and size in a full screen of this size: an aspect-true fit, or all of it. */
	struct wlr_box (*fit)(struct window *window, const struct wlr_box *output);
	void (*focused)(struct window *window, bool focused);
	void (*fullscreen)(struct window *window, bool fullscreen);
	/* The close button, or its key. */
	void (*close)(struct window *window);
};

struct window {
	const struct window_impl *impl;
	struct server *server;
	struct wl_list link;         // server.windows, while mapped
	struct wlr_scene_tree *tree; // node.data is the window; origin: the content's corner
	struct wlr_scene_tree *content;
	struct wlr_scene_rect *blackout; // behind a full screen, in the full-screen layer
	struct frame frame;
	struct wlr_box box;        // of the content as a window, layout coordinates
	struct wlr_box shown;      // of the content as it is shown now: box, on whole pixels
	struct output *fullscreen; // where it is alone, or NULL
	struct guest_head *head;   // NULL for an ordinary client's
	bool mapped;
	bool placed;           // has had a place once
	bool moved, sized;     // by the user, or by a command
	uint32_t resize_edges; // while the user resizes it: the edges that move
};

/* Returns false without memory; window_finish is safe then. */
bool window_init(struct window *window, struct server *server, const struct window_impl *impl);

/* Unmaps and frees what it holds. Safe on a zeroed window. */
void window_finish(struct window *window);

/* Shows it, in front where focus is set. Its content size must have been set. */
void window_map(struct window *window, bool focus);
void window_unmap(struct window *window);

/* Gives it the keys and raises it; where another one is full screen there, takes its place. */
void window_focus(struct window *window);

/* The focused window's surface came or went. */
void window_surface_changed(struct window *window);

/* Directly in front of another one, without any change of focus. Both are mapped. */
void window_stack_before(struct window *window, struct window *other);

/* Directly behind another one, likewise. */
void window_stack_behind(struct window *window, struct window *other);

/* The window behind all others comes to the front. */
void window_focus_next(struct server *server);

/* By the user or a command: keeps the title reachable. */
void window_move(struct window *window, int x, int y);

/* As it stood in an earlier session, before it is mapped. Keeps the title reachable. */
void window_restore(struct window *window, struct wlr_box box, bool moved, bool sized);

/* By the user or a command; edges (enum wlr_edges) that move, the others stay. */
void window_resize(struct window *window, struct wlr_box box, uint32_t edges);

/* The content has this size now, by its own choice or as asked. */
void window_content_resized(struct window *window, int width, int height);

/* The picture in it is another one. */
void window_refresh(struct window *window);

/* Alone on the output, or, where it is NULL, a window again in its old place. */
void window_set_fullscreen(struct window *window, struct output *output);
void window_toggle_fullscreen(struct window *window);

/* The output's size or place changed, or the content's aspect: fits a full screen again. */
void window_refit(struct window *window);

/* An output has another size. */
void window_output_changed(struct server *server, struct output *output);

/* An output has come: windows that had none get their place. */
void window_output_added(struct server *server);

/* An output has gone. */
void window_output_gone(struct server *server, struct output *output);

/* The full-screen window of an output, or NULL. */
struct window *window_fullscreen_on(struct server *server, struct output *output);

/* The output that holds its centre, else the first; NULL where there is none. */
struct output *window_output(struct window *window);

/* The frontmost window at this point of the layout and the part of it, or NULL. */
struct window *window_at(struct server *server, double lx, double ly, enum frame_part *ret_part,
	uint32_t *ret_edges, struct wlr_scene_node **ret_node, double *ret_sx, double *ret_sy);

#define WINDOW_MIN 48    // pixels a content is at least wide and high
#define WINDOW_MAX 16384 // and at most

#endif
