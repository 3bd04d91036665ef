#include "cursor.h"

#include <string.h>
#include <sys/mman.h>
#include <wayland-client.h>

#include "clock.h"
#include "cursor-shape-client-protocol.h"
#include "fd.h"
#include "memfd.h"
#include "viewporter-client-protocol.h"
#include "wayland.h"

#define SCALE_ONE 120
#define BUFFER_SIZE (CURSOR_PIXELS * sizeof(uint32_t))
#define ROW_SIZE (BRIDGE_CURSOR_SIZE * sizeof(uint32_t))

static uint32_t min_u32(uint32_t a, uint32_t b) {
	return a < b ? a : b;
}

static uint32_t multiply(uint32_t channel, uint32_t alpha) {
	return (channel * alpha + 127) / 255;
}

static uint32_t premultiply(uint32_t pixel) {
	uint32_t alpha = pixel >> 24;
	return alpha << 24 | multiply(pixel >> 16 & 0xff, alpha) << 16 |
		multiply(pixel >> 8 & 0xff, alpha) << 8 | multiply(pixel & 0xff, alpha);
}

/* Guests differ: Windows does not premultiply, Linux does, and neither says so. Where a
 * channel is brighter than its alpha allows it was not done. */
static bool is_straight(const uint32_t *pixels) {
	for (size_t i = 0; i < CURSOR_PIXELS; i++) {
		uint32_t alpha = pixels[i] >> 24;
		if ((pixels[i] >> 16 & 0xff) > alpha || (pixels[i] >> 8 & 0xff) > alpha ||
			(pixels[i] & 0xff) > alpha) {
			return true;
		}
	}
	return false;
}

static void handle_release(void *data, struct wl_buffer *wl_buffer) {
	struct cursor_buffer *buffer = data;
	buffer->busy = false;
}

static const struct wl_buffer_listener buffer_listener = {
	.release = handle_release,
};

static void make_wl_buffers(struct cursor *cursor, int fd) {
	struct wl_shm_pool *pool =
		wl_shm_create_pool(cursor->wayland->shm, fd, (int32_t)(2 * BUFFER_SIZE));
	for (int i = 0; i < 2 && pool != NULL; i++) {
		struct cursor_buffer *buffer = &cursor->buffers[i];
		buffer->pixels = cursor->map + i * CURSOR_PIXELS;
		buffer->buffer = wl_shm_pool_create_buffer(pool, i * (int32_t)BUFFER_SIZE,
			BRIDGE_CURSOR_SIZE, BRIDGE_CURSOR_SIZE, (int32_t)ROW_SIZE,
			WL_SHM_FORMAT_ARGB8888);
		if (buffer->buffer != NULL) {
			wl_buffer_add_listener(buffer->buffer, &buffer_listener, buffer);
		}
	}
	if (pool != NULL) {
		wl_shm_pool_destroy(pool);
	}
}

/* False where memory is short: then the compositor's own pointer stays. */
static bool make_surface(struct cursor *cursor) {
	if (cursor->surface != NULL) {
		return true;
	}
	int fd = memfd_create_sealed("mullion-cursor", 2 * BUFFER_SIZE);
	if (fd < 0) {
		return false;
	}
	void *map = mmap(NULL, 2 * BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED) {
		cursor->map = map;
		make_wl_buffers(cursor, fd);
		cursor->surface = wl_compositor_create_surface(cursor->wayland->compositor);
		if (cursor->surface != NULL && cursor->wayland->viewporter != NULL) {
			cursor->viewport = wp_viewporter_get_viewport(
				cursor->wayland->viewporter, cursor->surface);
		}
	}
	fd_close(fd);
	return cursor->surface != NULL;
}

static struct cursor_buffer *acquire(struct cursor *cursor) {
	for (size_t i = 0; i < 2; i++) {
		if (cursor->buffers[i].buffer != NULL && !cursor->buffers[i].busy) {
			return &cursor->buffers[i];
		}
	}
	return NULL;
}

static int32_t on_surface(const struct cursor *cursor, uint32_t pixels) {
	return cursor->viewport == NULL
		? (int32_t)pixels
		: (int32_t)((pixels * SCALE_ONE + cursor->scale / 2) / cursor->scale);
}

/* False where the compositor holds all buffers. */
static bool send_picture(struct cursor *cursor) {
	struct cursor_buffer *buffer = NULL;
	if (!make_surface(cursor)) {
		return true;
	}
	if (!cursor->drawn) {
		buffer = acquire(cursor);
		if (buffer == NULL) {
			return false;
		}
	}
	wl_pointer_set_cursor(cursor->pointer, cursor->serial, cursor->surface,
		on_surface(cursor, cursor->hot_x), on_surface(cursor, cursor->hot_y));
	if (buffer != NULL) {
		if (cursor->viewport != NULL) {
			int32_t size = on_surface(cursor, BRIDGE_CURSOR_SIZE);
			wp_viewport_set_destination(cursor->viewport, size, size);
		}
		memcpy(buffer->pixels, cursor->pixels, BUFFER_SIZE);
		wl_surface_attach(cursor->surface, buffer->buffer, 0, 0);
		wl_surface_damage_buffer(
			cursor->surface, 0, 0, BRIDGE_CURSOR_SIZE, BRIDGE_CURSOR_SIZE);
		wl_surface_commit(cursor->surface);
		buffer->busy = true;
		cursor->drawn = true;
	}
	return true;
}

