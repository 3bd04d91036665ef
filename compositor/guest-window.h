#ifndef COMPOSITOR_GUEST_WINDOW_H
#define COMPOSITOR_GUEST_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct guest_head;
struct guest_window;
struct window;
struct wlr_buffer;
struct wlr_surface;

/*
 * The window of one of a guest's heads: its picture, scaled to the window, below a frame that says whose it
 * is. The picture is a scene buffer of ours that takes the surface's buffers over, so that
 * its size on the screen is ours to choose.
 */

/*
 * Sets head.window, unless there is no memory. Its size is the guest's preferred mode until
 * it draws. That of the first head is shown at once, others while they have a picture.
 */
void guest_window_create(struct guest_head *head);

/* Clears head.window. Accepts NULL. */
void guest_window_destroy(struct guest_window *window);

struct window *guest_window_base(struct guest_window *window);

/*
 * Its device shows another head.desktop from now on. Where that is NULL the device has gone;
 * its last picture stays until another one has drawn.
 */
void guest_window_desktop_changed(struct guest_window *window);

/* The guest goes on without a device: its last picture would look as if it lived. */
void guest_window_drop_stale(struct guest_window *window);

/* It is shown in its window's shown now. */
void guest_window_shown(struct guest_window *window);

/* The screen it stands on has another size: its own follows, where nobody chose it. */
void guest_window_output_changed(struct guest_window *window);

/* The desktop's surface has a new state. */
void guest_window_committed(struct guest_window *window);

/* Tells the device in what size the picture is wanted, and whether it can be seen. */
void guest_window_update(struct guest_window *window);

/* What is shown of the guest; NULL for nothing. */
struct wlr_buffer *guest_window_picture(const struct guest_window *window);

/* A pixel of the picture is one of the screen. */
bool guest_window_exact(const struct guest_window *window);

/* Size of the guest's own mode; 0 while it has shown nothing. */
void guest_window_mode(struct guest_window *window, int *ret_width, int *ret_height);

/*
 * The point of the layout on the picture in the guest's own pixels, and how many of them
 * one pixel of the layout is. Returns NULL where the guest shows nothing.
 */
struct wlr_surface *guest_window_point(struct window *window, double lx, double ly, double *ret_x,
	double *ret_y, double *ret_scale_x, double *ret_scale_y);

#endif
