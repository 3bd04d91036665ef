#include "wayland.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <wayland-client.h>

#include "cursor-shape-client-protocol.h"
#include "fractional-scale-client-protocol.h"
#include "linux-dmabuf-client-protocol.h"
#include "log.h"
#include "mullion-guest-v1-client-protocol.h"
#include "presentation-time-client-protocol.h"
#include "relative-pointer-client-protocol.h"
#include "viewporter-client-protocol.h"
#include "xdg-shell-client-protocol.h"

#define COMPOSITOR_VERSION 4 // wl_surface.damage_buffer
#define SEAT_VERSION_MIN 5   // wl_pointer.frame
#define SEAT_VERSION_MAX 9
#define WM_BASE_VERSION_MAX 3
#define DMABUF_VERSION 3 // formats come as events; later ones are tables to be mapped
#define GUEST_VERSION_MAX 2

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

static void handle_shm_format(void *data, struct wl_shm *shm, uint32_t format) {
	struct wayland *wayland = data;
	switch (format) {
	case WL_SHM_FORMAT_XRGB1555:
		wayland->xrgb1555 = true;
		break;
	case WL_SHM_FORMAT_RGB565:
		wayland->rgb565 = true;
		break;
	case WL_SHM_FORMAT_RGB888:
		wayland->rgb888 = true;
		break;
	case WL_SHM_FORMAT_XBGR8888:
		wayland->xbgr8888 = true;
		break;
	case WL_SHM_FORMAT_BGRX8888:
		wayland->bgrx8888 = true;
		break;
	case WL_SHM_FORMAT_RGBX8888:
		wayland->rgbx8888 = true;
		break;
	}
}

static const struct wl_shm_listener shm_listener = {
	.format = handle_shm_format,
};

/* Each comes with its modifiers, too. */
static void handle_dmabuf_format(void *data, struct zwp_linux_dmabuf_v1 *dmabuf, uint32_t format) {
}

static void handle_dmabuf_modifier(void *data, struct zwp_linux_dmabuf_v1 *dmabuf, uint32_t format,
	uint32_t high, uint32_t low) {
	struct wayland *wayland = data;
	uint64_t modifier = (uint64_t)high << 32 | low;
	if (format == DRM_FORMAT_XRGB8888 && modifier == DRM_FORMAT_MOD_LINEAR) {
		wayland->dmabuf_linear = true;
	}
}

static const struct zwp_linux_dmabuf_v1_listener dmabuf_listener = {
	.format = handle_dmabuf_format,
	.modifier = handle_dmabuf_modifier,
};

static void handle_clock_id(void *data, struct wp_presentation *presentation, uint32_t clock) {
	struct wayland *wayland = data;
	wayland->monotonic = clock == CLOCK_MONOTONIC;
}

static const struct wp_presentation_listener presentation_listener = {
	.clock_id = handle_clock_id,
};

static void handle_ping(void *data, struct xdg_wm_base *wm_base, uint32_t serial) {
	xdg_wm_base_pong(wm_base, serial);
}

static const struct xdg_wm_base_listener wm_base_listener = {
	.ping = handle_ping,
};

