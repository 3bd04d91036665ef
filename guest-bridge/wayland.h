#ifndef GUEST_BRIDGE_WAYLAND_H
#define GUEST_BRIDGE_WAYLAND_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * A connection to a compositor on an sd-event loop, and the globals that a guest's desktop
 * needs. Nothing here waits for the compositor: what it does not take stays in libwayland's
 * buffer, of at most WAYLAND_BUFFER_MAX bytes, and whoever sends more while
 * wayland_blocked() loses the connection.
 */

#define WAYLAND_BUFFER_MAX (64 * 1024)

struct wayland_ops {
	/* All globals are bound and the formats known. Once. */
	void (*ready)(void *data);
	/* The connection is lost; reason is for the log. May call wayland_finish(). */
	void (*gone)(void *data, const char *reason);
	/* Events were handled, and all was sent that the compositor takes. */
	void (*dispatched)(void *data);
};

struct wayland {
	struct wl_display *display; // owned, or NULL
	sd_event_source *source;    // owned
	struct wl_registry *registry;
	struct wl_callback *sync;
	bool asked_twice, blocked;
	uint32_t seat_name, seat_version; // 0: there is none

	// Owned; NULL where the compositor has none.
	struct wl_compositor *compositor;
	struct wl_shm *shm;
	struct wl_seat *seat; // no listener yet
	struct wp_presentation *presentation;
	struct mullion_guest_v1 *guest;
	struct xdg_wm_base *wm_base;
	struct wp_cursor_shape_manager_v1 *cursor_shapes;
	struct wp_fractional_scale_manager_v1 *fractional_scales;
	struct wp_viewporter *viewporter;
	struct zwp_relative_pointer_manager_v1 *relative_pointers;
	struct zwp_linux_dmabuf_v1 *dmabuf;

	bool monotonic; // presentation times are CLOCK_MONOTONIC
	bool xrgb1555, rgb565, rgb888, xbgr8888, bgrx8888, rgbx8888; // what wl_shm knows
	bool dmabuf_linear; // a dma-buf of XRGB8888, row after row, can be a buffer

	const struct wayland_ops *ops;
	void *data;
};

/*
 * Takes a connected socket, which it owns from then on, also on failure. Returns 0 or
 * -errno, and then wayland is empty.
 */
int wayland_init(struct wayland *wayland, sd_event *event, int fd, const struct wayland_ops *ops,
	void *data);

/* Safe on a zeroed one. All other objects of the connection must be gone. */
void wayland_finish(struct wayland *wayland);

/* Sends what there is. False where the connection is lost; gone() is not called. */
bool wayland_flush(struct wayland *wayland);

/* The compositor has not read all that was sent: send it nothing more. */
bool wayland_blocked(const struct wayland *wayland);

#endif
