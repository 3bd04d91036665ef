#ifndef COMPOSITOR_CURSOR_H
#define COMPOSITOR_CURSOR_H

#include <wlr/types/wlr_cursor.h>
#include <wlr/types/wlr_xcursor_manager.h>

/*
 * The shape of this name (as in CSS: "default", "grab", "nw-resize"), the default one
 * where the theme has none, and an arrow of our own where there is no theme at all.
 */
void cursor_show(struct wlr_cursor *cursor, struct wlr_xcursor_manager *theme, const char *name);

#endif
