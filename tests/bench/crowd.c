#include "crowd.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client.h>

#include "clock.h"
#include "memfd.h"
#include "mullion-guest-v1-client-protocol.h"
#include "xdg-shell-client-protocol.h"

#define FRAME_NSEC (NSEC_PER_SEC / 4) // that a frame may take
#define PAGE 4096

struct crowd_client {
	struct wl_display *display; // owned, as all that follows
	struct wl_registry *registry;
	struct wl_compositor *compositor;
	struct wl_shm *shm;
	struct wl_surface *surface;
	struct mullion_guest_v1 *guest; // NULL where there is no such role
	struct mullion_desktop_v1 *desktop;
	struct xdg_wm_base *shell;
	struct xdg_surface *xdg;
	struct xdg_toplevel *toplevel;
	struct wl_buffer *buffer;
	struct wl_callback *asked; // NULL: the next frame may be drawn
	uint32_t *pixels;
	int32_t width, height;
	bool configured;
	unsigned left; // frames that are still to be drawn
	uint32_t colour;
};

static void handle_ping(void *data, struct xdg_wm_base *shell, uint32_t serial) {
	xdg_wm_base_pong(shell, serial);
}

static const struct xdg_wm_base_listener shell_listener = {.ping = handle_ping};

static void handle_global(void *data, struct wl_registry *registry, uint32_t name,
	const char *interface, uint32_t version) {
	struct crowd_client *client = data;
	if (strcmp(interface, wl_compositor_interface.name) == 0) {
		client->compositor = wl_registry_bind(registry, name, &wl_compositor_interface, 4);
	} else if (strcmp(interface, wl_shm_interface.name) == 0) {
		client->shm = wl_registry_bind(registry, name, &wl_shm_interface, 1);
	} else if (strcmp(interface, mullion_guest_v1_interface.name) == 0) {
		client->guest = wl_registry_bind(registry, name, &mullion_guest_v1_interface, 1);
	} else if (strcmp(interface, xdg_wm_base_interface.name) == 0) {
		client->shell = wl_registry_bind(registry, name, &xdg_wm_base_interface, 1);
		xdg_wm_base_add_listener(client->shell, &shell_listener, client);
	}
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

static void handle_surface_configure(void *data, struct xdg_surface *xdg, uint32_t serial) {
	struct crowd_client *client = data;
	xdg_surface_ack_configure(xdg, serial);
	client->configured = true;
}

static const struct xdg_surface_listener xdg_listener = {.configure = handle_surface_configure};

static void handle_toplevel_configure(void *data, struct xdg_toplevel *toplevel, int32_t width,
	int32_t height, struct wl_array *states) {
}

static void handle_close(void *data, struct xdg_toplevel *toplevel) {
}

static const struct xdg_toplevel_listener toplevel_listener = {
	.configure = handle_toplevel_configure,
	.close = handle_close,
};

static bool make_buffer(struct crowd_client *client) {
	size_t size = (size_t)client->width * (size_t)client->height * sizeof(*client->pixels);
	int fd = memfd_create_sealed("frame", (size + PAGE - 1) / PAGE * PAGE);
	if (fd < 0) {
		return false;
	}
	void *pixels = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (pixels != MAP_FAILED) {
		struct wl_shm_pool *pool = wl_shm_create_pool(client->shm, fd, (int32_t)size);
		client->pixels = pixels;
		client->buffer = wl_shm_pool_create_buffer(pool, 0, client->width, client->height,
			client->width * (int32_t)sizeof(*client->pixels), WL_SHM_FORMAT_XRGB8888);
		wl_shm_pool_destroy(pool);
	}
	close(fd);
	return client->buffer != NULL;
}

static bool take_role(struct crowd_client *client, const char *name, bool fullscreen) {
	if (client->guest != NULL) {
		client->desktop = mullion_guest_v1_get_desktop(client->guest, client->surface, 0);
		return true;
	}
	if (client->shell == NULL) {
		return false;
	}
	client->xdg = xdg_wm_base_get_xdg_surface(client->shell, client->surface);
	xdg_surface_add_listener(client->xdg, &xdg_listener, client);
	client->toplevel = xdg_surface_get_toplevel(client->xdg);
	xdg_toplevel_add_listener(client->toplevel, &toplevel_listener, client);
	xdg_toplevel_set_app_id(client->toplevel, name);
	if (fullscreen) {
		xdg_toplevel_set_fullscreen(client->toplevel, NULL);
	}
	wl_surface_commit(client->surface);
	while (!client->configured) {
		if (wl_display_roundtrip(client->display) < 0) {
			return false;
		}
	}
	return true;
}

bool crowd_join(struct crowd *crowd, struct wl_display *display, const char *name, int32_t width,
	int32_t height, bool fullscreen) {
	struct crowd_client *client = calloc(1, sizeof(*client));
	if (client == NULL || display == NULL || crowd->len == CROWD_MAX) {
		free(client);
		return false;
	}
	crowd->clients[crowd->len++] = client;
	*client = (struct crowd_client){.display = display, .width = width, .height = height};
	client->registry = wl_display_get_registry(client->display);
	wl_registry_add_listener(client->registry, &registry_listener, client);
	if (wl_display_roundtrip(client->display) < 0 || client->compositor == NULL ||
		client->shm == NULL) {
		return false;
	}
	client->surface = wl_compositor_create_surface(client->compositor);
	return take_role(client, name, fullscreen) && make_buffer(client) &&
		wl_display_roundtrip(client->display) >= 0;
}

static void client_destroy(struct crowd_client *client) {
	if (client->pixels != NULL) {
		munmap(client->pixels,
			(size_t)client->width * (size_t)client->height * sizeof(*client->pixels));
	}
	struct wl_proxy *const proxies[] = {
		(struct wl_proxy *)client->asked,
		(struct wl_proxy *)client->buffer,
		(struct wl_proxy *)client->toplevel,
		(struct wl_proxy *)client->xdg,
		(struct wl_proxy *)client->shell,
		(struct wl_proxy *)client->desktop,
		(struct wl_proxy *)client->guest,
		(struct wl_proxy *)client->surface,
		(struct wl_proxy *)client->shm,
		(struct wl_proxy *)client->compositor,
		(struct wl_proxy *)client->registry,
	};
	for (size_t i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++) {
		if (proxies[i] != NULL) {
			wl_proxy_destroy(proxies[i]);
		}
	}
	wl_display_disconnect(client->display);
	free(client);
}

void crowd_finish(struct crowd *crowd) {
	for (unsigned i = 0; i < crowd->len; i++) {
		client_destroy(crowd->clients[i]);
	}
	*crowd = (struct crowd){0};
}

static void handle_frame(void *data, struct wl_callback *callback, uint32_t time) {
	struct crowd_client *client = data;
	wl_callback_destroy(callback);
	client->asked = NULL;
}

static const struct wl_callback_listener frame_listener = {.done = handle_frame};

static void draw(struct crowd_client *client, struct crowd_box box) {
	client->colour += 0x010305;
	for (int32_t y = box.y; y < box.y + box.height; y++) {
		uint32_t *row = client->pixels + (ptrdiff_t)y * client->width;
		for (int32_t x = box.x; x < box.x + box.width; x++) {
			row[x] = client->colour;
		}
	}
	client->asked = wl_surface_frame(client->surface);
	wl_callback_add_listener(client->asked, &frame_listener, client);
	wl_surface_attach(client->surface, client->buffer, 0, 0);
	wl_surface_damage_buffer(client->surface, box.x, box.y, box.width, box.height);
	wl_surface_commit(client->surface);
	client->left--;
}

/* Handles what has come for one of them, and has all draw that may. Returns how many are not
 * done, or -1. */
static int draw_due(struct crowd *crowd, struct crowd_box box) {
	int busy = 0;
	for (unsigned i = 0; i < crowd->len; i++) {
		struct crowd_client *client = crowd->clients[i];
		if (wl_display_dispatch_pending(client->display) < 0) {
			return -1;
		}
		if (client->asked == NULL && client->left > 0) {
			draw(client, box);
		}
		wl_display_flush(client->display);
		busy += client->asked != NULL || client->left > 0;
	}
	return busy;
}

static bool wait_for_any(struct crowd *crowd) {
	struct pollfd poll_fds[CROWD_MAX];
	for (unsigned i = 0; i < crowd->len; i++) {
		struct wl_display *display = crowd->clients[i]->display;
		while (wl_display_prepare_read(display) != 0) {
			wl_display_dispatch_pending(display);
		}
		poll_fds[i] = (struct pollfd){.fd = wl_display_get_fd(display), .events = POLLIN};
	}
	int ready = poll(poll_fds, crowd->len, 1000);
	bool good = ready >= 0;
	for (unsigned i = 0; i < crowd->len; i++) {
		struct wl_display *display = crowd->clients[i]->display;
		if (poll_fds[i].revents == 0) {
			wl_display_cancel_read(display);
		} else if (wl_display_read_events(display) < 0) {
			good = false;
		}
	}
	return good;
}

bool crowd_draw(struct crowd *crowd, unsigned frames, struct crowd_box box) {
	for (unsigned i = 0; i < crowd->len; i++) {
		crowd->clients[i]->left = frames;
	}
	uint64_t end = clock_nsec() + frames * FRAME_NSEC;
	int busy;
	while ((busy = draw_due(crowd, box)) > 0) {
		if (clock_nsec() > end || !wait_for_any(crowd)) {
			return false;
		}
	}
	return busy == 0;
}
