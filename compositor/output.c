#include "output.h"

#include <stdlib.h>
#include <time.h>
#include <wlr/backend/headless.h>
#include <wlr/backend/wayland.h>
#include <wlr/config.h>
#include <wlr/types/wlr_output.h>
#include <wlr/types/wlr_output_layout.h>
#if WLR_HAS_X11_BACKEND
#include <wlr/backend/x11.h>
#endif

#include "log.h"
#include "pixels.h"
#include "screenshot.h"
#include "seat.h"
#include "server.h"
#include "window.h"

#define HEADLESS_REFRESH 60000 // mHz

static void handle_frame(struct wl_listener *listener, void *data) {
	struct output *output = wl_container_of(listener, output, frame);
	wlr_scene_output_commit(output->scene, NULL);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	wlr_scene_output_send_frame_done(output->scene, &now);
}

/* Everything that depends on where and how large the outputs are. */
static void arrange(struct output *output) {
	struct wlr_box box;
	if (output->background == NULL || !output_box(output, &box)) {
		return;
	}
	wlr_scene_node_set_position(&output->background->node, box.x, box.y);
	wlr_scene_rect_set_size(output->background, box.width, box.height);
	struct window *window = window_fullscreen_on(output->server, output);
	if (window != NULL) {
		window_refit(window);
	}
	window_output_changed(output->server, output);
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct output *output = wl_container_of(listener, output, commit);
	struct wlr_output_event_commit *event = data;
	if ((event->state->committed &
		    (WLR_OUTPUT_STATE_MODE | WLR_OUTPUT_STATE_SCALE |
			    WLR_OUTPUT_STATE_TRANSFORM)) != 0) {
		arrange(output);
	}
	if ((event->state->committed & WLR_OUTPUT_STATE_BUFFER) != 0) {
		screenshot_output_committed(output, event->state->buffer);
	}
}

/* A nested output follows its window. */
static void handle_request_state(struct wl_listener *listener, void *data) {
	struct output *output = wl_container_of(listener, output, request_state);
	const struct wlr_output_event_request_state *event = data;
	if (wlr_output_test_state(output->wlr, event->state)) {
		wlr_output_commit_state(output->wlr, event->state);
	}
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct output *output = wl_container_of(listener, output, destroy);
	struct server *server = output->server;
	wl_list_remove(&output->frame.link);
	wl_list_remove(&output->commit.link);
	wl_list_remove(&output->request_state.link);
	wl_list_remove(&output->destroy.link);
	wl_list_remove(&output->link);
	// Now, not when the layout hears of it: nothing may find this output any more.
	wlr_output_layout_remove(server->output_layout, output->wlr);
	screenshot_output_gone(output);
	if (output->background != NULL) {
		wlr_scene_node_destroy(&output->background->node);
	}
	log_debug("output %s has gone", output->wlr->name);
	bool nested = wlr_output_is_wl(output->wlr);
#if WLR_HAS_X11_BACKEND
	nested = nested || wlr_output_is_x11(output->wlr);
#endif
	window_output_gone(server, output);
	seat_output_gone(server->seat);
	free(output);
	server_changed(server);
	if (nested && wl_list_empty(&server->outputs)) {
		server_window_closed(server);
	}
}

static bool is_virtual(struct wlr_output *wlr) {
#if WLR_HAS_X11_BACKEND
	if (wlr_output_is_x11(wlr)) {
		return true;
	}
#endif
	return wlr_output_is_headless(wlr) || wlr_output_is_wl(wlr);
}

/* The screen's own mode of that size with the highest refresh rate, or the one wanted. */
static struct wlr_output_mode *find_mode(
	struct wlr_output *wlr, const struct config_output *wanted) {
	struct wlr_output_mode *mode, *best = NULL;
	int64_t refresh = wanted->refresh > 0 ? wanted->refresh : INT32_MAX;
	wl_list_for_each (mode, &wlr->modes, link) {
		if (wanted->width > 0 &&
			(mode->width != (int)wanted->width ||
				mode->height != (int)wanted->height)) {
			continue;
		}
		if (best == NULL ||
			llabs(mode->refresh - refresh) < llabs(best->refresh - refresh)) {
			best = mode;
		}
	}
	return best;
}

