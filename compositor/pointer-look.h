#ifndef COMPOSITOR_POINTER_LOOK_H
#define COMPOSITOR_POINTER_LOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_xcursor_manager.h>

struct server;
struct window;
struct wlr_surface;

enum pointer_look_kind {
	POINTER_LOOK_HIDDEN,
	POINTER_LOOK_SHAPE,    // ours, by name
	POINTER_LOOK_SURFACE,  // an ordinary client's
	POINTER_LOOK_IMAGE,    // a guest's, on the screen's cursor plane
	POINTER_LOOK_IN_WINDOW // a guest's, as a part of its window
};

/*
 * How the pointer looks. A guest's pointer is drawn as a part of the window that it is over,
 * cut off at the picture's edges, so that no pixel of it lies anywhere else; where a picture
 * fills a screen it may be on the cursor plane instead, which leaves that picture to direct
 * scan-out.
 */
struct pointer_look {
	struct server *server;
	struct wlr_cursor *cursor; // borrowed
	struct wlr_xcursor_manager *theme;
	enum pointer_look_kind kind;
	const char *shape;              // of POINTER_LOOK_SHAPE
	struct wlr_scene_buffer *drawn; // of POINTER_LOOK_IN_WINDOW
	struct window *over;            // the window that it is in, NULL for none
	struct wlr_buffer *image;       // of POINTER_LOOK_IMAGE, only to be compared
	int hot_x, hot_y;
};

/* Nothing is shown yet. cursor outlives it. Returns false without memory. */
bool pointer_look_init(struct pointer_look *look, struct server *server, struct wlr_cursor *cursor);

/* Before the scene and the cursor go. Safe on a zeroed one. */
void pointer_look_finish(struct pointer_look *look);

void pointer_look_hide(struct pointer_look *look);

/* shape as in CSS, a constant string. */
void pointer_look_shape(struct pointer_look *look, const char *shape);

/* The shape for pulling at these enum wlr_edges. */
const char *pointer_look_edges(uint32_t edges);

/* An ordinary client's picture; NULL hides the pointer. */
void pointer_look_surface(
	struct pointer_look *look, struct wlr_surface *surface, int32_t hot_x, int32_t hot_y);

/* As the guest of this window likes; the pointer is at this point of the layout, over the
 * window's picture. */
void pointer_look_guest(struct pointer_look *look, struct window *window, double lx, double ly);

/* The window is about to go. */
void pointer_look_window_gone(struct pointer_look *look, struct window *window);

#endif
