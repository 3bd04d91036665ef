#include "cursor.h"

#include <stddef.h>

#include "paint.h"

#define ARROW_SIZE 24

static void show_arrow(struct wlr_cursor *cursor) {
	static const double points[][2] = {
		{0, 0}, {0, 16}, {3.7, 12.6}, {6.1, 18.1}, {8.7, 17}, {6.3, 11.6}, {11.3, 11.3}};
	cairo_t *cairo;
	struct wlr_buffer *buffer = paint_buffer_create(ARROW_SIZE, ARROW_SIZE, &cairo);
	if (buffer == NULL) {
		return;
	}
	cairo_translate(cairo, 1.5, 1.5);
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		cairo_line_to(cairo, points[i][0], points[i][1]);
	}
	cairo_close_path(cairo);
	cairo_set_source_rgb(cairo, 0, 0, 0);
	cairo_fill_preserve(cairo);
	cairo_set_source_rgb(cairo, 1, 1, 1);
	cairo_set_line_width(cairo, 1.2);
	cairo_stroke(cairo);
	cairo_destroy(cairo);
	wlr_cursor_set_buffer(cursor, buffer, 1, 1, 1.0f);
	wlr_buffer_drop(buffer);
}

void cursor_show(struct wlr_cursor *cursor, struct wlr_xcursor_manager *theme, const char *name) {
	if (theme != NULL && wlr_xcursor_manager_get_xcursor(theme, name, 1) != NULL) {
		wlr_cursor_set_xcursor(cursor, theme, name);
	} else if (theme != NULL && wlr_xcursor_manager_get_xcursor(theme, "default", 1) != NULL) {
		wlr_cursor_set_xcursor(cursor, theme, "default");
	} else {
		show_arrow(cursor);
	}
}
