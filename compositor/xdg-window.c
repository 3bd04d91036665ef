#include <stdlib.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_seat.h>
#include <wlr/types/wlr_xdg_decoration_v1.h>
#include <wlr/types/wlr_xdg_shell.h>
#include <wlr/util/edges.h>

#include "output.h"
#include "seat.h"
#include "server.h"
#include "window.h"
#include "wlr-compat.h"
#include "xdg.h"

#define XDG_SHELL_VERSION 5

static const struct config_colour grey = {0x55, 0x57, 0x5c};

struct xdg {
	struct server *server;
	struct wl_listener new_toplevel, new_popup, new_decoration;
};

/* An ordinary client's window. */
struct xdg_window {
	struct window base;
	struct wlr_xdg_toplevel *toplevel;
	struct wlr_scene_tree *tree; // its surfaces, goes with the xdg surface
	bool maximized;
	struct wlr_box restored; // its box before it was maximized

	struct wl_listener map, unmap, commit, destroy;
	struct wl_listener request_move, request_resize, request_maximize, request_fullscreen;
	struct wl_listener request_minimize, set_title;
};

/* Keeps decorations on our side; lives as long as wlroots' object. */
struct xdg_decoration {
	struct wlr_xdg_toplevel_decoration_v1 *wlr;
	struct wl_listener request_mode, surface_commit, destroy;
};

static struct xdg_window *from_base(struct window *base) {
	struct xdg_window *window = wl_container_of(base, window, base);
	return window;
}

static struct wlr_surface *impl_surface(struct window *base) {
	return from_base(base)->toplevel->base->surface;
}

static bool impl_resize(struct window *base, int width, int height) {
	struct xdg_window *window = from_base(base);
	if (!window->toplevel->base->initialized) {
		return true;
	}
	if (base->resize_edges != WLR_EDGE_NONE && !window->toplevel->scheduled.resizing) {
		wlr_xdg_toplevel_set_resizing(window->toplevel, true);
	}
	wlr_xdg_toplevel_set_size(window->toplevel, width, height);
	return false;
}

static struct wlr_box impl_fit(struct window *base, const struct wlr_box *output) {
	return *output;
}

static void impl_focused(struct window *base, bool focused) {
	struct xdg_window *window = from_base(base);
	if (window->toplevel->base->initialized) {
		wlr_xdg_toplevel_set_activated(window->toplevel, focused);
	}
}

static void impl_fullscreen(struct window *base, bool fullscreen) {
	struct xdg_window *window = from_base(base);
	if (window->toplevel->base->initialized) {
		wlr_xdg_toplevel_set_fullscreen(window->toplevel, fullscreen);
	}
}

static void impl_close(struct window *base) {
	wlr_xdg_toplevel_send_close(from_base(base)->toplevel);
}

static const struct window_impl impl = {
	.surface = impl_surface,
	.resize = impl_resize,
	.fit = impl_fit,
	.focused = impl_focused,
	.fullscreen = impl_fullscreen,
	.close = impl_close,
};

void xdg_window_end_resize(struct window *base) {
	if (base->impl != &impl) {
		return;
	}
	wlr_xdg_toplevel_set_resizing(from_base(base)->toplevel, false);
}

static void update_title(struct xdg_window *window) {
	const char *title = window->toplevel->title;
	if (title == NULL || title[0] == '\0') {
		title = window->toplevel->app_id != NULL ? window->toplevel->app_id : "";
	}
	frame_set_title(&window->base.frame, title, NULL);
}

static void set_maximized(struct xdg_window *window, bool maximized) {
	struct window *base = &window->base;
	const struct frame_style *style = &base->server->frame_style;
	struct output *output = window_output(base);
	struct wlr_box area;
	if (window->maximized == maximized || output == NULL || !output_box(output, &area)) {
		return;
	}
	window->maximized = maximized;
	wlr_xdg_toplevel_set_maximized(window->toplevel, maximized);
	struct wlr_box box = window->restored;
	if (maximized) {
		window->restored = base->box;
		box = (struct wlr_box){
			.x = area.x + style->border,
			.y = area.y + style->title,
			.width = area.width - 2 * style->border,
			.height = area.height - style->title - style->border,
		};
	}
	window_move(base, box.x, box.y);
	window_resize(base, box, WLR_EDGE_NONE);
}

static void handle_map(struct wl_listener *listener, void *data) {
	struct xdg_window *window = wl_container_of(listener, window, map);
	struct server *server = window->base.server;
	struct wlr_box geometry = wlr_xdg_surface_geometry_compat(window->toplevel->base);
	window->base.box.width = geometry.width;
	window->base.box.height = geometry.height;
	update_title(window);
	// Nobody pushes in front of a full screen.
	struct output *output = output_focused(server);
	bool alone = output != NULL && window_fullscreen_on(server, output) != NULL;
	window_map(&window->base, !alone);
	if (window->toplevel->requested.fullscreen && !alone) {
		window_set_fullscreen(&window->base, output);
	} else if (window->toplevel->requested.maximized) {
		set_maximized(window, true);
	}
}