static void handle_global(void *data, struct wl_registry *registry, uint32_t name,
	const char *interface, uint32_t version) {
	struct wayland *w = data;
	if (strcmp(interface, wl_compositor_interface.name) == 0 && w->compositor == NULL &&
		version >= COMPOSITOR_VERSION) {
		w->compositor = wl_registry_bind(
			registry, name, &wl_compositor_interface, COMPOSITOR_VERSION);
	} else if (strcmp(interface, wl_shm_interface.name) == 0 && w->shm == NULL) {
		w->shm = wl_registry_bind(registry, name, &wl_shm_interface, 1);
		wl_shm_add_listener(w->shm, &shm_listener, w);
	} else if (strcmp(interface, wl_seat_interface.name) == 0 && w->seat_version == 0 &&
		version >= SEAT_VERSION_MIN) {
		w->seat_name = name;
		w->seat_version = min_u32(version, SEAT_VERSION_MAX);
	} else if (strcmp(interface, wp_presentation_interface.name) == 0 &&
		w->presentation == NULL) {
		w->presentation = wl_registry_bind(registry, name, &wp_presentation_interface, 1);
		wp_presentation_add_listener(w->presentation, &presentation_listener, w);
	} else if (strcmp(interface, mullion_guest_v1_interface.name) == 0 && w->guest == NULL) {
		w->guest = wl_registry_bind(registry, name, &mullion_guest_v1_interface,
			min_u32(version, GUEST_VERSION_MAX));
	} else if (strcmp(interface, xdg_wm_base_interface.name) == 0 && w->wm_base == NULL) {
		w->wm_base = wl_registry_bind(registry, name, &xdg_wm_base_interface,
			min_u32(version, WM_BASE_VERSION_MAX));
		xdg_wm_base_add_listener(w->wm_base, &wm_base_listener, w);
	} else if (strcmp(interface, wp_cursor_shape_manager_v1_interface.name) == 0 &&
		w->cursor_shapes == NULL) {
		w->cursor_shapes =
			wl_registry_bind(registry, name, &wp_cursor_shape_manager_v1_interface, 1);
	} else if (strcmp(interface, wp_fractional_scale_manager_v1_interface.name) == 0 &&
		w->fractional_scales == NULL) {
		w->fractional_scales = wl_registry_bind(
			registry, name, &wp_fractional_scale_manager_v1_interface, 1);
	} else if (strcmp(interface, wp_viewporter_interface.name) == 0 && w->viewporter == NULL) {
		w->viewporter = wl_registry_bind(registry, name, &wp_viewporter_interface, 1);
	} else if (strcmp(interface, zwp_relative_pointer_manager_v1_interface.name) == 0 &&
		w->relative_pointers == NULL) {
		w->relative_pointers = wl_registry_bind(
			registry, name, &zwp_relative_pointer_manager_v1_interface, 1);
	} else if (strcmp(interface, zwp_linux_dmabuf_v1_interface.name) == 0 &&
		w->dmabuf == NULL && version >= DMABUF_VERSION) {
		w->dmabuf = wl_registry_bind(
			registry, name, &zwp_linux_dmabuf_v1_interface, DMABUF_VERSION);
		zwp_linux_dmabuf_v1_add_listener(w->dmabuf, &dmabuf_listener, w);
	}
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
	// The objects stay, inert; a compositor whose wl_shm goes has gone itself.
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

static const struct wl_callback_listener sync_listener;

/* The first answer follows the globals, the second the formats of what was bound then. */
static void handle_sync(void *data, struct wl_callback *callback, uint32_t serial) {
	struct wayland *wayland = data;
	wl_callback_destroy(callback);
	wayland->sync = NULL;
	if (wayland->asked_twice) {
		// Not before: its events would come while it has no listener.
		if (wayland->seat_version != 0) {
			wayland->seat = wl_registry_bind(wayland->registry, wayland->seat_name,
				&wl_seat_interface, wayland->seat_version);
		}
		wayland->ops->ready(wayland->data);
		return;
	}
	wayland->asked_twice = true;
	wayland->sync = wl_display_sync(wayland->display);
	wl_callback_add_listener(wayland->sync, &sync_listener, wayland);
}

static const struct wl_callback_listener sync_listener = {
	.done = handle_sync,
};

/* Reads what has come. EAGAIN is nothing. Returns 0 or -errno. */
static int read_events(struct wl_display *display) {
	while (wl_display_prepare_read(display) != 0) {
		if (wl_display_dispatch_pending(display) < 0) {
			return -errno;
		}
	}
	if (wl_display_read_events(display) < 0 && errno != EAGAIN) {
		return -errno;
	}
	return wl_display_dispatch_pending(display) < 0 ? -errno : 0;
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct wayland *wayland = data;
	int error = 0;
	if ((revents & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
		error = read_events(wayland->display);
	}
	if (error == 0 && !wayland_flush(wayland)) {
		error = -EPIPE;
	}
	if (error == 0) {
		wayland->ops->dispatched(wayland->data);
	}
	if (wayland->display != NULL && error < 0) {
		error = wl_display_get_error(wayland->display);
		wayland->ops->gone(
			wayland->data, error == EPROTO ? "protocol error" : strerror(error));
	}
	return 0;
}

static void log_wayland(const char *format, va_list args) {
	static struct log_limit limit;
	char line[256];
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_limited(&limit, LOG_LEVEL_WARNING, "wayland: %s", line);
}

int wayland_init(struct wayland *wayland, sd_event *event, int fd, const struct wayland_ops *ops,
	void *data) {
	*wayland = (struct wayland){.ops = ops, .data = data};
	wl_log_set_handler_client(log_wayland);
	// Closes the socket where it fails.
	wayland->display = wl_display_connect_to_fd(fd);
	if (wayland->display == NULL) {
		return errno > 0 ? -errno : -ENOMEM;
	}
	wl_display_set_max_buffer_size(wayland->display, WAYLAND_BUFFER_MAX);
	int error = sd_event_add_io(event, &wayland->source, fd, EPOLLIN, handle_io, wayland);
	if (error < 0) {
		wayland_finish(wayland);
		return error;
	}
	wayland->registry = wl_display_get_registry(wayland->display);
	wayland->sync = wl_display_sync(wayland->display);
	if (wayland->registry == NULL || wayland->sync == NULL) {
		wayland_finish(wayland);
		return -ENOMEM;
	}
	wl_registry_add_listener(wayland->registry, &registry_listener, wayland);
	wl_callback_add_listener(wayland->sync, &sync_listener, wayland);
	if (!wayland_flush(wayland)) {
		wayland_finish(wayland);
		return -EPIPE;
	}
	return 0;
}

static void destroy_globals(struct wayland *w) {
	if (w->dmabuf != NULL) {
		zwp_linux_dmabuf_v1_destroy(w->dmabuf);
	}
	if (w->relative_pointers != NULL) {
		zwp_relative_pointer_manager_v1_destroy(w->relative_pointers);
	}
	if (w->viewporter != NULL) {
		wp_viewporter_destroy(w->viewporter);
	}
	if (w->fractional_scales != NULL) {
		wp_fractional_scale_manager_v1_destroy(w->fractional_scales);
	}
	if (w->cursor_shapes != NULL) {
		wp_cursor_shape_manager_v1_destroy(w->cursor_shapes);
	}
	if (w->wm_base != NULL) {
		xdg_wm_base_destroy(w->wm_base);
	}
	if (w->guest != NULL) {
		mullion_guest_v1_destroy(w->guest);
	}
	if (w->presentation != NULL) {
		wp_presentation_destroy(w->presentation);
	}
	if (w->seat != NULL) {
		wl_seat_release(w->seat);
	}
	if (w->shm != NULL) {
		wl_shm_destroy(w->shm);
	}
	if (w->compositor != NULL) {
		wl_compositor_destroy(w->compositor);
	}
	if (w->sync != NULL) {
		wl_callback_destroy(w->sync);
	}
	if (w->registry != NULL) {
		wl_registry_destroy(w->registry);
	}
}

void wayland_finish(struct wayland *wayland) {
	sd_event_source_disable_unref(wayland->source);
	if (wayland->display != NULL) {
		destroy_globals(wayland);
		wl_display_disconnect(wayland->display);
	}
	*wayland = (struct wayland){0};
}

bool wayland_flush(struct wayland *wayland) {
	bool blocked = false;
	if (wl_display_flush(wayland->display) < 0) {
		if (errno != EAGAIN) {
			return false;
		}
		blocked = true;
	}
	if (blocked != wayland->blocked) {
		wayland->blocked = blocked;
		sd_event_source_set_io_events(wayland->source, EPOLLIN | (blocked ? EPOLLOUT : 0));
	}
	return true;
}

bool wayland_blocked(const struct wayland *wayland) {
	return wayland->blocked;
}
