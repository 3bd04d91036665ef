#include "guest-cursor.h"

#include <drm_fourcc.h>
#include <string.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_compositor.h>

#include "guest.h"
#include "paint.h"
#include "seat.h"
#include "server.h"

void guest_cursor_init(struct guest_cursor *cursor, struct guest *guest) {
	*cursor = (struct guest_cursor){.guest = guest};
	wl_list_init(&cursor->commit.link);
	wl_list_init(&cursor->surface_destroy.link);
}

static void forget_surface(struct guest_cursor *cursor) {
	wl_list_remove(&cursor->commit.link);
	wl_list_init(&cursor->commit.link);
	wl_list_remove(&cursor->surface_destroy.link);
	wl_list_init(&cursor->surface_destroy.link);
	cursor->surface = NULL;
}

static void replace_image(struct guest_cursor *cursor, struct wlr_buffer *image) {
	wlr_buffer_drop(cursor->image);
	cursor->image = image;
}

static void changed(struct guest_cursor *cursor) {
	struct server *server = cursor->guest->server;
	if (server->seat != NULL) {
		seat_guest_cursor_changed(server->seat, cursor->guest);
	}
}

void guest_cursor_reset(struct guest_cursor *cursor) {
	bool was = cursor->set;
	forget_surface(cursor);
	replace_image(cursor, NULL);
	cursor->set = false;
	if (was) {
		changed(cursor);
	}
}

/* Rows of ARGB8888, or XRGB8888, whose fourth byte means nothing. */
static struct wlr_buffer *copy_image(
	const uint8_t *untrusted_pixels, size_t stride, int width, int height, bool opaque) {
	cairo_t *cairo;
	struct wlr_buffer *image = paint_buffer_create(width, height, &cairo);
	if (image == NULL) {
		return NULL;
	}
	cairo_surface_t *surface = cairo_get_target(cairo);
	uint8_t *to = cairo_image_surface_get_data(surface);
	size_t to_stride = (size_t)cairo_image_surface_get_stride(surface);
	cairo_surface_flush(surface);
	for (size_t y = 0; y < (size_t)height; y++) {
		uint32_t *row = (uint32_t *)(to + y * to_stride);
		memcpy(row, untrusted_pixels + y * stride, (size_t)width * sizeof(*row));
		for (int x = 0; x < width && opaque; x++) {
			row[x] |= 0xff000000;
		}
	}
	cairo_surface_mark_dirty(surface);
	cairo_destroy(cairo);
	return image;
}

/* A picture that cannot be taken leaves the last one as it was. */
static void take_image(struct guest_cursor *cursor) {
	struct wlr_client_buffer *buffer = cursor->surface->buffer;
	// In a commit its own buffer: a renderer that uploads keeps the first one as the source.
	struct wlr_buffer *source = cursor->surface->current.buffer;
	if (source == NULL && buffer != NULL) {
		source = buffer->source;
	}
	if (buffer == NULL) {
		replace_image(cursor, NULL);
		return;
	}
	if (buffer->base.width > GUEST_CURSOR_SIZE || buffer->base.height > GUEST_CURSOR_SIZE) {
		log_limited(&cursor->log_limit, LOG_LEVEL_WARNING,
			"guest '%s': a pointer of %dx%d pixels is larger than %d: ignored",
			cursor->guest->name, buffer->base.width, buffer->base.height,
			GUEST_CURSOR_SIZE);
		return;
	}
	void *untrusted_pixels;
	uint32_t format;
	size_t stride;
	if (source == NULL ||
		!wlr_buffer_begin_data_ptr_access(source, WLR_BUFFER_DATA_PTR_ACCESS_READ,
			&untrusted_pixels, &format, &stride)) {
		return;
	}
	if (format == DRM_FORMAT_ARGB8888 || format == DRM_FORMAT_XRGB8888) {
		struct wlr_buffer *image = copy_image(untrusted_pixels, stride, source->width,
			source->height, format == DRM_FORMAT_XRGB8888);
		if (image != NULL) {
			replace_image(cursor, image);
		}
	}
	wlr_buffer_end_data_ptr_access(source);
}

static int clamp(int32_t value, int size) {
	return value < 0 ? 0 : value >= size ? size - 1 : value;
}

static void place_hot_spot(struct guest_cursor *cursor) {
	if (cursor->image != NULL) {
		cursor->hot_x = clamp(cursor->asked_x, cursor->image->width);
		cursor->hot_y = clamp(cursor->asked_y, cursor->image->height);
	}
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct guest_cursor *cursor = wl_container_of(listener, cursor, commit);
	if ((cursor->surface->current.committed & WLR_SURFACE_STATE_BUFFER) != 0) {
		take_image(cursor);
		place_hot_spot(cursor);
		changed(cursor);
	}
}

/* As a surface without a buffer: no pointer is shown. */
static void handle_surface_destroy(struct wl_listener *listener, void *data) {
	struct guest_cursor *cursor = wl_container_of(listener, cursor, surface_destroy);
	forget_surface(cursor);
	replace_image(cursor, NULL);
	changed(cursor);
}

void guest_cursor_set(
	struct guest_cursor *cursor, struct wlr_surface *surface, int32_t hot_x, int32_t hot_y) {
	bool other = surface != cursor->surface;
	if (other) {
		forget_surface(cursor);
		replace_image(cursor, NULL);
	}
	cursor->set = true;
	cursor->asked_x = hot_x;
	cursor->asked_y = hot_y;
	if (other && surface != NULL) {
		cursor->surface = surface;
		cursor->commit.notify = handle_commit;
		wl_signal_add(&surface->events.commit, &cursor->commit);
		cursor->surface_destroy.notify = handle_surface_destroy;
		wl_signal_add(&surface->events.destroy, &cursor->surface_destroy);
		take_image(cursor);
	}
	place_hot_spot(cursor);
	changed(cursor);
}