static void handle_unmap(struct wl_listener *listener, void *data) {
	struct xdg_window *window = wl_container_of(listener, window, unmap);
	window_unmap(&window->base);
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct xdg_window *window = wl_container_of(listener, window, commit);
	struct wlr_xdg_surface *surface = window->toplevel->base;
	if (surface->initial_commit) {
		wlr_xdg_toplevel_set_wm_capabilities(window->toplevel,
			WLR_XDG_TOPLEVEL_WM_CAPABILITIES_MAXIMIZE |
				WLR_XDG_TOPLEVEL_WM_CAPABILITIES_FULLSCREEN);
		wlr_xdg_toplevel_set_size(window->toplevel, 0, 0);
		return;
	}
	if (!window->base.mapped) {
		return;
	}
	struct wlr_box geometry = wlr_xdg_surface_geometry_compat(surface);
	if (window->base.fullscreen == NULL) {
		window_content_resized(&window->base, geometry.width, geometry.height);
		if (!window->toplevel->current.resizing) {
			window->base.resize_edges = WLR_EDGE_NONE;
		}
	}
}

static void handle_request_move(struct wl_listener *listener, void *data) {
	struct xdg_window *window = wl_container_of(listener, window, request_move);
	struct wlr_xdg_toplevel_move_event *event = data;
	struct seat *seat = window->base.server->seat;
	if (!window->base.mapped) {
		return;
	}
	if (wlr_seat_validate_pointer_grab_serial(seat->wlr, NULL, event->serial)) {
		pointer_begin_move(&seat->pointer, &window->base);
	} else {
		touch_begin_move(&seat->touch, &window->base, event->serial);
	}
}

static void handle_request_resize(struct wl_listener *listener, void *data) {
	struct xdg_window *window = wl_container_of(listener, window, request_resize);
	struct wlr_xdg_toplevel_resize_event *event = data;
	struct seat *seat = window->base.server->seat;
	if (!window->base.mapped) {
		return;
	}
	if (wlr_seat_validate_pointer_grab_serial(seat->wlr, NULL, event->serial)) {
		pointer_begin_resize(&seat->pointer, &window->base, event->edges);
	} else {
		touch_begin_resize(&seat->touch, &window->base, event->edges, event->serial);
	}
}

static void handle_request_maximize(struct wl_listener *listener, void *data) {
	struct xdg_window *window = wl_container_of(listener, window, request_maximize);
	if (window->base.mapped && window->base.fullscreen == NULL) {
		set_maximized(window, window->toplevel->requested.maximized);
	}
	if (window->toplevel->base->initialized) {
		wlr_xdg_surface_schedule_configure(window->toplevel->base);
	}
}

static void handle_request_fullscreen(struct wl_listener *listener, void *data) {
	struct xdg_window *window = wl_container_of(listener, window, request_fullscreen);
	const struct wlr_xdg_toplevel_requested *requested = &window->toplevel->requested;
	if (window->base.mapped) {
		struct output *output = requested->fullscreen_output != NULL
			? requested->fullscreen_output->data
			: window_output(&window->base);
		window_set_fullscreen(&window->base, requested->fullscreen ? output : NULL);
	}
	if (window->toplevel->base->initialized) {
		wlr_xdg_surface_schedule_configure(window->toplevel->base);
	}
}

static void handle_request_minimize(struct wl_listener *listener, void *data) {
	struct xdg_window *window = wl_container_of(listener, window, request_minimize);
	if (window->toplevel->base->initialized) {
		wlr_xdg_surface_schedule_configure(window->toplevel->base);
	}
}

static void handle_set_title(struct wl_listener *listener, void *data) {
	struct xdg_window *window = wl_container_of(listener, window, set_title);
	update_title(window);
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct xdg_window *window = wl_container_of(listener, window, destroy);
	struct wl_listener *listeners[] = {&window->map, &window->unmap, &window->commit,
		&window->destroy, &window->request_move, &window->request_resize,
		&window->request_maximize, &window->request_fullscreen, &window->request_minimize,
		&window->set_title};
	for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++) {
		wl_list_remove(&listeners[i]->link);
	}
	window_finish(&window->base);
	free(window);
}

static void listen(
	struct wl_listener *listener, struct wl_signal *signal, wl_notify_func_t notify) {
	listener->notify = notify;
	wl_signal_add(signal, listener);
}

