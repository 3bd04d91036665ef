#include "window.h"

#include <stdlib.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/util/edges.h>

#include "guest-window.h"
#include "guest.h"
#include "output.h"
#include "pixels.h"
#include "placement.h"
#include "seat.h"
#include "server.h"

#define REACHABLE 64 // pixels of a title that stay on an output

static const float black[4] = {0.0f, 0.0f, 0.0f, 1.0f};

bool window_init(struct window *window, struct server *server, const struct window_impl *impl) {
	window->impl = impl;
	window->server = server;
	window->tree = wlr_scene_tree_create(server->layers[LAYER_WINDOWS]);
	if (window->tree == NULL) {
		return false;
	}
	window->tree->node.data = window;
	wlr_scene_node_set_enabled(&window->tree->node, false);
	if (!frame_init(&window->frame, window->tree, &server->frame_style)) {
		return false;
	}
	window->content = wlr_scene_tree_create(window->tree);
	return window->content != NULL;
}

void window_finish(struct window *window) {
	if (window->server == NULL) {
		return;
	}
	window_unmap(window);
	frame_finish(&window->frame);
	if (window->tree != NULL) {
		wlr_scene_node_destroy(&window->tree->node);
		window->tree = NULL;
	}
}

/* Not while its guest's window is made or taken apart. */
static bool shows_guest(const struct window *window) {
	return window->head != NULL && window->head->window != NULL;
}

/* The place nearest to a box where its content covers as many pixels as it has. */
static void snap(struct window *window, struct wlr_box *box) {
	struct output *output = window_output(window);
	struct wlr_box area;
	int width = 0, height = 0;
	if (output == NULL || !output_box(output, &area)) {
		return;
	}
	if (shows_guest(window)) {
		guest_window_mode(window->head->window, &width, &height);
	}
	const float scale = output_scale(output);
	width = pixels_wanted(box->width, width, scale);
	height = pixels_wanted(box->height, height, scale);
	box->x = area.x + pixels_snap(box->x - area.x, box->width, width, scale);
	box->y = area.y + pixels_snap(box->y - area.y, box->height, height, scale);
}

/* The content where it is shown, with everything that follows from it. */
static void show_at(struct window *window, struct wlr_box box) {
	snap(window, &box);
	window->shown = box;
	if (shows_guest(window)) {
		guest_window_shown(window->head->window);
	}
	wlr_scene_node_set_position(&window->tree->node, box.x, box.y);
	struct output *output = window_output(window);
	struct wlr_box area;
	if (output != NULL && output_box(output, &area)) {
		box.x -= area.x;
		box.y -= area.y;
	}
	frame_set_box(&window->frame, &box, output_scale(output));
	server_changed(window->server);
}

static struct place outer(const struct window *window, const struct wlr_box *content) {
	const struct frame_style *style = &window->server->frame_style;
	return (struct place){
		.x = content->x - style->border,
		.y = content->y - style->title,
		.width = content->width + 2 * style->border,
		.height = content->height + style->title + style->border,
	};
}

/* A place for a window that the user has not moved: least overlap on its output. */
static void place(struct window *window) {
	struct server *server = window->server;
	struct output *output = window->placed ? window_output(window) : output_focused(server);
	struct wlr_box area;
	if (output == NULL || !output_box(output, &area)) {
		return;
	}
	struct place taken[PLACEMENT_WINDOWS];
	size_t n = 0;
	struct window *other;
	wl_list_for_each (other, &server->windows, link) {
		if (other != window && n < PLACEMENT_WINDOWS) {
			taken[n++] = outer(other, &other->box);
		}
	}
	struct place size = outer(window, &window->box);
	struct place where = {area.x, area.y, area.width, area.height};
	int x, y;
	placement_find(
		&where, taken, n, server->frame_style.title, size.width, size.height, &x, &y);
	window->box.x = x + server->frame_style.border;
	window->box.y = y + server->frame_style.title;
	window->placed = true;
}

