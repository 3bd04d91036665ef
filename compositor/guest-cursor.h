#ifndef COMPOSITOR_GUEST_CURSOR_H
#define COMPOSITOR_GUEST_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

#include "log.h"

struct guest;
struct wlr_buffer;
struct wlr_surface;

/*
 * How a guest wants the pointer to look over its picture, as its device said by
 * wl_pointer.set_cursor. What is shown is a copy, bounded in size: whatever the device
 * does with its surface afterwards, it is drawn inside the guest's windows only.
 */

#define GUEST_CURSOR_SIZE 64 // pixels in a direction

struct guest_cursor {
	struct guest *guest;
	bool set;                    // the device has said how; ours is shown until then
	struct wlr_surface *surface; // that it draws on; NULL: no pointer is shown
	struct wlr_buffer *image;    // owned, NULL while there is none
	int hot_x, hot_y;            // of the image, inside it
	int32_t asked_x, asked_y;    // as the device said, any number
	struct wl_listener commit, surface_destroy;
	struct log_limit log_limit;
};

void guest_cursor_init(struct guest_cursor *cursor, struct guest *guest);

/* Forgets all that the device said: it has gone. Also before the guest goes. */
void guest_cursor_reset(struct guest_cursor *cursor);

/* As in wl_pointer.set_cursor. The surface has the role already. */
void guest_cursor_set(
	struct guest_cursor *cursor, struct wlr_surface *surface, int32_t hot_x, int32_t hot_y);

#endif
