#include "grip.h"

#include <stdlib.h>
#include <wlr/util/edges.h>

#include "pointer-target.h"
#include "window.h"
#include "xdg.h"

#define DOUBLE_CLICK 400 // ms
#define CLICK_RADIUS 8   // pixels: what moves further was no click

static void take(
	struct grip *grip, enum grip_mode mode, struct window *window, double x, double y) {
	grip->mode = mode;
	grip->window = window;
	grip->x = x;
	grip->y = y;
	grip->box = window->box;
	grip->edges = WLR_EDGE_NONE;
}

void grip_move(struct grip *grip, struct window *window, double x, double y) {
	if (window->fullscreen == NULL) {
		take(grip, GRIP_MOVE, window, x, y);
	}
}

void grip_resize(struct grip *grip, struct window *window, uint32_t edges, double x, double y) {
	if (window->fullscreen == NULL) {
		take(grip, GRIP_RESIZE, window, x, y);
		grip->edges = edges;
	}
}

static void press_title(
	struct grip *grip, struct window *window, double x, double y, uint32_t time_msec) {
	bool twice = grip->title_window == window && time_msec - grip->title_time < DOUBLE_CLICK;
	grip->title_window = twice ? NULL : window;
	grip->title_time = time_msec;
	if (twice) {
		window_set_fullscreen(window, window_output(window));
	} else {
		grip_move(grip, window, x, y);
	}
}

void grip_press(struct grip *grip, const struct pointer_target *target, double x, double y,
	uint32_t time_msec) {
	if (target->window != NULL && target->part == FRAME_TITLE) {
		press_title(grip, target->window, x, y, time_msec);
		return;
	}
	grip->title_window = NULL;
	if (target->window != NULL && target->part == FRAME_BORDER) {
		grip_resize(grip, target->window, target->edges, x, y);
	} else if (target->window != NULL && target->part == FRAME_CLOSE) {
		take(grip, GRIP_CLOSE, target->window, x, y);
	}
}

bool grip_drags(const struct grip *grip) {
	return grip->mode == GRIP_MOVE || grip->mode == GRIP_RESIZE;
}

void grip_drag(struct grip *grip, double x, double y) {
	int dx = (int)(x - grip->x), dy = (int)(y - grip->y);
	struct wlr_box box = grip->box;
	if (abs(dx) > CLICK_RADIUS || abs(dy) > CLICK_RADIUS) {
		grip->title_window = NULL;
	}
	if (grip->mode == GRIP_MOVE) {
		window_move(grip->window, box.x + dx, box.y + dy);
	}
	if (grip->mode != GRIP_RESIZE) {
		return;
	}
	if ((grip->edges & WLR_EDGE_LEFT) != 0) {
		box.x += dx;
		box.width -= dx;
	} else if ((grip->edges & WLR_EDGE_RIGHT) != 0) {
		box.width += dx;
	}
	if ((grip->edges & WLR_EDGE_TOP) != 0) {
		box.y += dy;
		box.height -= dy;
	} else if ((grip->edges & WLR_EDGE_BOTTOM) != 0) {
		box.height += dy;
	}
	window_resize(grip->window, box, grip->edges);
}

void grip_cancel(struct grip *grip) {
	struct window *window = grip->window;
	enum grip_mode mode = grip->mode;
	grip->mode = GRIP_NONE;
	grip->window = NULL;
	if (mode == GRIP_RESIZE) {
		xdg_window_end_resize(window);
	}
}

void grip_release(struct grip *grip, double x, double y) {
	struct window *window = grip->mode == GRIP_CLOSE ? grip->window : NULL;
	grip_cancel(grip);
	if (window != NULL) {
		struct pointer_target target = pointer_target_at(window->server, x, y);
		if (target.window == window && target.part == FRAME_CLOSE) {
			window->impl->close(window);
		}
	}
}

void grip_window_gone(struct grip *grip, const struct window *window) {
	if (grip->window == window) {
		grip->mode = GRIP_NONE;
		grip->window = NULL;
	}
	if (grip->title_window == window) {
		grip->title_window = NULL;
	}
}

uint32_t grip_nearest_edges(const struct window *window, double x, double y) {
	const struct wlr_box *box = &window->shown;
	uint32_t edges = x < box->x + box->width / 2.0 ? WLR_EDGE_LEFT : WLR_EDGE_RIGHT;
	return edges | (y < box->y + box->height / 2.0 ? WLR_EDGE_TOP : WLR_EDGE_BOTTOM);
}