void window_map(struct window *window, bool focus) {
	if (window->mapped) {
		return;
	}
	struct server *server = window->server;
	if (!window->placed) {
		place(window);
	}
	window->mapped = true;
	if (focus || wl_list_empty(&server->windows)) {
		wl_list_insert(&server->windows, &window->link);
	} else {
		wl_list_insert(server->windows.prev, &window->link);
		wlr_scene_node_lower_to_bottom(&window->tree->node);
	}
	show_at(window, window->box);
	wlr_scene_node_set_enabled(&window->tree->node, true);
	if (focus) {
		window_focus(window);
	}
}

/* The frontmost of the others takes the keys over. */
static void focus_another(struct window *window) {
	struct server *server = window->server;
	if (server->focused != window) {
		return;
	}
	server->focused = NULL;
	if (!wl_list_empty(&server->windows)) {
		struct window *front = wl_container_of(server->windows.next, front, link);
		window_focus(front);
	} else {
		seat_focus(server->seat, NULL);
	}
}

void window_unmap(struct window *window) {
	if (!window->mapped) {
		return;
	}
	struct server *server = window->server;
	window_set_fullscreen(window, NULL);
	window->mapped = false;
	wl_list_remove(&window->link);
	wlr_scene_node_set_enabled(&window->tree->node, false);
	seat_window_gone(server->seat, window);
	focus_another(window);
	server_changed(server);
}

static void raise_window(struct window *window) {
	wl_list_remove(&window->link);
	wl_list_insert(&window->server->windows, &window->link);
	wlr_scene_node_raise_to_top(&window->tree->node);
}

void window_stack_before(struct window *window, struct window *other) {
	wl_list_remove(&window->link);
	wl_list_insert(other->link.prev, &window->link);
	// Some of those in front may be in another layer, where they stay.
	struct window *each;
	wl_list_for_each_reverse (each, &window->server->windows, link) {
		wlr_scene_node_raise_to_top(&each->tree->node);
	}
	server_changed(window->server);
}

void window_stack_behind(struct window *window, struct window *other) {
	struct wl_list *next = other->link.next;
	if (next == &window->server->windows) {
		// Behind the last one it is the last.
		wl_list_remove(&window->link);
		wl_list_insert(&other->link, &window->link);
		wlr_scene_node_lower_to_bottom(&window->tree->node);
		server_changed(window->server);
	} else if (next != &window->link) {
		struct window *behind = wl_container_of(next, behind, link);
		window_stack_before(window, behind);
	}
}

static void unfocus(struct server *server) {
	struct window *window = server->focused;
	server->focused = NULL;
	if (window != NULL) {
		frame_set_focused(&window->frame, false);
		window->impl->focused(window, false);
	}
}

void window_focus(struct window *window) {
	struct server *server = window->server;
	if (!window->mapped) {
		return;
	}
	struct output *output = window_output(window);
	struct window *alone = output != NULL ? window_fullscreen_on(server, output) : NULL;
	if (alone != NULL && alone != window) {
		// A guest takes the screen over; an ordinary window is shown among windows.
		window_set_fullscreen(alone, NULL);
		if (window->head != NULL) {
			window_set_fullscreen(window, output);
		}
	}
	raise_window(window);
	if (server->focused != window) {
		unfocus(server);
		server->focused = window;
		frame_set_focused(&window->frame, true);
		window->impl->focused(window, true);
	}
	seat_focus(server->seat, window->impl->surface(window));
	server_changed(server);
}

void window_surface_changed(struct window *window) {
	if (window->server->focused == window) {
		seat_focus(window->server->seat, window->impl->surface(window));
	}
	server_changed(window->server);
}

void window_focus_next(struct server *server) {
	if (wl_list_empty(&server->windows)) {
		return;
	}
	struct window *last = wl_container_of(server->windows.prev, last, link);
	window_focus(last);
}

/* Keeps some of the title on an output, and all of its height. */
static void keep_reachable(struct window *window) {
	struct output *output = window_output(window);
	struct wlr_box area;
	if (output == NULL) {
		return;
	}
	wlr_output_layout_get_box(window->server->output_layout, NULL, &area);
	const struct frame_style *style = &window->server->frame_style;
	struct wlr_box *box = &window->box;
	int left = area.x + REACHABLE - box->width, right = area.x + area.width - REACHABLE;
	int top = area.y + style->title, bottom = area.y + area.height;
	box->x = box->x < left ? left : box->x > right ? right : box->x;
	box->y = box->y < top ? top : box->y > bottom ? bottom : box->y;
}

