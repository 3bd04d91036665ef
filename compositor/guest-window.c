#include "guest-window.h"

#include <pixman.h>
#include <stdlib.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>

#include "guest-desktop.h"
#include "guest.h"
#include "mullion-guest-v1-protocol.h"
#include "output.h"
#include "placement.h"
#include "server.h"
#include "session-keep.h"
#include "session-state.h"
#include "window.h"
#include "wlr-compat.h"

#define DEFAULT_WIDTH 1024
#define DEFAULT_HEIGHT 768

struct guest_window {
	struct window base;
	struct wlr_scene_buffer *picture;
	int mode_width, mode_height; // of the last picture, 0 before the first
	bool stale;                  // the picture is of a device that has gone
	bool opaque;                 // the picture is
	struct wl_listener frame_done, output_sample, outputs_update;
};

static struct guest_window *from_base(struct window *base) {
	struct guest_window *window = wl_container_of(base, window, base);
	return window;
}

struct window *guest_window_base(struct guest_window *window) {
	return &window->base;
}

static struct wlr_surface *surface_of(struct guest_window *window) {
	struct guest_desktop *desktop = window->base.guest->desktop;
	return desktop != NULL ? guest_desktop_surface(desktop) : NULL;
}

static struct wlr_surface *impl_surface(struct window *base) {
	struct wlr_surface *surface = surface_of(from_base(base));
	return surface != NULL && surface->mapped ? surface : NULL;
}

/*
 * The scene's own lock must not stop wlroots from updating the surface's texture in place,
 * or a GPU would get every frame whole.
 */
static void set_picture(
	struct guest_window *window, struct wlr_buffer *buffer, const pixman_region32_t *damage) {
	if (window->picture->buffer != NULL) {
		wlr_client_buffer_ignore_lock_compat(window->picture->buffer, -1);
	}
	if (buffer != NULL) {
		wlr_client_buffer_ignore_lock_compat(buffer, 1);
	}
	wlr_scene_buffer_set_buffer_with_damage(window->picture, buffer, damage);
}

/* How the picture is scaled, and what it hides. */
static void update_picture(struct guest_window *window, int width, int height) {
	bool exact = width == window->mode_width && height == window->mode_height;
	bool nearest = exact || window->base.server->config.host.filter == CONFIG_FILTER_NEAREST;
	wlr_scene_buffer_set_dest_size(window->picture, width, height);
	wlr_scene_buffer_set_filter_mode(
		window->picture, nearest ? WLR_SCALE_FILTER_NEAREST : WLR_SCALE_FILTER_BILINEAR);
	struct wlr_surface *surface = surface_of(window);
	if (surface != NULL && surface->mapped) {
		pixman_box32_t all = {.x2 = surface->current.width, .y2 = surface->current.height};
		window->opaque = pixman_region32_contains_rectangle(
					 &surface->opaque_region, &all) == PIXMAN_REGION_IN;
	}
	bool opaque = window->opaque && window->picture->buffer != NULL;
	pixman_region32_t region;
	pixman_region32_init_rect(&region, 0, 0, opaque ? width : 0, opaque ? height : 0);
	wlr_scene_buffer_set_opaque_region(window->picture, &region);
	pixman_region32_fini(&region);
	frame_set_ground(&window->base.frame, !opaque);
}

static bool impl_resize(struct window *base, int width, int height) {
	struct guest_window *window = from_base(base);
	update_picture(window, width, height);
	if (base->guest->desktop != NULL) {
		guest_desktop_configure(base->guest->desktop, width, height);
	}
	return true;
}

static struct wlr_box impl_fit(struct window *base, const struct wlr_box *output) {
	struct guest_window *window = from_base(base);
	struct place area = {output->x, output->y, output->width, output->height};
	int width = window->mode_width > 0 ? window->mode_width : base->box.width;
	int height = window->mode_height > 0 ? window->mode_height : base->box.height;
	struct place place = placement_centre(&area, width, height);
	return (struct wlr_box){place.x, place.y, place.width, place.height};
}

static void impl_focused(struct window *base, bool focused) {
}

static void impl_fullscreen(struct window *base, bool fullscreen) {
}

static void impl_close(struct window *base) {
	guest_close(base->guest);
}

static const struct window_impl impl = {
	.surface = impl_surface,
	.resize = impl_resize,
	.fit = impl_fit,
	.focused = impl_focused,
	.fullscreen = impl_fullscreen,
	.close = impl_close,
};