static void send_default(struct cursor *cursor) {
	struct wp_cursor_shape_manager_v1 *shapes = cursor->wayland->cursor_shapes;
	struct wp_cursor_shape_device_v1 *device = shapes == NULL
		? NULL
		: wp_cursor_shape_manager_v1_get_pointer(shapes, cursor->pointer);
	if (device != NULL) {
		wp_cursor_shape_device_v1_set_shape(
			device, cursor->serial, WP_CURSOR_SHAPE_DEVICE_V1_SHAPE_DEFAULT);
		wp_cursor_shape_device_v1_destroy(device);
	}
}

static void send_now(struct cursor *cursor) {
	bool sent = true;
	switch (cursor->kind) {
	case CURSOR_DEFAULT:
		send_default(cursor);
		cursor->drawn = false;
		break;
	case CURSOR_HIDDEN:
		wl_pointer_set_cursor(cursor->pointer, cursor->serial, NULL, 0, 0);
		cursor->drawn = false;
		break;
	case CURSOR_PICTURE:
		sent = send_picture(cursor);
		break;
	}
	if (sent) {
		cursor->dirty = false;
		cursor->sent_at = clock_usec();
	}
}

void cursor_update(struct cursor *cursor) {
	if (!cursor->dirty || cursor->pointer == NULL || wayland_blocked(cursor->wayland)) {
		return;
	}
	if (clock_usec() >= cursor->sent_at + CURSOR_PERIOD) {
		send_now(cursor);
		return;
	}
	sd_event_source_set_time(cursor->timer, cursor->sent_at + CURSOR_PERIOD);
	sd_event_source_set_enabled(cursor->timer, SD_EVENT_ONESHOT);
}

/* Whatever a batch of commands sets is sent once. */
static void change(struct cursor *cursor) {
	cursor->dirty = true;
	if (cursor->pointer != NULL) {
		sd_event_source_set_time(cursor->timer, cursor->sent_at + CURSOR_PERIOD);
		sd_event_source_set_enabled(cursor->timer, SD_EVENT_ONESHOT);
	}
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct cursor *cursor = data;
	cursor_update(cursor);
	cursor->sent(cursor->data);
	return 0;
}

int cursor_init(struct cursor *cursor, sd_event *event, void (*sent)(void *data), void *data) {
	*cursor = (struct cursor){.sent = sent, .data = data};
	int error = sd_event_add_time(
		event, &cursor->timer, CLOCK_MONOTONIC, 0, 1, handle_timer, cursor);
	return error < 0 ? error : sd_event_source_set_enabled(cursor->timer, SD_EVENT_OFF);
}

void cursor_finish(struct cursor *cursor) {
	cursor->timer = sd_event_source_disable_unref(cursor->timer);
}

void cursor_connect(struct cursor *cursor, struct wayland *wayland) {
	cursor->wayland = wayland;
}

void cursor_disconnect(struct cursor *cursor) {
	for (size_t i = 0; i < 2; i++) {
		if (cursor->buffers[i].buffer != NULL) {
			wl_buffer_destroy(cursor->buffers[i].buffer);
		}
		cursor->buffers[i] = (struct cursor_buffer){0};
	}
	if (cursor->viewport != NULL) {
		wp_viewport_destroy(cursor->viewport);
		cursor->viewport = NULL;
	}
	if (cursor->surface != NULL) {
		wl_surface_destroy(cursor->surface);
		cursor->surface = NULL;
	}
	if (cursor->map != NULL) {
		munmap(cursor->map, 2 * BUFFER_SIZE);
		cursor->map = NULL;
	}
	sd_event_source_set_enabled(cursor->timer, SD_EVENT_OFF);
	cursor->wayland = NULL;
	cursor->pointer = NULL;
	cursor->drawn = false;
}

void cursor_set(struct cursor *cursor, const uint32_t *pixels, uint32_t hot_x, uint32_t hot_y) {
	if (pixels == NULL) {
		if (cursor->kind != CURSOR_HIDDEN) {
			cursor->kind = CURSOR_HIDDEN;
			change(cursor);
		}
		return;
	}
	hot_x = min_u32(hot_x, BRIDGE_CURSOR_SIZE - 1);
	hot_y = min_u32(hot_y, BRIDGE_CURSOR_SIZE - 1);
	uint32_t next[CURSOR_PIXELS];
	bool straight = is_straight(pixels);
	for (size_t i = 0; i < CURSOR_PIXELS; i++) {
		next[i] = straight ? premultiply(pixels[i]) : pixels[i];
	}
	bool same = memcmp(cursor->pixels, next, sizeof(next)) == 0;
	if (same && cursor->kind == CURSOR_PICTURE && cursor->hot_x == hot_x &&
		cursor->hot_y == hot_y) {
		return;
	}
	memcpy(cursor->pixels, next, sizeof(next));
	cursor->drawn = cursor->drawn && same;
	cursor->kind = CURSOR_PICTURE;
	cursor->hot_x = hot_x;
	cursor->hot_y = hot_y;
	change(cursor);
}

void cursor_reset(struct cursor *cursor) {
	if (cursor->kind != CURSOR_DEFAULT) {
		cursor->kind = CURSOR_DEFAULT;
		change(cursor);
	}
}

void cursor_pointed(
	struct cursor *cursor, struct wl_pointer *pointer, uint32_t serial, uint32_t scale) {
	cursor->scale = scale != 0 ? scale : SCALE_ONE;
	cursor->pointer = pointer;
	cursor->serial = serial;
	if (pointer != NULL) {
		cursor->dirty = true;
		cursor->drawn = false; // what is no longer shown may be forgotten
		cursor->sent_at = 0;
	}
}