/* Headless and nested outputs have whatever mode they are told. */
static void set_virtual_mode(const struct config_host *host, struct wlr_output *wlr,
	const struct config_output *wanted, struct wlr_output_state *state) {
	bool sized = wanted->width > 0;
	int width = (int)(sized ? wanted->width : host->output_width);
	int height = (int)(sized ? wanted->height : host->output_height);
	// Nested outputs take the refresh rate of the session around us.
	int refresh = wlr_output_is_headless(wlr) ? HEADLESS_REFRESH : 0;
	if (wanted->refresh > 0 && wlr_output_is_headless(wlr)) {
		refresh = (int)wanted->refresh;
	}
	if (width > 0 && height > 0) {
		wlr_output_state_set_custom_mode(state, width, height, refresh);
	}
}

static struct wlr_output_mode *choose_mode(
	struct wlr_output *wlr, const struct config_output *wanted) {
	struct wlr_output_mode *mode = wlr_output_preferred_mode(wlr);
	if (mode == NULL || (wanted->width == 0 && wanted->refresh == 0)) {
		return mode;
	}
	struct config_output like = *wanted;
	if (like.width == 0) {
		like.width = (uint32_t)mode->width;
		like.height = (uint32_t)mode->height;
	}
	struct wlr_output_mode *found = find_mode(wlr, &like);
	if (found == NULL) {
		log_warning("output %s has no mode of %ux%u: it gets %dx%d", wlr->name, like.width,
			like.height, mode->width, mode->height);
	}
	return found != NULL ? found : mode;
}

static bool switch_on(struct server *server, struct wlr_output *wlr) {
	const struct config_host *host = &server->config.host;
	const struct config_output wanted = config_find_output(host, wlr->name);
	const float scale = (float)wanted.scale / CONFIG_SCALE;
	struct wlr_output_state state;
	wlr_output_state_init(&state);
	wlr_output_state_set_enabled(&state, true);
	wlr_output_state_set_scale(&state, scale);
	struct wlr_output_mode *mode = choose_mode(wlr, &wanted);
	if (mode != NULL) {
		wlr_output_state_set_mode(&state, mode);
	} else if (is_virtual(wlr)) {
		set_virtual_mode(host, wlr, &wanted, &state);
	}
	bool done = wlr_output_commit_state(wlr, &state);
	wlr_output_state_finish(&state);
	if (done || mode == NULL) {
		return done;
	}
	// Not every screen can do what it prefers.
	wl_list_for_each (mode, &wlr->modes, link) {
		wlr_output_state_init(&state);
		wlr_output_state_set_enabled(&state, true);
		wlr_output_state_set_scale(&state, scale);
		wlr_output_state_set_mode(&state, mode);
		done = wlr_output_commit_state(wlr, &state);
		wlr_output_state_finish(&state);
		if (done) {
			return true;
		}
	}
	return false;
}

/* Into the layout and the scene; false without memory. */
static bool add_to_layout(struct output *output) {
	struct server *server = output->server;
	const struct config_colour *colour = &server->config.host.background;
	const float rgba[4] = {
		colour->red / 255.0f, colour->green / 255.0f, colour->blue / 255.0f, 1};
	output->background = wlr_scene_rect_create(server->layers[LAYER_BACKGROUND], 0, 0, rgba);
	output->scene = wlr_scene_output_create(server->scene, output->wlr);
	struct wlr_output_layout_output *place =
		wlr_output_layout_add_auto(server->output_layout, output->wlr);
	if (output->background == NULL || output->scene == NULL || place == NULL) {
		return false;
	}
	wlr_scene_output_layout_add_output(server->scene_layout, place, output->scene);
	return true;
}

