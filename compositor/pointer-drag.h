#ifndef COMPOSITOR_POINTER_DRAG_H
#define COMPOSITOR_POINTER_DRAG_H

#include <stdint.h>

struct pointer;
struct window;

/* A window that the pointer moves, or pulls at by its edges. It begins with a button down;
 * not with a window in full screen. */
void pointer_begin_move(struct pointer *pointer, struct window *window);
void pointer_begin_resize(struct pointer *pointer, struct window *window, uint32_t edges);

/* Goes on to where the pointer is now. */
void pointer_drag(struct pointer *pointer);

/* enum wlr_edges of the corner that is nearest to the pointer. */
uint32_t pointer_nearest_edges(const struct pointer *pointer, const struct window *window);

#endif
