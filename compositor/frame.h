#ifndef COMPOSITOR_FRAME_H
#define COMPOSITOR_FRAME_H

#include <stdbool.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/util/box.h>

#include "config.h"

/*
 * What mullion draws around a picture: border, title bar with a close button, the dark
 * ground where there is no picture yet, and a message on it. Its origin is the picture's
 * top left corner. Nothing in it comes from a guest.
 */

struct frame_style {
	const char *font; // the configuration's
	int border;       // pixels, left, right and below
	int title;        // pixels, height of the title bar with the upper border
};

struct frame_look {
	char *title;   // owned
	char *note;    // owned, after the title in lighter letters; may be NULL
	char *message; // owned, in the middle of the ground; may be NULL
	int number;    // the guest's, 0 for none
	struct config_colour colour;
	bool focused;
	bool close_hot; // the pointer is on the close button
};

enum frame_part {
	FRAME_NONE,
	FRAME_CONTENT,
	FRAME_TITLE,
	FRAME_CLOSE,
	FRAME_BORDER,
};

struct frame {
	const struct frame_style *style;
	struct wlr_scene_tree *tree;
	struct wlr_scene_rect *left, *right, *below;
	struct wlr_scene_rect *ground;
	struct wlr_scene_buffer *title, *message;
	int width, height; // of the picture
	int x, y;          // of the picture, from the corner of its output
	float scale;       // of that output
	struct frame_look look;
	bool ground_wanted;
	bool bare;                     // nothing of it is seen but ground and message
	bool outdated;                 // what is not seen is to be drawn again when it is
	int drawn_width, drawn_height; // pixels of the title bar as drawn, 0 for not yet
};

/* style must outlive the frame. Returns false without memory. */
bool frame_init(
	struct frame *frame, struct wlr_scene_tree *parent, const struct frame_style *style);

/* Frees what is no scene node; the nodes go with their parent. Safe on a zeroed frame. */
void frame_finish(struct frame *frame);

/* Size of the picture, and its place from the corner of its output: letters are drawn in the
 * pixels of that one. */
void frame_set_box(struct frame *frame, const struct wlr_box *box, float scale);

/* Without a border the picture stands alone (full screen), and no title is drawn. */
void frame_set_bare(struct frame *frame, bool bare);

/* The dark ground behind a picture that is missing or not opaque. */
void frame_set_ground(struct frame *frame, bool shown);

/* note and message may be NULL. Redraws only what changed. */
void frame_set_title(struct frame *frame, const char *title, const char *note);
void frame_set_message(struct frame *frame, const char *message);
void frame_set_colour(struct frame *frame, struct config_colour colour, int number);
void frame_set_focused(struct frame *frame, bool focused);
void frame_set_close_hot(struct frame *frame, bool hot);

/*
 * What lies at x, y from the picture's top left corner. ret_edges, which may be NULL,
 * gets enum wlr_edges for FRAME_BORDER.
 */
enum frame_part frame_part_at(const struct frame *frame, double x, double y, uint32_t *ret_edges);

/* Title bar height for a font. */
int frame_title_height(const char *font);

#endif
