#include "pointer-look.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/types/wlr_output.h>
#include <wlr/util/edges.h>

#include "cursor.h"
#include "guest-cursor.h"
#include "guest-window.h"
#include "guest.h"
#include "output.h"
#include "pixels.h"
#include "server.h"
#include "window.h"

#define CURSOR_SIZE 24 // pixels, of the theme's shapes

bool pointer_look_init(
	struct pointer_look *look, struct server *server, struct wlr_cursor *cursor) {
	*look = (struct pointer_look){.server = server, .cursor = cursor};
	look->drawn = wlr_scene_buffer_create(server->layers[LAYER_OVERLAY], NULL);
	if (look->drawn == NULL) {
		return false;
	}
	wlr_scene_node_set_enabled(&look->drawn->node, false);
	look->theme = wlr_xcursor_manager_create(getenv("XCURSOR_THEME"), CURSOR_SIZE);
	if (look->theme != NULL) {
		wlr_xcursor_manager_load(look->theme, 1);
	}
	return true;
}

void pointer_look_finish(struct pointer_look *look) {
	if (look->theme != NULL) {
		wlr_xcursor_manager_destroy(look->theme);
	}
	if (look->drawn != NULL) {
		wlr_scene_node_destroy(&look->drawn->node);
	}
	*look = (struct pointer_look){0};
}

/* Out of the window that it was in. */
static void take_out(struct pointer_look *look) {
	if (look->over != NULL) {
		look->over = NULL;
		wlr_scene_node_set_enabled(&look->drawn->node, false);
		wlr_scene_node_reparent(&look->drawn->node, look->server->layers[LAYER_OVERLAY]);
		wlr_scene_buffer_set_buffer(look->drawn, NULL);
	}
}

/* Leaves the last look; true where the new one is of another kind. */
static bool become(struct pointer_look *look, enum pointer_look_kind kind) {
	bool other = look->kind != kind;
	look->kind = kind;
	if (kind != POINTER_LOOK_IN_WINDOW) {
		take_out(look);
	}
	return other;
}

void pointer_look_hide(struct pointer_look *look) {
	if (become(look, POINTER_LOOK_HIDDEN)) {
		wlr_cursor_unset_image(look->cursor);
	}
}

void pointer_look_shape(struct pointer_look *look, const char *shape) {
	if (become(look, POINTER_LOOK_SHAPE) || strcmp(look->shape, shape) != 0) {
		look->shape = shape;
		cursor_show(look->cursor, look->theme, shape);
	}
}

const char *pointer_look_edges(uint32_t edges) {
	switch (edges) {
	case WLR_EDGE_TOP:
		return "n-resize";
	case WLR_EDGE_BOTTOM:
		return "s-resize";
	case WLR_EDGE_LEFT:
		return "w-resize";
	case WLR_EDGE_RIGHT:
		return "e-resize";
	case WLR_EDGE_TOP | WLR_EDGE_LEFT:
		return "nw-resize";
	case WLR_EDGE_TOP | WLR_EDGE_RIGHT:
		return "ne-resize";
	case WLR_EDGE_BOTTOM | WLR_EDGE_LEFT:
		return "sw-resize";
	case WLR_EDGE_BOTTOM | WLR_EDGE_RIGHT:
		return "se-resize";
	default:
		return "default";
	}
}

void pointer_look_surface(
	struct pointer_look *look, struct wlr_surface *surface, int32_t hot_x, int32_t hot_y) {
	become(look, POINTER_LOOK_SURFACE);
	wlr_cursor_set_surface(look->cursor, surface, hot_x, hot_y);
}

/* A guest's pointer on the layout's pixels. */
struct drawing {
	struct wlr_box box;  // from the picture's corner, uncut
	struct wlr_box clip; // what of it lies on the picture
	bool exact;          // a pixel of the picture is one of the screen
};

/* A length of the layout, and its place in it, that cover so many pixels of the output from one
 * of them on, or nearly there. */
static void cover(int pixel, double pixels, float scale, int *ret_at, int *ret_length) {
	int covered = (int)fmax(1, round(pixels));
	*ret_length = (int)fmax(1, round(covered / (double)scale));
	*ret_at = pixels_snap_to(pixel, *ret_length, covered, scale);
}

