#ifndef COMPOSITOR_OUTPUT_H
#define COMPOSITOR_OUTPUT_H

#include <stdbool.h>
#include <wayland-server-core.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/util/box.h>

struct server;

/* A screen, or a window of the session around us. */
struct output {
	struct server *server;
	struct wl_list link; // server.outputs
	struct wlr_output *wlr;
	struct wlr_scene_output *scene; // goes with wlr
	struct wlr_scene_rect *background;
	struct wl_listener frame, commit, request_state, destroy;
};

/* For backend.events.new_output: switches it on and puts it right of the others. */
void output_handle_new(struct wl_listener *listener, void *data);

/* Its place in the layout; false while it has none. */
bool output_box(struct output *output, struct wlr_box *ret_box);

/* NULL: as one with the scale 1 at the layout's origin. */
float output_scale(const struct output *output);

/* Where a box of the layout is drawn, in the output's pixels from its corner. NULL likewise. */
struct wlr_box output_pixels(struct output *output, const struct wlr_box *box);

/* The same of a point, which is not rounded. */
void output_point(struct output *output, double lx, double ly, double *ret_x, double *ret_y);

/* The output at this point, else the first; NULL where there is none. */
struct output *output_at(struct server *server, double lx, double ly);

/* Where a new window goes: the output with the pointer. */
struct output *output_focused(struct server *server);

#endif
