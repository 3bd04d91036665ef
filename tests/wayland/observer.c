#include "observer.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client.h>

#include "clock.h"
#include "memfd.h"
#include "screencopy-client-protocol.h"

struct observer_private {
	struct wl_display *display;
	struct wl_registry *registry;
	struct wl_output *output;
	struct wl_shm *shm;
	struct zwlr_screencopy_manager_v1 *manager;
	struct zwlr_screencopy_frame_v1 *frame; // in flight, or NULL
	struct wl_buffer *buffer;
	void *map;
	size_t size;
	uint32_t format;
	bool ready, failed;
};

static void handle_global(void *data, struct wl_registry *registry, uint32_t name,
	const char *interface, uint32_t version) {
	struct observer_private *p = ((struct observer *)data)->private;
	if (strcmp(interface, wl_shm_interface.name) == 0) {
		p->shm = wl_registry_bind(registry, name, &wl_shm_interface, 1);
	} else if (strcmp(interface, wl_output_interface.name) == 0 && p->output == NULL) {
		p->output = wl_registry_bind(registry, name, &wl_output_interface, 1);
	} else if (strcmp(interface, zwlr_screencopy_manager_v1_interface.name) == 0 &&
		version >= 3) {
		p->manager =
			wl_registry_bind(registry, name, &zwlr_screencopy_manager_v1_interface, 3);
	}
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

static void handle_buffer(void *data, struct zwlr_screencopy_frame_v1 *frame, uint32_t format,
	uint32_t width, uint32_t height, uint32_t stride) {
	struct observer *observer = data;
	observer->private->format = format;
	observer->width = width;
	observer->height = height;
	observer->stride = stride;
}

static void make_buffer(struct observer *observer) {
	struct observer_private *p = observer->private;
	p->size = (size_t)observer->stride * observer->height;
	int fd = memfd_create_sealed("capture", (p->size + 4095) & ~(size_t)4095);
	if (fd < 0) {
		return;
	}
	void *map = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED) {
		struct wl_shm_pool *pool = wl_shm_create_pool(p->shm, fd, (int32_t)p->size);
		p->map = map;
		p->buffer = wl_shm_pool_create_buffer(pool, 0, (int32_t)observer->width,
			(int32_t)observer->height, (int32_t)observer->stride, p->format);
		wl_shm_pool_destroy(pool);
		observer->pixels = map;
	}
	close(fd);
}

static void handle_buffer_done(void *data, struct zwlr_screencopy_frame_v1 *frame) {
	struct observer *observer = data;
	struct observer_private *p = observer->private;
	if (p->buffer == NULL) {
		make_buffer(observer);
	}
	if (p->buffer == NULL) {
		p->failed = true;
		return;
	}
	// The first one takes the screen as it is.
	if (observer->frames == 0) {
		zwlr_screencopy_frame_v1_copy(frame, p->buffer);
	} else {
		zwlr_screencopy_frame_v1_copy_with_damage(frame, p->buffer);
	}
}

static void handle_flags(void *data, struct zwlr_screencopy_frame_v1 *frame, uint32_t flags) {
}

static void handle_ready(void *data, struct zwlr_screencopy_frame_v1 *frame, uint32_t sec_hi,
	uint32_t sec_lo, uint32_t nsec) {
	struct observer *observer = data;
	observer->committed = ((uint64_t)sec_hi << 32 | (uint64_t)sec_lo) * NSEC_PER_SEC + nsec;
	observer->frames++;
	observer->private->ready = true;
}

static void handle_failed(void *data, struct zwlr_screencopy_frame_v1 *frame) {
	struct observer *observer = data;
	observer->private->failed = true;
}

static void handle_damage(void *data, struct zwlr_screencopy_frame_v1 *frame, uint32_t x,
	uint32_t y, uint32_t width, uint32_t height) {
}

static void handle_linux_dmabuf(void *data, struct zwlr_screencopy_frame_v1 *frame, uint32_t format,
	uint32_t width, uint32_t height) {
}

static const struct zwlr_screencopy_frame_v1_listener frame_listener = {
	.buffer = handle_buffer,
	.flags = handle_flags,
	.ready = handle_ready,
	.failed = handle_failed,
	.damage = handle_damage,
	.linux_dmabuf = handle_linux_dmabuf,
	.buffer_done = handle_buffer_done,
};

struct observer *observer_create(int fd) {
	struct observer *observer = calloc(1, sizeof(*observer));
	struct observer_private *p = calloc(1, sizeof(*p));
	if (observer == NULL || p == NULL) {
		free(observer);
		free(p);
		close(fd);
		return NULL;
	}
	observer->private = p;
	p->display = fd >= 0 ? wl_display_connect_to_fd(fd) : NULL;
	if (p->display != NULL) {
		p->registry = wl_display_get_registry(p->display);
		wl_registry_add_listener(p->registry, &registry_listener, observer);
		wl_display_roundtrip(p->display);
	}
	if (p->manager == NULL || p->output == NULL || p->shm == NULL) {
		observer_destroy(observer);
		return NULL;
	}
	return observer;
}

static void drop_frame(struct observer_private *p) {
	if (p->frame != NULL) {
		zwlr_screencopy_frame_v1_destroy(p->frame);
		p->frame = NULL;
	}
	p->ready = p->failed = false;
}

void observer_destroy(struct observer *observer) {
	if (observer == NULL) {
		return;
	}
	struct observer_private *p = observer->private;
	if (p->display != NULL) {
		drop_frame(p);
		wl_display_disconnect(p->display);
	}
	if (p->map != NULL) {
		munmap(p->map, p->size);
	}
	free(p);
	free(observer);
}

int observer_fd(struct observer *observer) {
	return wl_display_get_fd(observer->private->display);
}

bool observer_dispatch(struct observer *observer) {
	struct observer_private *p = observer->private;
	if (p->ready || p->failed) {
		drop_frame(p);
	}
	if (p->frame == NULL) {
		p->frame = zwlr_screencopy_manager_v1_capture_output(p->manager, 0, p->output);
		zwlr_screencopy_frame_v1_add_listener(p->frame, &frame_listener, observer);
	}
	while (wl_display_prepare_read(p->display) != 0) {
		wl_display_dispatch_pending(p->display);
	}
	wl_display_flush(p->display);
	struct pollfd poll_fd = {.fd = observer_fd(observer), .events = POLLIN};
	if (poll(&poll_fd, 1, 0) > 0) {
		wl_display_read_events(p->display);
	} else {
		wl_display_cancel_read(p->display);
	}
	wl_display_dispatch_pending(p->display);
	wl_display_flush(p->display);
	return p->ready;
}

bool observer_wait(struct observer *observer, int timeout_msec) {
	uint64_t end = clock_usec() + (uint64_t)timeout_msec * USEC_PER_MSEC;
	while (!observer_dispatch(observer)) {
		uint64_t now = clock_usec();
		if (now >= end || wl_display_get_error(observer->private->display) != 0) {
			return false;
		}
		struct pollfd poll_fd = {.fd = observer_fd(observer), .events = POLLIN};
		poll(&poll_fd, 1, (int)((end - now) / USEC_PER_MSEC) + 1);
	}
	return true;
}

uint32_t observer_pixel(const struct observer *observer, uint32_t x, uint32_t y) {
	if (observer->pixels == NULL || x >= observer->width || y >= observer->height) {
		return UINT32_MAX;
	}
	return observer->pixels[(uint64_t)y * observer->stride / 4 + x] & 0xffffff;
}