static void handle_new_toplevel(struct wl_listener *listener, void *data) {
	struct xdg *xdg = wl_container_of(listener, xdg, new_toplevel);
	struct wlr_xdg_toplevel *toplevel = data;
	struct xdg_window *window = calloc(1, sizeof(*window));
	if (window == NULL) {
		wl_resource_post_no_memory(toplevel->resource);
		return;
	}
	window->toplevel = toplevel;
	if (!window_init(&window->base, xdg->server, &impl) ||
		(window->tree = wlr_scene_xdg_surface_create(
			 window->base.content, toplevel->base)) == NULL) {
		window_finish(&window->base);
		free(window);
		wl_resource_post_no_memory(toplevel->resource);
		return;
	}
	toplevel->base->data = window->tree; // for its popups
	frame_set_colour(&window->base.frame, grey, 0);
	frame_set_ground(&window->base.frame, false);
	struct wlr_surface *surface = toplevel->base->surface;
	listen(&window->map, &surface->events.map, handle_map);
	listen(&window->unmap, &surface->events.unmap, handle_unmap);
	listen(&window->commit, &surface->events.commit, handle_commit);
	listen(&window->destroy, &toplevel->events.destroy, handle_destroy);
	listen(&window->request_move, &toplevel->events.request_move, handle_request_move);
	listen(&window->request_resize, &toplevel->events.request_resize, handle_request_resize);
	listen(&window->request_maximize, &toplevel->events.request_maximize,
		handle_request_maximize);
	listen(&window->request_fullscreen, &toplevel->events.request_fullscreen,
		handle_request_fullscreen);
	listen(&window->request_minimize, &toplevel->events.request_minimize,
		handle_request_minimize);
	listen(&window->set_title, &toplevel->events.set_title, handle_set_title);
}

static void decide_mode(struct xdg_decoration *decoration) {
	if (decoration->wlr->toplevel->base->initialized) {
		wlr_xdg_toplevel_decoration_v1_set_mode(
			decoration->wlr, WLR_XDG_TOPLEVEL_DECORATION_V1_MODE_SERVER_SIDE);
	}
}

static void handle_request_mode(struct wl_listener *listener, void *data) {
	struct xdg_decoration *decoration = wl_container_of(listener, decoration, request_mode);
	decide_mode(decoration);
}

static void handle_decoration_commit(struct wl_listener *listener, void *data) {
	struct xdg_decoration *decoration = wl_container_of(listener, decoration, surface_commit);
	if (decoration->wlr->toplevel->base->initial_commit) {
		decide_mode(decoration);
	}
}

static void handle_decoration_destroy(struct wl_listener *listener, void *data) {
	struct xdg_decoration *decoration = wl_container_of(listener, decoration, destroy);
	wl_list_remove(&decoration->request_mode.link);
	wl_list_remove(&decoration->surface_commit.link);
	wl_list_remove(&decoration->destroy.link);
	free(decoration);
}

static void handle_new_decoration(struct wl_listener *listener, void *data) {
	struct wlr_xdg_toplevel_decoration_v1 *wlr = data;
	struct xdg_decoration *decoration = calloc(1, sizeof(*decoration));
	if (decoration == NULL) {
		return;
	}
	decoration->wlr = wlr;
	listen(&decoration->request_mode, &wlr->events.request_mode, handle_request_mode);
	listen(&decoration->surface_commit, &wlr->toplevel->base->surface->events.commit,
		handle_decoration_commit);
	listen(&decoration->destroy, &wlr->events.destroy, handle_decoration_destroy);
	decide_mode(decoration);
}

struct xdg *xdg_create(struct server *server) {
	struct xdg *xdg = calloc(1, sizeof(*xdg));
	struct wlr_xdg_shell *shell = wlr_xdg_shell_create(server->display, XDG_SHELL_VERSION);
	struct wlr_xdg_decoration_manager_v1 *decorations =
		wlr_xdg_decoration_manager_v1_create(server->display);
	if (xdg == NULL || shell == NULL || decorations == NULL) {
		free(xdg);
		return NULL;
	}
	xdg->server = server;
	listen(&xdg->new_toplevel, &shell->events.new_toplevel, handle_new_toplevel);
	listen(&xdg->new_popup, &shell->events.new_popup, xdg_popup_handle_new);
	listen(&xdg->new_decoration, &decorations->events.new_toplevel_decoration,
		handle_new_decoration);
	return xdg;
}

void xdg_destroy(struct xdg *xdg) {
	if (xdg != NULL) {
		wl_list_remove(&xdg->new_toplevel.link);
		wl_list_remove(&xdg->new_popup.link);
		wl_list_remove(&xdg->new_decoration.link);
		free(xdg);
	}
}