static struct drawing draw_at(
	struct window *window, const struct guest_cursor *cursor, double lx, double ly) {
	struct output *output = window_output(window);
	const struct wlr_box *shown = &window->shown;
	const struct wlr_box picture = {.width = shown->width, .height = shown->height};
	struct wlr_box pixels = output_pixels(output, shown), area = {0};
	if (output != NULL) {
		output_box(output, &area);
	}
	int mode_width, mode_height;
	guest_window_mode(window->head->window, &mode_width, &mode_height);
	double across = mode_width > 0 ? (double)pixels.width / mode_width : 1;
	double down = mode_height > 0 ? (double)pixels.height / mode_height : 1;
	double x, y;
	output_point(output, lx, ly, &x, &y);
	struct drawing drawing = {.exact = guest_window_exact(window->head->window)};
	struct wlr_box *box = &drawing.box;
	const float scale = output_scale(output);
	cover((int)floor(x - cursor->hot_x * across), cursor->image->width * across, scale, &box->x,
		&box->width);
	cover((int)floor(y - cursor->hot_y * down), cursor->image->height * down, scale, &box->y,
		&box->height);
	box->x -= shown->x - area.x;
	box->y -= shown->y - area.y;
	wlr_box_intersection(&drawing.clip, box, &picture);
	return drawing;
}

/* A picture that fills its screen, pixel by pixel, and a pointer that no other screen shows. */
static bool may_use_plane(struct window *window, const struct drawing *drawing) {
	struct wlr_box screen, both;
	struct wlr_box box = drawing->box;
	if (window->fullscreen == NULL || !drawing->exact ||
		!output_box(window->fullscreen, &screen) ||
		!wlr_box_equal(&window->shown, &screen)) {
		return false;
	}
	box.x += window->shown.x;
	box.y += window->shown.y;
	struct output *output;
	wl_list_for_each (output, &window->server->outputs, link) {
		if (output != window->fullscreen && output_box(output, &screen) &&
			wlr_box_intersection(&both, &box, &screen)) {
			return false;
		}
	}
	return true;
}

static void show_on_plane(
	struct pointer_look *look, struct window *window, const struct guest_cursor *cursor) {
	bool other = become(look, POINTER_LOOK_IMAGE);
	if (other || look->image != cursor->image || look->hot_x != cursor->hot_x ||
		look->hot_y != cursor->hot_y) {
		float scale = window->fullscreen->wlr->scale;
		look->image = cursor->image;
		look->hot_x = cursor->hot_x;
		look->hot_y = cursor->hot_y;
		wlr_cursor_set_buffer(look->cursor, cursor->image,
			(int32_t)lroundf((float)cursor->hot_x / scale),
			(int32_t)lroundf((float)cursor->hot_y / scale), scale);
	}
}

static void show_in_window(struct pointer_look *look, struct window *window,
	const struct guest_cursor *cursor, const struct drawing *drawing) {
	const struct wlr_box *box = &drawing->box, *clip = &drawing->clip;
	if (become(look, POINTER_LOOK_IN_WINDOW)) {
		wlr_cursor_unset_image(look->cursor);
	}
	if (look->over != window) {
		look->over = window;
		wlr_scene_node_reparent(&look->drawn->node, window->tree);
	}
	if (look->drawn->buffer != cursor->image) {
		wlr_scene_buffer_set_buffer(look->drawn, cursor->image);
	}
	bool nearest = drawing->exact || look->server->config.host.filter == CONFIG_FILTER_NEAREST;
	wlr_scene_buffer_set_filter_mode(
		look->drawn, nearest ? WLR_SCALE_FILTER_NEAREST : WLR_SCALE_FILTER_BILINEAR);
	const double to_image_x = (double)cursor->image->width / box->width;
	const double to_image_y = (double)cursor->image->height / box->height;
	wlr_scene_buffer_set_source_box(look->drawn,
		&(struct wlr_fbox){
			.x = (clip->x - box->x) * to_image_x,
			.y = (clip->y - box->y) * to_image_y,
			.width = clip->width * to_image_x,
			.height = clip->height * to_image_y,
		});
	wlr_scene_buffer_set_dest_size(look->drawn, clip->width, clip->height);
	wlr_scene_node_set_position(&look->drawn->node, clip->x, clip->y);
	wlr_scene_node_set_enabled(&look->drawn->node, true);
}

void pointer_look_guest(struct pointer_look *look, struct window *window, double lx, double ly) {
	const struct guest_cursor *cursor = &window->head->guest->cursor;
	if (!cursor->set) {
		pointer_look_shape(look, "default");
		return;
	}
	if (cursor->image == NULL) {
		pointer_look_hide(look);
		return;
	}
	struct drawing drawing = draw_at(window, cursor, lx, ly);
	if (wlr_box_empty(&drawing.clip)) {
		pointer_look_hide(look);
	} else if (may_use_plane(window, &drawing)) {
		show_on_plane(look, window, cursor);
	} else {
		show_in_window(look, window, cursor, &drawing);
	}
}

void pointer_look_window_gone(struct pointer_look *look, struct window *window) {
	if (look->over == window) {
		pointer_look_hide(look);
	}
}
