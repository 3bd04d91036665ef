#ifndef COMPOSITOR_POINTER_H
#define COMPOSITOR_POINTER_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_cursor.h>

#include "grip.h"
#include "pointer-constraint.h"
#include "pointer-look.h"

struct guest;
struct seat;
struct window;
struct wlr_pointer_button_event;

/* Where the pointer is, and what it drags. */
struct pointer {
	struct seat *seat;
	struct wlr_cursor *cursor;
	struct wl_list devices; // struct pointer_device.link
	struct pointer_look look;
	bool used; // it has moved

	struct grip grip;            // while it holds a window, no client gets the pointer
	struct window *hot;          // whose close button is lit, or NULL
	uint32_t swallowed;          // bit n: button BTN_LEFT + n is down and no client knows
	double surface_x, surface_y; // layout, origin of the surface that a button holds
	double scale_x, scale_y;     // surface pixels per layout pixel of it

	struct wlr_relative_pointer_manager_v1 *relative;
	struct window *locked; // to whose guest it is, or NULL
	struct pointer_constraints constraints;
	bool absolute_known;           // while it does not move: where a device was last
	double absolute_x, absolute_y; // layout

	struct wl_listener motion, motion_absolute, button, axis, frame;
	struct wl_listener request_set_cursor, request_set_shape;
};

bool pointer_init(struct pointer *pointer, struct seat *seat);

/* Safe on a zeroed one. */
void pointer_finish(struct pointer *pointer);

/* It drags a window, or pulls at its edges, from now until its button is let go. Not one in full
 * screen. */
void pointer_begin_move(struct pointer *pointer, struct window *window);
void pointer_begin_resize(struct pointer *pointer, struct window *window, uint32_t edges);

/* A button of one of its devices, pressed or released. */
void pointer_button(struct pointer *pointer, const struct wlr_pointer_button_event *event);

/* Looks again at what is below. */
void pointer_refresh(struct pointer *pointer);

/* Its guest.cursor has. */
void pointer_guest_cursor_changed(struct pointer *pointer, struct guest *guest);

void pointer_window_gone(struct pointer *pointer, struct window *window);

#endif
