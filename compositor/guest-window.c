#include "guest-window.h"

#include <math.h>
#include <pixman.h>
#include <stdlib.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_scene.h>

#include "guest-desktop.h"
#include "guest.h"
#include "mullion-guest-v1-protocol.h"
#include "output.h"
#include "pixels.h"
#include "placement.h"
#include "server.h"
#include "session-keep.h"
#include "session-state.h"
#include "window.h"
#include "wlr-compat.h"

#define DEFAULT_WIDTH 1024
#define DEFAULT_HEIGHT 768
#define SCALE_UNIT 120 // of mullion_desktop_v1.configure

struct guest_window {
	struct window base;
	struct wlr_scene_buffer *picture;
	int prefer_width, prefer_height; // the mode that its file asks for
	bool prefer_pixels;              // in pixels, and not in those of the layout
	int mode_width, mode_height;     // of the last picture, 0 before the first
	bool stale;                      // the picture is of a device that has gone
	bool opaque;                     // the picture is
	bool exact;                      // it has the size of the window, pixel by pixel
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
	struct guest_desktop *desktop = window->base.head->desktop;
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
static void update_picture(struct guest_window *window, const struct wlr_box *shown) {
	int width = shown->width, height = shown->height;
	struct wlr_box pixels = output_pixels(window_output(&window->base), shown);
	window->exact = pixels.width == window->mode_width && pixels.height == window->mode_height;
	bool nearest =
		window->exact || window->base.server->config.host.filter == CONFIG_FILTER_NEAREST;
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

void guest_window_shown(struct guest_window *window) {
	update_picture(window, &window->base.shown);
}

/* Nobody is asked: the picture is scaled as it is shown. */
static bool impl_resize(struct window *base, int width, int height) {
	return true;
}

/* Whether the guest has the mode that it was asked for because it has a screen for itself. */
static bool fills_screen(const struct guest_window *window) {
	struct output *output = window->base.fullscreen;
	struct wlr_box area;
	if (output == NULL || !output_box(output, &area)) {
		return false;
	}
	struct wlr_box pixels = output_pixels(output, &area);
	return window->mode_width == pixels.width && window->mode_height == pixels.height;
}

static struct wlr_box impl_fit(struct window *base, const struct wlr_box *output) {
	struct guest_window *window = from_base(base);
	if (fills_screen(window)) {
		return *output;
	}
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
	guest_close(base->head->guest);
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
		window->base.head->direct++;
		wlr_presentation_surface_scanned_out_on_output(surface, event->output->output);
	} else {
		wlr_presentation_surface_textured_on_output(surface, event->output->output);
	}
}

static void handle_outputs_update(struct wl_listener *listener, void *data) {
	struct guest_window *window = wl_container_of(listener, window, outputs_update);
	server_changed(window->base.server);
}

/* What of an output a window's content has room for; false where there is no output. */
static bool find_room(
	const struct guest_window *window, struct output *output, struct wlr_box *ret_box) {
	const struct frame_style *style = &window->base.server->frame_style;
	if (output == NULL || !output_box(output, ret_box)) {
		return false;
	}
	ret_box->width -= 2 * style->border;
	ret_box->height -= style->title + style->border;
	return true;
}

/* The largest mode of this aspect that a window on the output has room for, in its pixels. */
static void fit_mode(
	const struct guest_window *window, struct output *output, int *width, int *height) {
	struct wlr_box room;
	if (find_room(window, output, &room)) {
		struct wlr_box pixels = output_pixels(output, &room);
		placement_shrink(pixels.width, pixels.height, width, height);
	}
}

/*
 * The mode of a window that nobody sized. One that its guest's file asks for is meant in pixels;
 * else the window is to be equally large on every screen, and has all of its pixels.
 */
static void preferred_mode(
	const struct guest_window *window, struct output *output, int *ret_width, int *ret_height) {
	struct wlr_box room;
	*ret_width = window->prefer_width;
	*ret_height = window->prefer_height;
	if (window->prefer_pixels) {
		fit_mode(window, output, ret_width, ret_height);
	} else if (find_room(window, output, &room)) {
		const float scale = output_scale(output);
		placement_shrink(room.width, room.height, ret_width, ret_height);
		*ret_width = pixels_wanted(*ret_width, 0, scale);
		*ret_height = pixels_wanted(*ret_height, 0, scale);
	}
}

/*
 * What the guest is asked to set: what the user chose, the whole of a screen, and else not
 * what the window happens to have (a boot loader's mode, say) but what is preferred.
 */
static void send_configure(struct guest_window *window) {
	struct window *base = &window->base;
	struct output *output = window_output(base);
	const float scale = output_scale(output);
	struct wlr_box area;
	int width, height;
	if (base->fullscreen != NULL && output_box(base->fullscreen, &area)) {
		struct wlr_box pixels = output_pixels(output, &area);
		width = pixels.width;
		height = pixels.height;
	} else if (base->sized) {
		width = pixels_wanted(base->box.width, 0, scale);
		height = pixels_wanted(base->box.height, 0, scale);
	} else {
		preferred_mode(window, output, &width, &height);
	}
	int refresh = output != NULL ? output->wlr->refresh : 0;
	guest_desktop_configure(base->head->desktop,
		&(struct guest_desktop_size){
			.width = (uint32_t)width,
			.height = (uint32_t)height,
			.refresh = refresh > 0 ? (uint32_t)refresh : 0,
			.scale = (uint32_t)lroundf(scale * SCALE_UNIT),
		});
}

static void send_visibility(struct guest_window *window) {
	uint32_t visibility = MULLION_DESKTOP_V1_VISIBILITY_VISIBLE;
	if (window->base.fullscreen != NULL) {
		visibility = MULLION_DESKTOP_V1_VISIBILITY_FULLSCREEN;
	} else if (window->picture->buffer != NULL && window->picture->primary_output == NULL) {
		visibility = MULLION_DESKTOP_V1_VISIBILITY_HIDDEN;
	}
	guest_desktop_set_visibility(window->base.head->desktop, visibility);
}

void guest_window_update(struct guest_window *window) {
	if (window->base.head->desktop != NULL) {
		send_configure(window);
		send_visibility(window);
	}
}

/* The size of a window that shows this mode, as far as the screen allows. */
static void size_for_mode(
	struct guest_window *window, struct output *output, int width, int height) {
	struct window *base = &window->base;
	const double scale = (double)output_scale(output);
	fit_mode(window, output, &width, &height);
	base->box.width = (int)lround(width / scale);
	base->box.height = (int)lround(height / scale);
}

static void size_before_the_first_picture(struct guest_window *window) {
	struct output *output = output_focused(window->base.server);
	int width, height;
	preferred_mode(window, output, &width, &height);
	size_for_mode(window, output, width, height);
}

/* A guest that starts again gets its window where the user had put it; one that a session
 * before us showed, exactly where it was. */
static void restore_place(struct guest_window *window) {
	const struct guest_head *head = window->base.head;
	struct wlr_box *box = &window->base.box;
	if (session_keep_expected(window->base.server->keep, head) != NULL) {
		window_restore(&window->base, head->place, head->moved, head->sized);
		return;
	}
	if (head->sized) {
		box->width = head->place.width;
		box->height = head->place.height;
		window->base.sized = true;
	}
	if (head->moved) {
		window_move(&window->base, head->place.x, head->place.y);
	}
}

/* Only a guest's first window takes the focus, and only where no other one has the screen. */
static void map(struct guest_window *window) {
	struct server *server = window->base.server;
	struct guest_head *head = window->base.head;
	struct session_keep *keep = server->keep;
	struct output *output = output_focused(server);
	bool alone = output != NULL && window_fullscreen_on(server, output) != NULL;
	window_map(&window->base, head->number == 0 && !alone && !session_keep_busy(keep));
	if (head->number > 0) {
		struct guest_window *first = head->guest->heads[0].window;
		if (first != NULL && first->base.mapped) {
			window_stack_behind(&window->base, &first->base);
		}
	}
	session_keep_restore(keep, &window->base);
}

static void read_preferred_mode(struct guest_window *window) {
	const struct config_guest *config =
		config_find_guest(&window->base.server->config, window->base.head->guest->name);
	bool set = config != NULL && config->width > 0 && config->height > 0;
	window->prefer_width = set ? (int)config->width : DEFAULT_WIDTH;
	window->prefer_height = set ? (int)config->height : DEFAULT_HEIGHT;
	window->prefer_pixels = set && !config->follow;
}

void guest_window_create(struct guest_head *head) {
	struct guest_window *window = calloc(1, sizeof(*window));
	if (window == NULL) {
		return;
	}
	window->base.head = head;
	if (!window_init(&window->base, head->guest->server, &impl) ||
		(window->picture = wlr_scene_buffer_create(window->base.content, NULL)) == NULL) {
		window_finish(&window->base);
		free(window);
		return;
	}
	window->frame_done.notify = handle_frame_done;
	wl_signal_add(&window->picture->events.frame_done, &window->frame_done);
	window->output_sample.notify = handle_output_sample;
	wl_signal_add(&window->picture->events.output_sample, &window->output_sample);
	window->outputs_update.notify = handle_outputs_update;
	wl_signal_add(&window->picture->events.outputs_update, &window->outputs_update);
	read_preferred_mode(window);
	size_before_the_first_picture(window);
	restore_place(window);
	head->window = window;
	guest_describe(head->guest);
	if (head->number == 0) {
		map(window);
	}
	if (head->desktop != NULL) {
		guest_window_desktop_changed(window);
	}
}

void guest_window_destroy(struct guest_window *window) {
	if (window == NULL) {
		return;
	}
	struct guest_head *head = window->base.head;
	head->window = NULL;
	head->place = window->base.box;
	head->moved = window->base.moved;
	head->sized = window->base.sized;
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
	if (window->base.head->number > 0) {
		window_unmap(&window->base);
	}
}

/* The scene's lock on the buffer keeps the device's memory for as long as that takes. */
static void keep_picture(struct guest_window *window) {
	const struct guest *guest = window->base.head->guest;
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

void guest_window_desktop_changed(struct guest_window *window) {
	if (window->base.head->desktop == NULL) {
		keep_picture(window);
		return;
	}
	guest_window_update(window);
	guest_window_committed(window);
}

/* A window that nobody sized has the size of the guest's mode. */
static void follow_mode(struct guest_window *window) {
	struct window *base = &window->base;
	if (base->sized || window->mode_width == 0 || fills_screen(window)) {
		return;
	}
	struct wlr_box old = base->box;
	size_for_mode(window, base->placed ? window_output(base) : output_focused(base->server),
		window->mode_width, window->mode_height);
	int width = base->box.width, height = base->box.height;
	base->box = old;
	if (base->fullscreen != NULL) {
		base->box.width = width;
		base->box.height = height;
	} else {
		window_content_resized(base, width, height);
	}
}

void guest_window_output_changed(struct guest_window *window) {
	follow_mode(window);
}

static void mode_changed(struct guest_window *window, int width, int height) {
	window->mode_width = width;
	window->mode_height = height;
	follow_mode(window);
	window_refresh(&window->base);
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
		window->base.head->frames++;
	}
	if (new_mode) {
		mode_changed(window, surface->current.width, surface->current.height);
	}
	if (!window->base.mapped) {
		map(window);
	}
	if (new_mode || first) {
		guest_window_shown(window);
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

bool guest_window_exact(const struct guest_window *window) {
	return window->exact;
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
	struct output *output = window_output(base);
	struct wlr_box pixels = output_pixels(output, &base->shown);
	const double across = (double)surface->current.width / pixels.width;
	const double down = (double)surface->current.height / pixels.height;
	const double scale = (double)output_scale(output);
	double x, y;
	output_point(output, lx, ly, &x, &y);
	*ret_scale_x = across * scale;
	*ret_scale_y = down * scale;
	*ret_x = fmax((x - pixels.x) * across, 0);
	*ret_y = fmax((y - pixels.y) * down, 0);
	return surface;
}
