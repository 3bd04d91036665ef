#include "software-renderer.h"

#include <drm_fourcc.h>
#include <pixman.h>
#include <stdlib.h>
#include <wlr/render/interface.h>
#include <wlr/render/pixman.h>
#include <wlr/types/wlr_buffer.h>

#include "copy-rect.h"

#define BYTES_PER_PIXEL 4

struct software_renderer {
	struct wlr_renderer base;
	struct wlr_renderer *pixman; // owned
};

struct software_texture {
	struct wlr_texture base;
	struct wlr_texture *pixman; // owned
	struct wlr_buffer *buffer;  // locked
};

struct software_pass {
	struct wlr_render_pass base;
	struct wlr_render_pass *pixman; // ends with it
	pixman_image_t *target;
};

static struct software_renderer *from_base(struct wlr_renderer *base) {
	struct software_renderer *renderer = wl_container_of(base, renderer, base);
	return renderer;
}

/* Textures */

static struct software_texture *texture_from_base(struct wlr_texture *base) {
	struct software_texture *texture = wl_container_of(base, texture, base);
	return texture;
}

/* The pixels are read where the client has them: in the same buffer, new ones are there. */
static bool texture_update_from_buffer(
	struct wlr_texture *base, struct wlr_buffer *buffer, const pixman_region32_t *damage) {
	return buffer == texture_from_base(base)->buffer;
}

/* A client that grows its pool has moved the pixels to another address. */
static bool has_moved(const struct software_texture *texture) {
	void *data;
	uint32_t format;
	size_t stride;
	if (!wlr_buffer_begin_data_ptr_access(
		    texture->buffer, WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format, &stride)) {
		return false;
	}
	wlr_buffer_end_data_ptr_access(texture->buffer);
	return data != pixman_image_get_data(wlr_pixman_texture_get_image(texture->pixman));
}

static bool texture_read_pixels(
	struct wlr_texture *base, const struct wlr_texture_read_pixels_options *options) {
	struct software_texture *texture = texture_from_base(base);
	if (has_moved(texture)) {
		struct wlr_texture *moved =
			wlr_texture_from_buffer(from_base(base->renderer)->pixman, texture->buffer);
		if (moved == NULL) {
			return false;
		}
		wlr_texture_destroy(texture->pixman);
		texture->pixman = moved;
	}
	return wlr_texture_read_pixels(texture->pixman, options);
}

static uint32_t texture_preferred_read_format(struct wlr_texture *base) {
	return wlr_texture_preferred_read_format(texture_from_base(base)->pixman);
}

static void texture_destroy(struct wlr_texture *base) {
	struct software_texture *texture = texture_from_base(base);
	wlr_texture_destroy(texture->pixman);
	wlr_buffer_unlock(texture->buffer);
	free(texture);
}

static const struct wlr_texture_impl texture_impl = {
	.update_from_buffer = texture_update_from_buffer,
	.read_pixels = texture_read_pixels,
	.preferred_read_format = texture_preferred_read_format,
	.destroy = texture_destroy,
};

static struct wlr_texture *texture_from_buffer(
	struct wlr_renderer *base, struct wlr_buffer *buffer) {
	struct wlr_texture *pixman = wlr_texture_from_buffer(from_base(base)->pixman, buffer);
	struct software_texture *texture = calloc(1, sizeof(*texture));
	if (pixman == NULL || texture == NULL) {
		wlr_texture_destroy(pixman);
		free(texture);
		return NULL;
	}
	wlr_texture_init(&texture->base, base, &texture_impl, pixman->width, pixman->height);
	texture->pixman = pixman;
	texture->buffer = wlr_buffer_lock(buffer);
	return &texture->base;
}

/* Passes */

static struct software_pass *pass_from_base(struct wlr_render_pass *base) {
	struct software_pass *pass = wl_container_of(base, pass, base);
	return pass;
}

static bool pass_submit(struct wlr_render_pass *base) {
	struct software_pass *pass = pass_from_base(base);
	bool done = wlr_render_pass_submit(pass->pixman);
	free(pass);
	return done;
}

/* Where every pixel of the texture that is shown becomes one pixel of the target. */
static bool is_in_its_own_size(const struct wlr_render_texture_options *options,
	const struct wlr_fbox *from, const struct wlr_box *to) {
	return options->transform == WL_OUTPUT_TRANSFORM_NORMAL && from->x == (int)from->x &&
		from->y == (int)from->y && from->width == to->width && from->height == to->height;
}