void window_move(struct window *window, int x, int y) {
	window->moved = window->placed = true;
	window->box.x = x;
	window->box.y = y;
	keep_reachable(window);
	if (window->fullscreen == NULL) {
		show_at(window, window->box);
	}
}

void window_restore(struct window *window, struct wlr_box box, bool moved, bool sized) {
	window->box = box;
	window->placed = true;
	window->moved = moved;
	window->sized = sized;
	keep_reachable(window);
}

static int clamp_size(int size) {
	return size < WINDOW_MIN ? WINDOW_MIN : size > WINDOW_MAX ? WINDOW_MAX : size;
}

void window_resize(struct window *window, struct wlr_box box, uint32_t edges) {
	int width = clamp_size(box.width), height = clamp_size(box.height);
	if ((edges & WLR_EDGE_LEFT) != 0) {
		box.x += box.width - width;
	}
	if ((edges & WLR_EDGE_TOP) != 0) {
		box.y += box.height - height;
	}
	window->sized = true;
	window->resize_edges = edges;
	if (window->fullscreen != NULL) {
		window->box = (struct wlr_box){box.x, box.y, width, height};
		return;
	}
	if (window->impl->resize(window, width, height)) {
		window->box = (struct wlr_box){box.x, box.y, width, height};
		show_at(window, window->box);
	}
}

/* A window at its own size that no longer fits where it stands. */
static void settle(struct window *window) {
	struct output *output = window_output(window);
	struct wlr_box area;
	if (window->moved || output == NULL || !output_box(output, &area)) {
		return;
	}
	struct place size = outer(window, &window->box);
	bool inside = size.x >= area.x && size.y >= area.y &&
		size.x + size.width <= area.x + area.width &&
		size.y + size.height <= area.y + area.height;
	bool clear = true;
	struct window *other;
	wl_list_for_each (other, &window->server->windows, link) {
		struct place taken = outer(other, &other->box);
		struct wlr_box a = {size.x, size.y, size.width, size.height};
		struct wlr_box b = {taken.x, taken.y, taken.width, taken.height}, both;
		clear = clear && (other == window || !wlr_box_intersection(&both, &a, &b));
	}
	bool first = window->head != NULL && window->head->frames <= 1;
	if (first || !inside || !clear) {
		place(window);
	}
}

void window_content_resized(struct window *window, int width, int height) {
	if (window->fullscreen != NULL) {
		window_refit(window);
		return;
	}
	struct wlr_box *box = &window->box;
	if (box->width == width && box->height == height) {
		return;
	}
	if ((window->resize_edges & WLR_EDGE_LEFT) != 0) {
		box->x += box->width - width;
	}
	if ((window->resize_edges & WLR_EDGE_TOP) != 0) {
		box->y += box->height - height;
	}
	box->width = width;
	box->height = height;
	if (window->mapped) {
		if (!window->sized) {
			settle(window);
		}
		show_at(window, *box);
	}
}

void window_refresh(struct window *window) {
	if (window->fullscreen != NULL) {
		window_refit(window);
	} else if (window->mapped) {
		show_at(window, window->box);
	}
}

static void leave_fullscreen(struct window *window) {
	window->fullscreen = NULL;
	seat_unlock(window->server->seat, window);
	if (window->blackout != NULL) {
		wlr_scene_node_destroy(&window->blackout->node);
		window->blackout = NULL;
	}
	wlr_scene_node_reparent(&window->tree->node, window->server->layers[LAYER_WINDOWS]);
	window->impl->fullscreen(window, false);
	window->impl->resize(window, window->box.width, window->box.height);
	show_at(window, window->box);
	frame_set_bare(&window->frame, false);
}

