#ifndef COMPOSITOR_POINTER_H
#define COMPOSITOR_POINTER_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_cursor.h>
#include <wlr/util/box.h>

#include "pointer-look.h"

struct guest;
struct seat;
struct window;

enum pointer_mode {
	POINTER_PASS,   // to whatever is below it
	POINTER_MOVE,   // drags a window
	POINTER_RESIZE, // pulls at a window's edges
	POINTER_CLOSE,  // pressed on a close button
};

/* Where the pointer is, and what it drags. */
struct pointer {
	struct seat *seat;
	struct wlr_cursor *cursor;
	struct pointer_look look;
	bool used; // it has moved

	enum pointer_mode mode;
	struct window *window;       // of the mode, NULL for POINTER_PASS
	struct window *hot;          // whose close button is lit, or NULL
	double grab_x, grab_y;       // layout, where the mode began
	struct wlr_box grab_box;     // the window's, then
	uint32_t grab_edges;         // enum wlr_edges
	uint32_t swallowed;          // bit n: button BTN_LEFT + n is down and no client knows
	double surface_x, surface_y; // layout, origin of the surface that a button holds
	double scale_x, scale_y;     // surface pixels per layout pixel of it
	struct window *title_window; // of the last click on a title
	uint32_t title_time;         // ms

	struct wlr_relative_pointer_manager_v1 *relative;
	struct window *locked;         // to whose guest it is, or NULL
	bool absolute_known;           // while it is: where a device was last
	double absolute_x, absolute_y; // layout

	struct wl_listener motion, motion_absolute, button, axis, frame;
	struct wl_listener request_set_cursor, request_set_shape;
};

bool pointer_init(struct pointer *pointer, struct seat *seat);

/* Safe on a zeroed one. */
void pointer_finish(struct pointer *pointer);

/* Looks again at what is below. */
void pointer_refresh(struct pointer *pointer);

/* Its guest.cursor has. */
void pointer_guest_cursor_changed(struct pointer *pointer, struct guest *guest);

void pointer_window_gone(struct pointer *pointer, struct window *window);

#endif