/* What is copied, in the target's coordinates. */
static void copy(const struct software_pass *pass, const uint8_t *source, size_t source_stride,
	const struct wlr_box *to, const pixman_region32_t *clip) {
	size_t stride = (size_t)pixman_image_get_stride(pass->target);
	uint8_t *target = (uint8_t *)pixman_image_get_data(pass->target);
	pixman_region32_t region;
	pixman_region32_init_rect(&region, to->x, to->y, (unsigned)to->width, (unsigned)to->height);
	pixman_region32_intersect_rect(&region, &region, 0, 0,
		(unsigned)pixman_image_get_width(pass->target),
		(unsigned)pixman_image_get_height(pass->target));
	if (clip != NULL) {
		pixman_region32_intersect(&region, &region, clip);
	}
	int n;
	const pixman_box32_t *boxes = pixman_region32_rectangles(&region, &n);
	for (int i = 0; i < n; i++) {
		size_t x = (size_t)boxes[i].x1, y = (size_t)boxes[i].y1;
		size_t source_x = (size_t)(boxes[i].x1 - to->x);
		size_t source_y = (size_t)(boxes[i].y1 - to->y);
		copy_rect(target + y * stride + x * BYTES_PER_PIXEL, stride,
			source + source_y * source_stride + source_x * BYTES_PER_PIXEL,
			source_stride, (size_t)(boxes[i].x2 - boxes[i].x1) * BYTES_PER_PIXEL,
			(size_t)(boxes[i].y2 - boxes[i].y1));
	}
	pixman_region32_fini(&region);
}

/* Returns false, with nothing done, where more than a copy is needed. */
static bool try_copy(struct software_pass *pass, struct software_texture *texture,
	const struct wlr_render_texture_options *options) {
	struct wlr_fbox from;
	struct wlr_box to;
	wlr_render_texture_options_get_src_box(options, &from);
	wlr_render_texture_options_get_dst_box(options, &to);
	if (!is_in_its_own_size(options, &from, &to) ||
		wlr_render_texture_options_get_alpha(options) != 1 ||
		pixman_image_get_format(pass->target) != PIXMAN_x8r8g8b8) {
		return false;
	}
	void *data;
	uint32_t format;
	size_t stride;
	if (!wlr_buffer_begin_data_ptr_access(
		    texture->buffer, WLR_BUFFER_DATA_PTR_ACCESS_READ, &data, &format, &stride)) {
		return false;
	}
	// Without an alpha channel there is nothing to blend.
	bool plain = format == DRM_FORMAT_XRGB8888;
	if (plain) {
		const uint8_t *source = (const uint8_t *)data + (size_t)from.y * stride +
			(size_t)from.x * BYTES_PER_PIXEL;
		copy(pass, source, stride, &to, options->clip);
	}
	wlr_buffer_end_data_ptr_access(texture->buffer);
	return plain;
}

static void pass_add_texture(
	struct wlr_render_pass *base, const struct wlr_render_texture_options *options) {
	struct software_pass *pass = pass_from_base(base);
	struct software_texture *texture = texture_from_base(options->texture);
	if (!try_copy(pass, texture, options)) {
		struct wlr_render_texture_options inner = *options;
		inner.texture = texture->pixman;
		wlr_render_pass_add_texture(pass->pixman, &inner);
	}
}

static void pass_add_rect(
	struct wlr_render_pass *base, const struct wlr_render_rect_options *options) {
	wlr_render_pass_add_rect(pass_from_base(base)->pixman, options);
}

static const struct wlr_render_pass_impl pass_impl = {
	.submit = pass_submit,
	.add_texture = pass_add_texture,
	.add_rect = pass_add_rect,
};

static struct wlr_render_pass *begin_buffer_pass(struct wlr_renderer *base,
	struct wlr_buffer *buffer, const struct wlr_buffer_pass_options *options) {
	struct wlr_renderer *pixman = from_base(base)->pixman;
	struct software_pass *pass = calloc(1, sizeof(*pass));
	if (pass == NULL ||
		(pass->pixman = wlr_renderer_begin_buffer_pass(pixman, buffer, options)) == NULL) {
		free(pass);
		return NULL;
	}
	wlr_render_pass_init(&pass->base, &pass_impl);
	pass->target = wlr_pixman_renderer_get_buffer_image(pixman, buffer);
	return &pass->base;
}

/* The renderer */

static const struct wlr_drm_format_set *get_texture_formats(
	struct wlr_renderer *base, uint32_t buffer_caps) {
	return wlr_renderer_get_texture_formats(from_base(base)->pixman, buffer_caps);
}

static const struct wlr_drm_format_set *get_render_formats(struct wlr_renderer *base) {
	return from_base(base)->pixman->impl->get_render_formats(from_base(base)->pixman);
}

static void destroy(struct wlr_renderer *base) {
	struct software_renderer *renderer = from_base(base);
	wlr_renderer_destroy(renderer->pixman);
	free(renderer);
}

static const struct wlr_renderer_impl impl = {
	.get_texture_formats = get_texture_formats,
	.get_render_formats = get_render_formats,
	.destroy = destroy,
	.texture_from_buffer = texture_from_buffer,
	.begin_buffer_pass = begin_buffer_pass,
};

struct wlr_renderer *software_renderer_create(struct wlr_renderer *pixman) {
	struct software_renderer *renderer = calloc(1, sizeof(*renderer));
	if (renderer == NULL) {
		return NULL;
	}
	wlr_renderer_init(&renderer->base, &impl, pixman->render_buffer_caps);
	renderer->pixman = pixman;
	return &renderer->base;
}
