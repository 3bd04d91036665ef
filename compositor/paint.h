#ifndef COMPOSITOR_PAINT_H
#define COMPOSITOR_PAINT_H

#include <cairo.h>
#include <wlr/types/wlr_buffer.h>

#include "config.h"

/* Pictures that the compositor draws itself, with cairo and pango. */

/*
 * A transparent ARGB8888 buffer. ret_cairo draws into it and is the caller's to destroy
 * before the buffer is shown; the buffer is the caller's to drop. Returns NULL without memory.
 */
struct wlr_buffer *paint_buffer_create(int width, int height, cairo_t **ret_cairo);

struct paint_text {
	const char *font;   // pango description
	const char *string; // any bytes; at most PAINT_TEXT_MAX of them are drawn
	bool bold, centred;
	int width; // pixels; longer text ends in an ellipsis, or wraps where lines > 1
	int lines;
};

#define PAINT_TEXT_MAX 512

/* Size in pixels as drawn. */
void paint_text_size(
	cairo_t *cairo, const struct paint_text *text, int *ret_width, int *ret_height);

/* Draws with the current source; x, y: top left corner. */
void paint_text_show(cairo_t *cairo, const struct paint_text *text, double x, double y);

/* Height of one line in this font. */
int paint_line_height(const char *font);

/* part 0: a; part 1: b. */
struct config_colour paint_mix(struct config_colour a, struct config_colour b, double part);

void paint_set_colour(cairo_t *cairo, struct config_colour colour, double alpha);

/* Perceived lightness, 0 to 1. */
double paint_lightness(struct config_colour colour);

#endif
