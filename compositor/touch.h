#ifndef COMPOSITOR_TOUCH_H
#define COMPOSITOR_TOUCH_H

#include <stdbool.h>
#include <stdint.h>
#include <wayland-server-core.h>

#include "grip.h"

struct seat;
struct window;
struct wlr_touch;

#define TOUCH_POINTS 32 // fingers on surfaces at once; further ones are ignored

/* A finger on a surface, which gets all of it until it is lifted. */
struct touch_point {
	bool down;
	int32_t id;
	struct window *window;       // that the surface is of
	double surface_x, surface_y; // layout, origin of the surface; of an ordinary client's
};

/* Touch screens and the fingers on them. */
struct touch {
	struct seat *seat;
	struct wl_list devices; // struct touch_device.link
	struct touch_point points[TOUCH_POINTS];
	struct grip grip; // what a finger holds of a window
	int32_t grip_id;  // which one
	double grip_x, grip_y;

	struct wl_listener down, up, motion, cancel, frame;
};

/* Once seat.pointer is there. */
void touch_init(struct touch *touch, struct seat *seat);

/* Before seat.pointer goes. Safe on a zeroed one. */
void touch_finish(struct touch *touch);

/* Takes what is touched there from now on, until the device goes. */
void touch_add(struct touch *touch, struct wlr_touch *wlr);

/* Whether there is a touch screen at all. */
bool touch_present(const struct touch *touch);

/* Another set of outputs: every touch screen is one of them. */
void touch_map(struct touch *touch);

/* A client asks for it: the only finger, for which it got this serial, drags its window, or
 * pulls at its edges, and no longer is the client's. False where that is not so. */
bool touch_begin_move(struct touch *touch, struct window *window, uint32_t serial);
bool touch_begin_resize(
	struct touch *touch, struct window *window, uint32_t edges, uint32_t serial);

void touch_window_gone(struct touch *touch, struct window *window);

#endif
