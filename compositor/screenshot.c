#include "screenshot.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/render/wlr_texture.h>
#include <wlr/types/wlr_buffer.h>
#include <wlr/types/wlr_output.h>

#include "fd.h"
#include "memfd.h"
#include "output.h"
#include "server.h"

#define BYTES_PER_PIXEL 4
#define PAGE 4096

struct screenshot_request {
	struct wl_list link; // requests
	struct output *output;
	screenshot_func done;
	void *data;
};

static struct wl_list requests = {&requests, &requests};

/* Copies a texture into a memfd of its own. */
static int read_texture(struct wlr_texture *texture, struct screenshot *ret) {
	uint32_t stride = texture->width * BYTES_PER_PIXEL;
	uint64_t size = (uint64_t)stride * texture->height;
	int fd = memfd_create_sealed("mullion-screenshot", (size + PAGE - 1) / PAGE * PAGE);
	if (fd < 0) {
		return fd;
	}
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED) {
		int error = -errno;
		fd_close(fd);
		return error;
	}
	struct wlr_texture_read_pixels_options options = {
		.data = data,
		.format = DRM_FORMAT_XRGB8888,
		.stride = stride,
	};
	bool done = wlr_texture_read_pixels(texture, &options);
	munmap(data, size);
	if (!done) {
		fd_close(fd);
		return -EIO;
	}
	*ret = (struct screenshot){
		.fd = fd,
		.width = (int)texture->width,
		.height = (int)texture->height,
		.stride = (int)stride,
	};
	return 0;
}

int screenshot_buffer(struct server *server, struct wlr_buffer *buffer, struct screenshot *ret) {
	// Of a surface's buffer wlroots keeps a texture, also when its client has gone.
	struct wlr_client_buffer *client_buffer = wlr_client_buffer_get(buffer);
	return client_buffer != NULL && client_buffer->texture != NULL
		? read_texture(client_buffer->texture, ret)
		: -ENODATA;
}

struct screenshot_request *screenshot_session(
	struct server *server, screenshot_func done, void *data) {
	struct screenshot_request *request = calloc(1, sizeof(*request));
	if (request == NULL || wl_list_empty(&server->outputs)) {
		free(request);
		return NULL;
	}
	struct output *output = wl_container_of(server->outputs.next, output, link);
	request->output = output;
	request->done = done;
	request->data = data;
	wl_list_insert(&requests, &request->link);
	wlr_output_lock_attach_render(output->wlr, true);
	wlr_output_schedule_frame(output->wlr);
	return request;
}

void screenshot_cancel(struct screenshot_request *request) {
	wlr_output_lock_attach_render(request->output->wlr, false);
	wl_list_remove(&request->link);
	free(request);
}

static void finish(struct screenshot_request *request, const struct screenshot *screenshot) {
	screenshot_func done = request->done;
	void *data = request->data;
	screenshot_cancel(request);
	done(data, screenshot);
}

void screenshot_output_committed(struct output *output, struct wlr_buffer *buffer) {
	struct screenshot_request *request, *next;
	wl_list_for_each_safe (request, next, &requests, link) {
		if (request->output != output) {
			continue;
		}
		struct screenshot screenshot = {.fd = -1};
		struct wlr_texture *texture =
			wlr_texture_from_buffer(output->server->renderer, buffer);
		if (texture != NULL) {
			read_texture(texture, &screenshot);
			wlr_texture_destroy(texture);
		}
		finish(request, &screenshot);
	}
}

void screenshot_output_gone(struct output *output) {
	static const struct screenshot none = {.fd = -1};
	struct screenshot_request *request, *next;
	wl_list_for_each_safe (request, next, &requests, link) {
		if (request->output == output) {
			finish(request, &none);
		}
	}
}