void window_set_fullscreen(struct window *window, struct output *output) {
	struct server *server = window->server;
	if (window->fullscreen == output || !window->mapped) {
		return;
	}
	if (output == NULL) {
		leave_fullscreen(window);
		return;
	}
	struct window *alone = window_fullscreen_on(server, output);
	if (alone != NULL) {
		leave_fullscreen(alone);
	}
	window->fullscreen = output;
	struct wlr_scene_tree *layer = server->layers[LAYER_FULLSCREEN];
	if (window->blackout == NULL) {
		window->blackout = wlr_scene_rect_create(layer, 0, 0, black);
	}
	wlr_scene_node_reparent(&window->tree->node, layer);
	wlr_scene_node_raise_to_top(&window->tree->node);
	frame_set_bare(&window->frame, true);
	window->impl->fullscreen(window, true);
	window_refit(window);
}

void window_refit(struct window *window) {
	struct wlr_box area;
	if (window->fullscreen == NULL || !output_box(window->fullscreen, &area)) {
		return;
	}
	if (window->blackout != NULL) {
		wlr_scene_node_set_position(&window->blackout->node, area.x, area.y);
		wlr_scene_rect_set_size(window->blackout, area.width, area.height);
	}
	struct wlr_box box = window->impl->fit(window, &area);
	window->impl->resize(window, box.width, box.height);
	show_at(window, box);
}

void window_toggle_fullscreen(struct window *window) {
	if (window->fullscreen != NULL) {
		window_set_fullscreen(window, NULL);
	} else {
		window_set_fullscreen(window, window_output(window));
	}
}

void window_output_changed(struct server *server, struct output *output) {
	struct window *window;
	wl_list_for_each (window, &server->windows, link) {
		if (window_output(window) != output || window->fullscreen == output) {
			continue;
		}
		if (window->head != NULL) {
			guest_window_output_changed(window->head->window);
		}
		keep_reachable(window);
		if (window->fullscreen == NULL) {
			show_at(window, window->box);
		}
	}
}

void window_output_added(struct server *server) {
	struct window *window;
	wl_list_for_each (window, &server->windows, link) {
		if (!window->placed) {
			place(window);
			show_at(window, window->box);
		}
	}
}

void window_output_gone(struct server *server, struct output *output) {
	struct window *window;
	wl_list_for_each (window, &server->windows, link) {
		if (window->fullscreen == output) {
			window_set_fullscreen(window, NULL);
		}
	}
	wl_list_for_each (window, &server->windows, link) {
		keep_reachable(window);
		if (window->fullscreen == NULL) {
			show_at(window, window->box);
		}
	}
}

struct window *window_fullscreen_on(struct server *server, struct output *output) {
	struct window *window;
	wl_list_for_each (window, &server->windows, link) {
		if (window->fullscreen == output) {
			return window;
		}
	}
	return NULL;
}

struct output *window_output(struct window *window) {
	if (window->fullscreen != NULL) {
		return window->fullscreen;
	}
	return output_at(window->server, window->box.x + window->box.width / 2.0,
		window->box.y + window->box.height / 2.0);
}

struct window *window_at(struct server *server, double lx, double ly, enum frame_part *ret_part,
	uint32_t *ret_edges, struct wlr_scene_node **ret_node, double *ret_sx, double *ret_sy) {
	struct output *output = output_at(server, lx, ly);
	struct window *alone = output != NULL ? window_fullscreen_on(server, output) : NULL;
	struct window *window;
	wl_list_for_each (window, &server->windows, link) {
		if (alone != NULL && window != alone) {
			continue;
		}
		*ret_edges = WLR_EDGE_NONE;
		*ret_node = wlr_scene_node_at(&window->content->node, lx, ly, ret_sx, ret_sy);
		*ret_part = FRAME_CONTENT;
		if (*ret_node != NULL) {
			return window;
		}
		*ret_part = frame_part_at(
			&window->frame, lx - window->shown.x, ly - window->shown.y, ret_edges);
		if (*ret_part == FRAME_CONTENT || (*ret_part != FRAME_NONE && alone == NULL)) {
			return window;
		}
	}
	return NULL;
}
