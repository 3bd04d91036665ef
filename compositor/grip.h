#ifndef COMPOSITOR_GRIP_H
#define COMPOSITOR_GRIP_H

#include <stdbool.h>
#include <stdint.h>
#include <wlr/util/box.h>

struct pointer_target;
struct window;

enum grip_mode {
	GRIP_NONE,
	GRIP_MOVE,
	GRIP_RESIZE, // by its edges
	GRIP_CLOSE,  // pressed on its close button
};

/* What a button, or a finger, holds of a window. Places are those of the layout. */
struct grip {
	enum grip_mode mode;
	struct window *window;       // NULL for GRIP_NONE
	double x, y;                 // where it was taken
	struct wlr_box box;          // the window's, then
	uint32_t edges;              // enum wlr_edges
	struct window *title_window; // of the last press on a title, or NULL
	uint32_t title_time;         // ms
};

/* A press on whatever is there; of a window's frame it takes hold. Twice on a title gives the
 * window the screen. */
void grip_press(struct grip *grip, const struct pointer_target *target, double x, double y,
	uint32_t time_msec);

/* Takes hold by any part, but not of a window in full screen. */
void grip_move(struct grip *grip, struct window *window, double x, double y);
void grip_resize(struct grip *grip, struct window *window, uint32_t edges, double x, double y);

/* Whether the window goes where the grip does. */
bool grip_drags(const struct grip *grip);

/* It goes on to there. */
void grip_drag(struct grip *grip, double x, double y);

/* Lets go; on the close button that was pressed, the window closes. */
void grip_release(struct grip *grip, double x, double y);

/* Lets go without any such consequence. */
void grip_cancel(struct grip *grip);

void grip_window_gone(struct grip *grip, const struct window *window);

/* enum wlr_edges of the corner that is nearest. */
uint32_t grip_nearest_edges(const struct window *window, double x, double y);

#endif