static void handle_frame_done(struct wl_listener *listener, void *data) {
	struct guest_window *window = wl_container_of(listener, window, frame_done);
	struct wlr_surface *surface = surface_of(window);
	if (surface != NULL) {
		wlr_surface_send_frame_done(surface, wlr_frame_done_time_compat(data));
	}
}

static void handle_output_sample(struct wl_listener *listener, void *data) {
	struct guest_window *window = wl_container_of(listener, window, output_sample);
	const struct wlr_scene_output_sample_event *event = data;
	struct wlr_surface *surface = surface_of(window);
	if (surface == NULL || window->picture->primary_output != event->output) {
		return;
	}
	if (event->direct_scanout) {
		wlr_presentation_surface_scanned_out_on_output(surface, event->output->output);
	} else {
		wlr_presentation_surface_textured_on_output(surface, event->output->output);
	}
}

static void handle_outputs_update(struct wl_listener *listener, void *data) {
	struct guest_window *window = wl_container_of(listener, window, outputs_update);
	server_changed(window->base.server);
}

void guest_window_update_visibility(struct guest_window *window) {
	struct guest *guest = window->base.guest;
	if (guest->desktop == NULL) {
		return;
	}
	uint32_t visibility = MULLION_DESKTOP_V1_VISIBILITY_VISIBLE;
	if (window->base.fullscreen != NULL) {
		visibility = MULLION_DESKTOP_V1_VISIBILITY_FULLSCREEN;
	} else if (window->picture->buffer != NULL && window->picture->primary_output == NULL) {
		visibility = MULLION_DESKTOP_V1_VISIBILITY_HIDDEN;
	}
	guest_desktop_set_visibility(guest->desktop, visibility);
}

/* The initial size: the preferred mode of its file, as far as the screen allows. */
static void initial_size(struct guest_window *window, int width, int height) {
	struct server *server = window->base.server;
	struct output *output =
		window->base.placed ? window_output(&window->base) : output_focused(server);
	struct wlr_box area;
	if (output != NULL && output_box(output, &area)) {
		const struct frame_style *style = &server->frame_style;
		placement_shrink(area.width - 2 * style->border,
			area.height - style->title - style->border, &width, &height);
	}
	window->base.box.width = width;
	window->base.box.height = height;
}

/* A guest that starts again gets its window where the user had put it; one that a session
 * before us showed, exactly where it was. */
static void restore_place(struct guest_window *window) {
	const struct guest *guest = window->base.guest;
	struct wlr_box *box = &window->base.box;
	if (session_keep_expected(guest->server->keep, guest) != NULL) {
		window_restore(&window->base, guest->place, guest->moved, guest->sized);
		return;
	}
	if (guest->sized) {
		box->width = guest->place.width;
		box->height = guest->place.height;
		window->base.sized = true;
	}
	if (guest->moved) {
		window_move(&window->base, guest->place.x, guest->place.y);
	}
}

struct guest_window *guest_window_create(struct guest *guest) {
	struct guest_window *window = calloc(1, sizeof(*window));
	if (window == NULL) {
		return NULL;
	}
	window->base.guest = guest;
	if (!window_init(&window->base, guest->server, &impl) ||
		(window->picture = wlr_scene_buffer_create(window->base.content, NULL)) == NULL) {
		window_finish(&window->base);
		free(window);
		return NULL;
	}
	window->frame_done.notify = handle_frame_done;
	wl_signal_add(&window->picture->events.frame_done, &window->frame_done);
	window->output_sample.notify = handle_output_sample;
	wl_signal_add(&window->picture->events.output_sample, &window->output_sample);
	window->outputs_update.notify = handle_outputs_update;
	wl_signal_add(&window->picture->events.outputs_update, &window->outputs_update);
	const struct config_guest *config = config_find_guest(&guest->server->config, guest->name);
	initial_size(window,
		config != NULL && config->width > 0 ? (int)config->width : DEFAULT_WIDTH,
		config != NULL && config->height > 0 ? (int)config->height : DEFAULT_HEIGHT);
	restore_place(window);
	guest->window = window;
	guest_describe(guest);
	struct output *output = output_focused(guest->server);
	bool alone = output != NULL && window_fullscreen_on(guest->server, output) != NULL;
	struct session_keep *keep = guest->server->keep;
	window_map(&window->base, !alone && !session_keep_busy(keep));
	session_keep_restore(keep, &window->base);
	if (guest->desktop != NULL) {
		guest_window_set_desktop(window, guest->desktop);
	}
	return window;
}

