#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "memfd.h"

#define SYNC_MSEC 5000

static void handle_capabilities(void *data, struct wl_seat *seat, uint32_t capabilities) {
	struct peer *peer = data;
	peer->capabilities = capabilities;
}

static void handle_seat_name(void *data, struct wl_seat *seat, const char *name) {
}

static const struct wl_seat_listener seat_listener = {
	.capabilities = handle_capabilities,
	.name = handle_seat_name,
};

static void handle_global(void *data, struct wl_registry *registry, uint32_t name,
	const char *interface, uint32_t version) {
	struct peer *peer = data;
	peer->globals++;
	if (strcmp(interface, wl_compositor_interface.name) == 0) {
		peer->compositor = wl_registry_bind(registry, name, &wl_compositor_interface, 4);
	} else if (strcmp(interface, wl_shm_interface.name) == 0) {
		peer->shm_name = name;
		peer->shm = wl_registry_bind(registry, name, &wl_shm_interface, 1);
	} else if (strcmp(interface, wl_seat_interface.name) == 0) {
		peer->seat = wl_registry_bind(registry, name, &wl_seat_interface, 5);
		wl_seat_add_listener(peer->seat, &seat_listener, peer);
	} else if (strcmp(interface, zwp_relative_pointer_manager_v1_interface.name) == 0) {
		peer->relatives = wl_registry_bind(
			registry, name, &zwp_relative_pointer_manager_v1_interface, 1);
	} else if (strcmp(interface, wp_cursor_shape_manager_v1_interface.name) == 0) {
		peer->shapes =
			wl_registry_bind(registry, name, &wp_cursor_shape_manager_v1_interface, 1);
	} else if (strcmp(interface, mullion_guest_v1_interface.name) == 0) {
		peer->guest = wl_registry_bind(registry, name, &mullion_guest_v1_interface, 2);
	}
	peer->xdg_shell = peer->xdg_shell || strcmp(interface, "xdg_wm_base") == 0;
	peer->screencopy = peer->screencopy || strcmp(interface, "zwlr_screencopy_manager_v1") == 0;
	peer->data_device = peer->data_device || strcmp(interface, "wl_data_device_manager") == 0;
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

bool peer_connect(struct peer *peer, int fd) {
	*peer = (struct peer){.display = wl_display_connect_to_fd(fd)};
	if (peer->display == NULL) {
		close(fd);
		return false;
	}
	peer->registry = wl_display_get_registry(peer->display);
	wl_registry_add_listener(peer->registry, &registry_listener, peer);
	if (peer_sync(peer) < 0 || peer->compositor == NULL || peer->shm == NULL) {
		return false;
	}
	peer->surface = wl_compositor_create_surface(peer->compositor);
	return peer->surface != NULL;
}

void peer_make_desktop(struct peer *peer) {
	peer->desktop = mullion_guest_v1_get_desktop(peer->guest, peer->surface, 0);
}

static void handle_configure(void *data, struct mullion_desktop_v1 *desktop, uint32_t width,
	uint32_t height, uint32_t refresh, uint32_t scale) {
	struct peer_head *head = data;
	head->width = width;
	head->height = height;
	head->refresh = refresh;
	head->scale = scale;
	head->configures++;
}

static void handle_visibility(void *data, struct mullion_desktop_v1 *desktop, uint32_t state) {
	struct peer_head *head = data;
	head->visibility = state;
}

static void handle_ping(void *data, struct mullion_desktop_v1 *desktop, uint32_t serial) {
	struct peer_head *head = data;
	if (!head->peer->mute) {
		mullion_desktop_v1_pong(desktop, serial);
	}
}

static const struct mullion_desktop_v1_listener desktop_listener = {
	.configure = handle_configure,
	.visibility = handle_visibility,
	.ping = handle_ping,
};

struct peer_head *peer_make_head(struct peer *peer, uint32_t number) {
	struct peer_head *head = &peer->heads[number];
	*head = (struct peer_head){
		.peer = peer, .surface = wl_compositor_create_surface(peer->compositor)};
	head->desktop = mullion_guest_v1_get_desktop(peer->guest, head->surface, number);
	mullion_desktop_v1_add_listener(head->desktop, &desktop_listener, head);
	return head;
}

static void handle_enter(void *data, struct wl_pointer *wl, uint32_t serial,
	struct wl_surface *surface, wl_fixed_t x, wl_fixed_t y) {
	struct peer_pointer *pointer = data;
	pointer->serial = serial;
	pointer->inside = surface;
	pointer->x = wl_fixed_to_double(x);
	pointer->y = wl_fixed_to_double(y);
	pointer->enters++;
}

static void handle_leave(
	void *data, struct wl_pointer *wl, uint32_t serial, struct wl_surface *surface) {
	struct peer_pointer *pointer = data;
	pointer->inside = NULL;
}

static void handle_motion(
	void *data, struct wl_pointer *wl, uint32_t time, wl_fixed_t x, wl_fixed_t y) {
	struct peer_pointer *pointer = data;
	pointer->x = wl_fixed_to_double(x);
	pointer->y = wl_fixed_to_double(y);
	pointer->motions++;
}

static void handle_button(void *data, struct wl_pointer *wl, uint32_t serial, uint32_t time,
	uint32_t button, uint32_t state) {
	struct peer_pointer *pointer = data;
	pointer->buttons++;
}

static void handle_axis(
	void *data, struct wl_pointer *wl, uint32_t time, uint32_t axis, wl_fixed_t value) {
}

static void handle_frame(void *data, struct wl_pointer *wl) {
}

static void handle_axis_source(void *data, struct wl_pointer *wl, uint32_t source) {
}

static void handle_axis_stop(void *data, struct wl_pointer *wl, uint32_t time, uint32_t axis) {
}

static void handle_axis_discrete(void *data, struct wl_pointer *wl, uint32_t axis, int32_t clicks) {
}

static const struct wl_pointer_listener pointer_listener = {
	.enter = handle_enter,
	.leave = handle_leave,
	.motion = handle_motion,
	.button = handle_button,
	.axis = handle_axis,
	.frame = handle_frame,
	.axis_source = handle_axis_source,
	.axis_stop = handle_axis_stop,
	.axis_discrete = handle_axis_discrete,
};

static void handle_relative_motion(void *data, struct zwp_relative_pointer_v1 *relative,
	uint32_t time_high, uint32_t time_low, wl_fixed_t dx, wl_fixed_t dy, wl_fixed_t plain_dx,
	wl_fixed_t plain_dy) {
	struct peer_pointer *pointer = data;
	pointer->dx += wl_fixed_to_double(plain_dx);
	pointer->dy += wl_fixed_to_double(plain_dy);
	pointer->relative_motions++;
}

static const struct zwp_relative_pointer_v1_listener relative_listener = {
	.relative_motion = handle_relative_motion,
};

void peer_take_pointer(struct peer *peer) {
	peer->pointer.wl = wl_seat_get_pointer(peer->seat);
	wl_pointer_add_listener(peer->pointer.wl, &pointer_listener, &peer->pointer);
	peer->pointer.relative = zwp_relative_pointer_manager_v1_get_relative_pointer(
		peer->relatives, peer->pointer.wl);
	zwp_relative_pointer_v1_add_listener(
		peer->pointer.relative, &relative_listener, &peer->pointer);
}

static void handle_keymap(
	void *data, struct wl_keyboard *wl, uint32_t format, int32_t fd, uint32_t size) {
	close(fd);
}

static void handle_key_enter(void *data, struct wl_keyboard *wl, uint32_t serial,
	struct wl_surface *surface, struct wl_array *keys) {
	struct peer_keyboard *keyboard = data;
	keyboard->inside = surface;
}

static void handle_key_leave(
	void *data, struct wl_keyboard *wl, uint32_t serial, struct wl_surface *surface) {
	struct peer_keyboard *keyboard = data;
	keyboard->inside = NULL;
}

static void handle_key(void *data, struct wl_keyboard *wl, uint32_t serial, uint32_t time,
	uint32_t key, uint32_t state) {
	struct peer_keyboard *keyboard = data;
	if (keyboard->len < PEER_KEYS) {
		keyboard->keys[keyboard->len].code = key;
		keyboard->keys[keyboard->len++].pressed = state == WL_KEYBOARD_KEY_STATE_PRESSED;
	}
}

static void handle_modifiers(void *data, struct wl_keyboard *wl, uint32_t serial,
	uint32_t depressed, uint32_t latched, uint32_t locked, uint32_t group) {
}

static void handle_repeat_info(void *data, struct wl_keyboard *wl, int32_t rate, int32_t delay) {
}

static const struct wl_keyboard_listener keyboard_listener = {
	.keymap = handle_keymap,
	.enter = handle_key_enter,
	.leave = handle_key_leave,
	.key = handle_key,
	.modifiers = handle_modifiers,
	.repeat_info = handle_repeat_info,
};

void peer_take_keyboard(struct peer *peer) {
	peer->keyboard.wl = wl_seat_get_keyboard(peer->seat);
	wl_keyboard_add_listener(peer->keyboard.wl, &keyboard_listener, &peer->keyboard);
}

static void handle_touch_down(void *data, struct wl_touch *wl, uint32_t serial, uint32_t time,
	struct wl_surface *surface, int32_t id, wl_fixed_t x, wl_fixed_t y) {
	struct peer_touch *touch = data;
	touch->downs++;
	if (id >= 0 && id < PEER_FINGERS) {
		touch->fingers[id] = (struct peer_finger){
			surface, wl_fixed_to_double(x), wl_fixed_to_double(y), serial};
	}
}

static void handle_touch_up(
	void *data, struct wl_touch *wl, uint32_t serial, uint32_t time, int32_t id) {
	struct peer_touch *touch = data;
	touch->ups++;
	if (id >= 0 && id < PEER_FINGERS) {
		touch->fingers[id].surface = NULL;
	}
}

static void handle_touch_motion(
	void *data, struct wl_touch *wl, uint32_t time, int32_t id, wl_fixed_t x, wl_fixed_t y) {
	struct peer_touch *touch = data;
	touch->motions++;
	if (id >= 0 && id < PEER_FINGERS) {
		touch->fingers[id].x = wl_fixed_to_double(x);
		touch->fingers[id].y = wl_fixed_to_double(y);
	}
}

static void handle_touch_frame(void *data, struct wl_touch *wl) {
	struct peer_touch *touch = data;
	touch->frames++;
}

static void handle_touch_cancel(void *data, struct wl_touch *wl) {
	struct peer_touch *touch = data;
	touch->cancels++;
	for (size_t i = 0; i < PEER_FINGERS; i++) {
		touch->fingers[i].surface = NULL;
	}
}

static const struct wl_touch_listener touch_listener = {
	.down = handle_touch_down,
	.up = handle_touch_up,
	.motion = handle_touch_motion,
	.frame = handle_touch_frame,
	.cancel = handle_touch_cancel,
};

void peer_take_touch(struct peer *peer) {
	peer->touch.wl = wl_seat_get_touch(peer->seat);
	wl_touch_add_listener(peer->touch.wl, &touch_listener, &peer->touch);
}

void peer_finish(struct peer *peer) {
	if (peer->display == NULL) {
		return;
	}
	if (peer->touch.wl != NULL) {
		wl_touch_release(peer->touch.wl);
	}
	if (peer->pointer.relative != NULL) {
		zwp_relative_pointer_v1_destroy(peer->pointer.relative);
	}
	if (peer->relatives != NULL) {
		zwp_relative_pointer_manager_v1_destroy(peer->relatives);
	}
	if (peer->shapes != NULL) {
		wp_cursor_shape_manager_v1_destroy(peer->shapes);
	}
	if (peer->pointer.wl != NULL) {
		wl_pointer_release(peer->pointer.wl);
	}
	if (peer->seat != NULL) {
		wl_seat_release(peer->seat);
	}
	for (size_t i = 0; i < PEER_HEADS; i++) {
		if (peer->heads[i].desktop != NULL) {
			mullion_desktop_v1_destroy(peer->heads[i].desktop);
			wl_surface_destroy(peer->heads[i].surface);
		}
	}
	if (peer->desktop != NULL) {
		mullion_desktop_v1_destroy(peer->desktop);
	}
	if (peer->surface != NULL) {
		wl_surface_destroy(peer->surface);
	}
	if (peer->guest != NULL) {
		mullion_guest_v1_destroy(peer->guest);
	}
	if (peer->shm != NULL) {
		wl_shm_destroy(peer->shm);
	}
	if (peer->compositor != NULL) {
		wl_compositor_destroy(peer->compositor);
	}
	wl_registry_destroy(peer->registry);
	wl_display_disconnect(peer->display);
	*peer = (struct peer){0};
}

static void handle_done(void *data, struct wl_callback *callback, uint32_t serial) {
	*(bool *)data = true;
}

static const struct wl_callback_listener done_listener = {
	.done = handle_done,
};

/* Reads and handles what has come, waiting for it at most timeout_msec. */
static int dispatch(struct peer *peer, int timeout_msec) {
	while (wl_display_prepare_read(peer->display) != 0) {
		if (wl_display_dispatch_pending(peer->display) < 0) {
			return -EPIPE;
		}
	}
	wl_display_flush(peer->display);
	struct pollfd poll_fd = {.fd = wl_display_get_fd(peer->display), .events = POLLIN};
	if (poll(&poll_fd, 1, timeout_msec) <= 0) {
		wl_display_cancel_read(peer->display);
		return 0;
	}
	if (wl_display_read_events(peer->display) < 0 ||
		wl_display_dispatch_pending(peer->display) < 0) {
		return -EPIPE;
	}
	return 0;
}

int peer_sync(struct peer *peer) {
	bool done = false;
	struct wl_callback *callback = wl_display_sync(peer->display);
	wl_callback_add_listener(callback, &done_listener, &done);
	uint64_t end = clock_usec() + SYNC_MSEC * USEC_PER_MSEC;
	int error = 0;
	while (!done && error == 0) {
		error = clock_usec() > end ? -ETIMEDOUT : dispatch(peer, SYNC_MSEC / 10);
	}
	wl_callback_destroy(callback);
	if (error == -EPIPE && wl_display_get_error(peer->display) != 0) {
		error = -wl_display_get_error(peer->display);
	}
	return error;
}

int peer_flush(struct peer *peer, int timeout_msec) {
	uint64_t end = clock_usec() + (uint64_t)timeout_msec * USEC_PER_MSEC;
	while (wl_display_flush(peer->display) < 0) {
		if (errno != EAGAIN) {
			return -errno;
		}
		struct pollfd poll_fd = {.fd = wl_display_get_fd(peer->display), .events = POLLOUT};
		if (clock_usec() > end || poll(&poll_fd, 1, timeout_msec) <= 0) {
			return -ETIMEDOUT;
		}
	}
	return 0;
}

struct wl_buffer *peer_buffer(struct peer *peer, int fd, int32_t pool_size, int32_t offset,
	int32_t width, int32_t height, int32_t stride, uint32_t format) {
	struct wl_shm_pool *pool = wl_shm_create_pool(peer->shm, fd, pool_size);
	struct wl_buffer *buffer =
		wl_shm_pool_create_buffer(pool, offset, width, height, stride, format);
	wl_shm_pool_destroy(pool);
	return buffer;
}

static struct wl_buffer *commit_pixels(struct peer *peer, struct wl_surface *surface, int32_t width,
	int32_t height, uint32_t format, uint32_t colour,
	uint32_t (*pixel)(uint32_t x, uint32_t y, uint32_t width, uint32_t height)) {
	int32_t size = width * height * 4;
	int fd = memfd_create_sealed("frame", (uint64_t)size);
	uint32_t *pixels =
		fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_WRITE, MAP_SHARED, fd, 0);
	if (pixels == MAP_FAILED) {
		close(fd);
		return NULL;
	}
	for (int32_t i = 0; i < width * height; i++) {
		pixels[i] = pixel == NULL ? colour
					  : pixel((uint32_t)(i % width), (uint32_t)(i / width),
						    (uint32_t)width, (uint32_t)height);
	}
	munmap(pixels, (size_t)size);
	struct wl_buffer *buffer = peer_buffer(peer, fd, size, 0, width, height, width * 4, format);
	wl_surface_attach(surface, buffer, 0, 0);
	wl_surface_damage_buffer(surface, 0, 0, width, height);
	wl_surface_commit(surface);
	close(fd);
	return buffer;
}

struct wl_buffer *peer_fill(struct peer *peer, struct wl_surface *surface, int32_t width,
	int32_t height, uint32_t format, uint32_t colour) {
	return commit_pixels(peer, surface, width, height, format, colour, NULL);
}

struct wl_buffer *peer_draw(struct peer *peer, struct wl_surface *surface, int32_t width,
	int32_t height, uint32_t format,
	uint32_t (*pixel)(uint32_t x, uint32_t y, uint32_t width, uint32_t height)) {
	return commit_pixels(peer, surface, width, height, format, 0, pixel);
}

struct wl_buffer *peer_show(struct peer *peer, int32_t width, int32_t height) {
	return peer_fill(peer, peer->surface, width, height, WL_SHM_FORMAT_XRGB8888, 0);
}
