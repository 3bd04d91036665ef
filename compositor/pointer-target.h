#ifndef COMPOSITOR_POINTER_TARGET_H
#define COMPOSITOR_POINTER_TARGET_H

#include <stdint.h>

#include "frame.h"

struct server;
struct window;
struct wlr_surface;

/* What lies below a point of the layout. */
struct pointer_target {
	struct window *window; // may be NULL
	enum frame_part part;
	uint32_t edges;
	struct wlr_surface *surface; // may be NULL
	double x, y;                 // on the surface
	double scale_x, scale_y;     // surface pixels per layout pixel
};

struct pointer_target pointer_target_at(struct server *server, double lx, double ly);

#endif
