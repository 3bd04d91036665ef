#include "pointer-drag.h"

#include <wlr/types/wlr_seat.h>
#include <wlr/util/edges.h>

#include "pointer.h"
#include "seat.h"
#include "window.h"

void pointer_drag(struct pointer *pointer) {
	double dx = pointer->cursor->x - pointer->grab_x, dy = pointer->cursor->y - pointer->grab_y;
	struct wlr_box box = pointer->grab_box;
	if (pointer->mode == POINTER_MOVE) {
		window_move(pointer->window, box.x + (int)dx, box.y + (int)dy);
		return;
	}
	if ((pointer->grab_edges & WLR_EDGE_LEFT) != 0) {
		box.x += (int)dx;
		box.width -= (int)dx;
	} else if ((pointer->grab_edges & WLR_EDGE_RIGHT) != 0) {
		box.width += (int)dx;
	}
	if ((pointer->grab_edges & WLR_EDGE_TOP) != 0) {
		box.y += (int)dy;
		box.height -= (int)dy;
	} else if ((pointer->grab_edges & WLR_EDGE_BOTTOM) != 0) {
		box.height += (int)dy;
	}
	window_resize(pointer->window, box, pointer->grab_edges);
}

static void begin(
	struct pointer *pointer, enum pointer_mode mode, struct window *window, uint32_t edges) {
	if (window->fullscreen != NULL) {
		return;
	}
	pointer->mode = mode;
	pointer->window = window;
	pointer->grab_x = pointer->cursor->x;
	pointer->grab_y = pointer->cursor->y;
	pointer->grab_box = window->box;
	pointer->grab_edges = edges;
	wlr_seat_pointer_notify_clear_focus(pointer->seat->wlr);
	pointer_look_shape(
		&pointer->look, mode == POINTER_MOVE ? "grabbing" : pointer_look_edges(edges));
}

void pointer_begin_move(struct pointer *pointer, struct window *window) {
	begin(pointer, POINTER_MOVE, window, WLR_EDGE_NONE);
}

void pointer_begin_resize(struct pointer *pointer, struct window *window, uint32_t edges) {
	begin(pointer, POINTER_RESIZE, window, edges);
}

/* The corner nearest to the pointer. */
uint32_t pointer_nearest_edges(const struct pointer *pointer, const struct window *window) {
	const struct wlr_box *box = &window->shown;
	uint32_t edges =
		pointer->cursor->x < box->x + box->width / 2.0 ? WLR_EDGE_LEFT : WLR_EDGE_RIGHT;
	return edges |
		(pointer->cursor->y < box->y + box->height / 2.0 ? WLR_EDGE_TOP : WLR_EDGE_BOTTOM);
}
