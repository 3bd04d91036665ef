#include "canvas.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client.h>

#include "checked.h"
#include "fd.h"
#include "memfd.h"

static void handle_release(void *data, struct wl_buffer *wl_buffer) {
	struct canvas_buffer *buffer = data;
	buffer->busy = false;
	buffer->canvas->released(buffer->canvas->data);
}

static const struct wl_buffer_listener buffer_listener = {
	.release = handle_release,
};

static struct wl_buffer *create_wl_buffer(struct canvas *canvas, int fd) {
	struct wl_shm_pool *pool = wl_shm_create_pool(canvas->shm, fd, (int32_t)canvas->size);
	if (pool == NULL) {
		return NULL;
	}
	struct wl_buffer *buffer = wl_shm_pool_create_buffer(pool, 0, (int32_t)canvas->width,
		(int32_t)canvas->height, (int32_t)canvas->width * 4, WL_SHM_FORMAT_XRGB8888);
	wl_shm_pool_destroy(pool);
	return buffer;
}

static int buffer_init(struct canvas *canvas, struct canvas_buffer *buffer) {
	int fd = memfd_create_sealed("mullion-canvas", canvas->size);
	if (fd < 0) {
		return fd;
	}
	void *map = mmap(NULL, canvas->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		fd_close(fd);
		return -ENOMEM;
	}
	buffer->canvas = canvas;
	buffer->pixels = map;
	buffer->buffer = create_wl_buffer(canvas, fd);
	fd_close(fd);
	if (buffer->buffer == NULL) {
		return -ENOMEM;
	}
	wl_buffer_add_listener(buffer->buffer, &buffer_listener, buffer);
	buffer->stale = (struct damage_boxes){0};
	damage_boxes_add(&buffer->stale,
		(struct damage_box){.width = canvas->width, .height = canvas->height});
	return 0;
}

static void buffer_finish(struct canvas_buffer *buffer) {
	if (buffer->buffer != NULL) {
		wl_buffer_destroy(buffer->buffer);
	}
	if (buffer->pixels != NULL) {
		munmap(buffer->pixels, buffer->canvas->size);
	}
	*buffer = (struct canvas_buffer){0};
}

int canvas_create(struct canvas **ret, struct wl_shm *shm, uint32_t width, uint32_t height,
	void (*released)(void *data), void *data) {
	uint64_t size;
	if (!checked_mul((uint64_t)width * height, 4, &size) || size == 0 ||
		size > CANVAS_BYTES_MAX ||
		!checked_align(size, (uint64_t)sysconf(_SC_PAGESIZE), &size)) {
		return -ERANGE;
	}
	struct canvas *canvas = calloc(1, sizeof(*canvas));
	if (canvas == NULL) {
		return -ENOMEM;
	}
	*canvas = (struct canvas){
		.shm = shm,
		.width = width,
		.height = height,
		.size = size,
		.released = released,
		.data = data,
	};
	int error = buffer_init(canvas, &canvas->buffers[0]);
	if (error < 0) {
		canvas_destroy(canvas);
		return error;
	}
	*ret = canvas;
	return 0;
}

void canvas_destroy(struct canvas *canvas) {
	if (canvas == NULL) {
		return;
	}
	buffer_finish(&canvas->buffers[0]);
	buffer_finish(&canvas->buffers[1]);
	free(canvas);
}

void canvas_add_stale(struct canvas *canvas, const struct damage_boxes *boxes) {
	damage_boxes_add_all(&canvas->buffers[0].stale, boxes);
	damage_boxes_add_all(&canvas->buffers[1].stale, boxes);
}

struct canvas_buffer *canvas_acquire(struct canvas *canvas) {
	for (size_t i = 0; i < 2; i++) {
		struct canvas_buffer *buffer = &canvas->buffers[i];
		if (buffer->busy) {
			continue;
		}
		if (buffer->buffer == NULL && buffer_init(canvas, buffer) < 0) {
			buffer_finish(buffer);
			return NULL;
		}
		return buffer;
	}
	return NULL;
}
