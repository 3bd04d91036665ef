#ifndef COMPOSITOR_WLR_COMPAT_H
#define COMPOSITOR_WLR_COMPAT_H

/*
 * All that differs between the versions of wlroots. Written against 0.18; 0.19 checks at
 * each destroy that no listener is left, which every *_finish here sees to anyway.
 */

#include <wlr/interfaces/wlr_buffer.h>
#include <wlr/types/wlr_presentation_time.h>
#include <wlr/types/wlr_xdg_shell.h>
#include <wlr/version.h>

#define WLR_AT_LEAST(minor) (WLR_VERSION_MAJOR > 0 || WLR_VERSION_MINOR >= (minor))

static inline struct wlr_presentation *wlr_presentation_create_compat(
	struct wl_display *display, struct wlr_backend *backend) {
#if WLR_AT_LEAST(19)
	return wlr_presentation_create(display, backend, 1);
#else
	return wlr_presentation_create(display, backend);
#endif
}

static inline struct wlr_box wlr_xdg_surface_geometry_compat(struct wlr_xdg_surface *surface) {
#if WLR_AT_LEAST(19)
	return surface->geometry;
#else
	struct wlr_box box;
	wlr_xdg_surface_get_geometry(surface, &box);
	return box;
#endif
}

/* For an implementation's destroy: before 0.19 the caller had done it already. */
static inline void wlr_buffer_finish_compat(struct wlr_buffer *buffer) {
#if WLR_AT_LEAST(19)
	wlr_buffer_finish(buffer);
#endif
}

/*
 * Counts a lock of the scene on a surface's buffer as one that does not stop an update in
 * place, as wlroots' own scene surfaces do; by is 1 before the scene gets the buffer and
 * -1 before it loses it.
 */
static inline void wlr_client_buffer_ignore_lock_compat(struct wlr_buffer *buffer, int by) {
	struct wlr_client_buffer *client_buffer = wlr_client_buffer_get(buffer);
	if (client_buffer != NULL) {
		client_buffer->n_ignore_locks += (size_t)by;
	}
}

/* The time of a scene buffer's frame_done event. */
static inline struct timespec *wlr_frame_done_time_compat(void *event) {
#if WLR_AT_LEAST(20)
	return &((struct wlr_scene_frame_done_event *)event)->when;
#else
	return event;
#endif
}

#endif