void guest_window_destroy(struct guest_window *window) {
	if (window == NULL) {
		return;
	}
	struct guest *guest = window->base.guest;
	guest->window = NULL;
	guest->place = window->base.box;
	guest->moved = window->base.moved;
	guest->sized = window->base.sized;
	set_picture(window, NULL, NULL);
	wl_list_remove(&window->frame_done.link);
	wl_list_remove(&window->output_sample.link);
	wl_list_remove(&window->outputs_update.link);
	window_finish(&window->base);
	free(window);
}

static void show_nothing(struct guest_window *window) {
	set_picture(window, NULL, NULL);
	window->stale = false;
	frame_set_ground(&window->base.frame, true);
	window_surface_changed(&window->base);
}

/* The scene's lock on the buffer keeps the device's memory for as long as that takes. */
static void keep_picture(struct guest_window *window) {
	const struct guest *guest = window->base.guest;
	if (guest->state != GUEST_RUNNING || guest->reason != NULL) {
		show_nothing(window);
		return;
	}
	window->stale = window->picture->buffer != NULL;
	window_surface_changed(&window->base);
}

void guest_window_drop_stale(struct guest_window *window) {
	if (window->stale) {
		show_nothing(window);
	}
}

void guest_window_set_desktop(struct guest_window *window, struct guest_desktop *desktop) {
	if (desktop == NULL) {
		keep_picture(window);
		return;
	}
	guest_desktop_configure(desktop, window->base.shown.width, window->base.shown.height);
	guest_window_committed(window);
	guest_window_update_visibility(window);
}

/* A window that nobody sized has the size of the guest's mode. */
static void follow_mode(struct guest_window *window) {
	struct window *base = &window->base;
	if (base->sized || window->mode_width == 0) {
		return;
	}
	struct wlr_box old = base->box;
	initial_size(window, window->mode_width, window->mode_height);
	int width = base->box.width, height = base->box.height;
	base->box = old;
	if (base->fullscreen != NULL) {
		base->box.width = width;
		base->box.height = height;
	} else {
		window_content_resized(base, width, height);
		impl_resize(base, base->box.width, base->box.height);
	}
}

void guest_window_output_changed(struct guest_window *window) {
	follow_mode(window);
}

static void mode_changed(struct guest_window *window, int width, int height) {
	window->mode_width = width;
	window->mode_height = height;
	follow_mode(window);
	if (window->base.fullscreen != NULL) {
		window_refit(&window->base);
	}
}

void guest_window_committed(struct guest_window *window) {
	struct wlr_surface *surface = surface_of(window);
	if (surface == NULL) {
		return;
	}
	if (surface->buffer == NULL) {
		// A device that has just come has not drawn yet.
		if (window->picture->buffer != NULL && !window->stale) {
			show_nothing(window);
		}
		return;
	}
	bool first = window->picture->buffer == NULL || window->stale;
	window->stale = false;
	bool new_mode = surface->current.width != window->mode_width ||
		surface->current.height != window->mode_height;
	if ((surface->current.committed & WLR_SURFACE_STATE_BUFFER) != 0 || first) {
		set_picture(window, &surface->buffer->base, first ? NULL : &surface->buffer_damage);
		window->base.guest->frames++;
	}
	if (new_mode) {
		mode_changed(window, surface->current.width, surface->current.height);
	}
	if (new_mode || first) {
		impl_resize(&window->base, window->base.shown.width, window->base.shown.height);
		window_surface_changed(&window->base);
	}
	// Also without damage a frame callback wants an answer.
	if (!wl_list_empty(&surface->current.frame_callback_list) &&
		window->picture->primary_output != NULL) {
		wlr_output_schedule_frame(window->picture->primary_output->output);
	}
}

struct wlr_buffer *guest_window_picture(const struct guest_window *window) {
	return window->picture->buffer;
}

void guest_window_mode(struct guest_window *window, int *ret_width, int *ret_height) {
	*ret_width = window->mode_width;
	*ret_height = window->mode_height;
}

struct wlr_surface *guest_window_point(struct window *base, double lx, double ly, double *ret_x,
	double *ret_y, double *ret_scale_x, double *ret_scale_y) {
	struct wlr_surface *surface = impl_surface(base);
	if (surface == NULL || base->shown.width <= 0 || base->shown.height <= 0) {
		return NULL;
	}
	*ret_scale_x = (double)surface->current.width / base->shown.width;
	*ret_scale_y = (double)surface->current.height / base->shown.height;
	*ret_x = (lx - base->shown.x) * *ret_scale_x;
	*ret_y = (ly - base->shown.y) * *ret_scale_y;
	return surface;
}