/* The layout knows no part of a pixel: the last ones of such a screen stay black. */
static void tell_of_a_rest(struct output *output) {
	struct wlr_box box;
	if (!output_box(output, &box)) {
		return;
	}
	int width, height;
	wlr_output_transformed_resolution(output->wlr, &width, &height);
	struct wlr_box pixels = output_pixels(output, &box);
	if (pixels.width != width || pixels.height != height) {
		log_info(
			"output %s: %dx%d cannot be divided by its scale %g: a guest in full screen gets %dx%d",
			output->wlr->name, width, height, (double)output->wlr->scale, pixels.width,
			pixels.height);
	}
}

void output_handle_new(struct wl_listener *listener, void *data) {
	struct server *server = wl_container_of(listener, server, new_output);
	struct wlr_output *wlr = data;
	if (wlr->non_desktop) {
		return;
	}
	struct output *output = calloc(1, sizeof(*output));
	if (output == NULL || !wlr_output_init_render(wlr, server->allocator, server->renderer)) {
		free(output);
		log_error("output %s cannot be drawn on", wlr->name);
		return;
	}
	if (!switch_on(server, wlr)) {
		log_error("output %s takes none of its modes: it stays off", wlr->name);
		free(output);
		return;
	}
	output->server = server;
	output->wlr = wlr;
	wlr->data = output;
	output->frame.notify = handle_frame;
	wl_signal_add(&wlr->events.frame, &output->frame);
	output->commit.notify = handle_commit;
	wl_signal_add(&wlr->events.commit, &output->commit);
	output->request_state.notify = handle_request_state;
	wl_signal_add(&wlr->events.request_state, &output->request_state);
	output->destroy.notify = handle_destroy;
	wl_signal_add(&wlr->events.destroy, &output->destroy);
	wl_list_insert(server->outputs.prev, &output->link);
	if (!add_to_layout(output)) {
		log_error("output %s: no memory", wlr->name);
		wlr_output_destroy(wlr);
		return;
	}
	if (wlr_output_is_wl(wlr)) {
		wlr_wl_output_set_title(wlr, "mullion");
		wlr_wl_output_set_app_id(wlr, "mullion");
	}
	arrange(output);
	tell_of_a_rest(output);
	seat_output_added(server->seat, output);
	window_output_added(server);
	log_debug("output %s: %dx%d", wlr->name, wlr->width, wlr->height);
	server_changed(server);
}

bool output_box(struct output *output, struct wlr_box *ret_box) {
	wlr_output_layout_get_box(output->server->output_layout, output->wlr, ret_box);
	return !wlr_box_empty(ret_box);
}

float output_scale(const struct output *output) {
	return output != NULL ? output->wlr->scale : 1;
}

struct wlr_box output_pixels(struct output *output, const struct wlr_box *box) {
	const float scale = output_scale(output);
	struct wlr_box area = {0};
	if (output != NULL) {
		output_box(output, &area);
	}
	int x = box->x - area.x, y = box->y - area.y;
	return (struct wlr_box){
		.x = pixels_covered(0, x, scale),
		.y = pixels_covered(0, y, scale),
		.width = pixels_covered(x, box->width, scale),
		.height = pixels_covered(y, box->height, scale),
	};
}

void output_point(struct output *output, double lx, double ly, double *ret_x, double *ret_y) {
	const double scale = (double)output_scale(output);
	struct wlr_box area = {0};
	if (output != NULL) {
		output_box(output, &area);
	}
	*ret_x = (lx - area.x) * scale;
	*ret_y = (ly - area.y) * scale;
}

struct output *output_at(struct server *server, double lx, double ly) {
	struct wlr_output *wlr = wlr_output_layout_output_at(server->output_layout, lx, ly);
	if (wlr != NULL) {
		return wlr->data;
	}
	if (wl_list_empty(&server->outputs)) {
		return NULL;
	}
	struct output *first = wl_container_of(server->outputs.next, first, link);
	return first;
}

struct output *output_focused(struct server *server) {
	double x, y;
	seat_pointer_place(server->seat, &x, &y);
	return output_at(server, x, y);
}
