#include "publish.h"

#include <drm_fourcc.h>
#include <stdlib.h>
#include <string.h>
#include <wayland-client.h>

#include "canvas.h"
#include "checked.h"
#include "convert.h"
#include "linux-dmabuf-client-protocol.h"
#include "log.h"

static uint64_t min_u64(uint64_t a, uint64_t b) {
	return a < b ? a : b;
}

static uint64_t pool_size(const struct publish_pool *pool, const struct scanout *scanout) {
	bool blob = scanout->blob.serial != 0;
	return min_u64(blob ? scanout->blob.size : pool->slice->limit, INT32_MAX);
}

/* wl_shm counts whole rows, the last one too; pixman wants rows of whole 32-bit words, and
 * GL rows of whole pixels. */
bool publish_layout_fits(const struct scanout *scanout, uint64_t pool_size) {
	uint64_t length = (uint64_t)scanout->stride * scanout->height;
	uint32_t pixel = scanout_format_bytes(scanout->format);
	return pixel != 0 && scanout->stride % 4 == 0 && scanout->stride % pixel == 0 &&
		scanout->offset % 4 == 0 && length <= INT32_MAX &&
		checked_range(scanout->offset, length, pool_size);
}

/* False where the compositor does not know the format. */
static bool shm_format(
	const struct wayland *wayland, enum scanout_format format, uint32_t *ret_format) {
	switch (format) {
	case SCANOUT_XRGB8888:
		*ret_format = WL_SHM_FORMAT_XRGB8888;
		return true;
	case SCANOUT_XRGB1555:
		*ret_format = WL_SHM_FORMAT_XRGB1555;
		return wayland->xrgb1555;
	case SCANOUT_RGB565:
		*ret_format = WL_SHM_FORMAT_RGB565;
		return wayland->rgb565;
	case SCANOUT_RGB888:
		*ret_format = WL_SHM_FORMAT_RGB888;
		return wayland->rgb888;
	case SCANOUT_XBGR8888:
		*ret_format = WL_SHM_FORMAT_XBGR8888;
		return wayland->xbgr8888;
	case SCANOUT_BGRX8888:
		*ret_format = WL_SHM_FORMAT_BGRX8888;
		return wayland->bgrx8888;
	case SCANOUT_RGBX8888:
		*ret_format = WL_SHM_FORMAT_RGBX8888;
		return wayland->rgbx8888;
	case SCANOUT_C8:
	case SCANOUT_NONE:
		break;
	}
	return false;
}

static bool shown_directly(const struct publish *publish, const struct scanout *scanout) {
	uint32_t format;
	return shm_format(publish->pool->wayland, scanout->format, &format) &&
		publish_layout_fits(scanout, pool_size(publish->pool, scanout));
}

void publish_pool_init(
	struct publish_pool *pool, const struct slice *slice, struct wayland *wayland) {
	*pool = (struct publish_pool){.slice = slice, .wayland = wayland};
}

void publish_pool_finish(struct publish_pool *pool) {
	if (pool->pool != NULL) {
		wl_shm_pool_destroy(pool->pool);
	}
	*pool = (struct publish_pool){0};
}

void publish_init(struct publish *publish, struct publish_pool *pool, void (*released)(void *data),
	void *data) {
	*publish = (struct publish){
		.pool = pool,
		.fresh = true,
		.released = released,
		.data = data,
	};
}

static void direct_finish(struct publish_direct *direct) {
	if (direct->asked != NULL) {
		zwp_linux_buffer_params_v1_destroy(direct->asked);
	}
	if (direct->buffer != NULL) {
		wl_buffer_destroy(direct->buffer);
	}
	*direct = (struct publish_direct){0};
}

static void drop_damage(struct publish *publish) {
	damage_finish(&publish->damage);
	free(publish->copy);
	publish->copy = NULL;
}

void publish_finish(struct publish *publish) {
	for (size_t i = 0; i < PUBLISH_DIRECT_MAX; i++) {
		direct_finish(&publish->direct[i]);
	}
	canvas_destroy(publish->canvas);
	canvas_destroy(publish->retired);
	drop_damage(publish);
	*publish = (struct publish){0};
}

static void handle_created(
	void *data, struct zwp_linux_buffer_params_v1 *params, struct wl_buffer *buffer) {
	struct publish_direct *direct = data;
	direct->buffer = buffer;
	zwp_linux_buffer_params_v1_destroy(params);
	direct->asked = NULL;
	direct->publish->released(direct->publish->data);
}

static void handle_failed(void *data, struct zwp_linux_buffer_params_v1 *params) {
	struct publish_direct *direct = data;
	direct->refused = true;
	zwp_linux_buffer_params_v1_destroy(params);
	direct->asked = NULL;
	direct->publish->released(direct->publish->data);
}

static const struct zwp_linux_buffer_params_v1_listener params_listener = {
	.created = handle_created,
	.failed = handle_failed,
};

/* A GPU may have wishes of its own for rows; only it can tell. */
static void ask_for_dma_buf(struct publish_direct *direct) {
	const struct scanout *scanout = &direct->scanout;
	direct->asked = zwp_linux_dmabuf_v1_create_params(direct->publish->pool->wayland->dmabuf);
	if (direct->asked == NULL) {
		direct->refused = true;
		return;
	}
	zwp_linux_buffer_params_v1_add_listener(direct->asked, &params_listener, direct);
	zwp_linux_buffer_params_v1_add(direct->asked, scanout->blob.fd, 0,
		(uint32_t)scanout->offset, scanout->stride, DRM_FORMAT_MOD_LINEAR >> 32,
		DRM_FORMAT_MOD_LINEAR & UINT32_MAX);
	zwp_linux_buffer_params_v1_create(direct->asked, (int32_t)scanout->width,
		(int32_t)scanout->height, DRM_FORMAT_XRGB8888, 0);
}

/* All of the slice is one pool; a blob has one that only its buffer holds. */
static struct wl_shm_pool *get_pool(struct publish_pool *pool, const struct scanout *scanout) {
	bool blob = scanout->blob.serial != 0;
	if (!blob && pool->pool != NULL) {
		return pool->pool;
	}
	struct wl_shm_pool *made = wl_shm_create_pool(pool->wayland->shm,
		blob ? scanout->blob.fd : pool->slice->fd, (int32_t)pool_size(pool, scanout));
	if (!blob) {
		pool->pool = made;
	}
	return made;
}

static struct wl_buffer *create_shm(
	struct publish_pool *publish_pool, const struct scanout *scanout) {
	uint32_t format;
	struct wl_shm_pool *pool = get_pool(publish_pool, scanout);
	if (pool == NULL || !shm_format(publish_pool->wayland, scanout->format, &format)) {
		return NULL;
	}
	struct wl_buffer *buffer =
		wl_shm_pool_create_buffer(pool, (int32_t)scanout->offset, (int32_t)scanout->width,
			(int32_t)scanout->height, (int32_t)scanout->stride, format);
	if (pool != publish_pool->pool) {
		wl_shm_pool_destroy(pool);
	}
	return buffer;
}

static bool can_be_dma_buf(const struct wayland *wayland, const struct publish_direct *direct) {
	return direct->scanout.blob.serial != 0 && !direct->refused && wayland->dmabuf_linear &&
		direct->scanout.format == SCANOUT_XRGB8888;
}

/* Its buffer is there, or the compositor is asked. */
static void make_direct(struct publish_direct *direct) {
	struct publish_pool *pool = direct->publish->pool;
	if (direct->buffer != NULL || direct->asked != NULL) {
		return;
	}
	if (can_be_dma_buf(pool->wayland, direct)) {
		ask_for_dma_buf(direct);
	}
	if (direct->asked == NULL) {
		direct->buffer = create_shm(pool, &direct->scanout);
	}
}

/* A scanout as a buffer; a new one takes the place of the one least recently shown, which is
 * never the one shown now. */
static struct publish_direct *get_direct(struct publish *publish, const struct scanout *scanout) {
	struct publish_direct *oldest = &publish->direct[0];
	for (size_t i = 0; i < PUBLISH_DIRECT_MAX; i++) {
		struct publish_direct *direct = &publish->direct[i];
		if (direct->publish != NULL && scanout_equal(&direct->scanout, scanout)) {
			direct->used = publish->looks;
			make_direct(direct);
			return direct;
		}
		if (direct->used < oldest->used) {
			oldest = direct;
		}
	}
	direct_finish(oldest);
	oldest->publish = publish;
	oldest->scanout = *scanout;
	oldest->used = publish->looks;
	make_direct(oldest);
	return oldest;
}

static void handle_released(void *data) {
	struct publish *publish = data;
	publish->released(publish->data);
}

static void make_canvas(struct publish *publish, uint32_t width, uint32_t height) {
	static struct log_limit limit;
	int error = canvas_create(&publish->canvas, publish->pool->wayland->shm, width, height,
		handle_released, publish);
	if (error < 0) {
		log_limited(&limit, LOG_LEVEL_WARNING,
			"no buffer to show a mode of %ux%u: %s; the last picture stays", width,
			height, strerror(-error));
	}
}

/* What it takes to look for changes; and a copy to convert from, as the guest may draw
 * meanwhile. False where there is no memory for them. */
static bool make_damage(struct publish *publish, const struct scanout *scanout) {
	static struct log_limit limit;
	uint32_t pixel = scanout_format_bytes(scanout->format);
	if (scanout->flushed && scanout->blob.serial == 0) {
		return true;
	}
	if (!scanout->flushed && !shown_directly(publish, scanout)) {
		publish->copy = calloc(1, (size_t)scanout->width * scanout->height * pixel);
	}
	if ((scanout->flushed || shown_directly(publish, scanout) || publish->copy != NULL) &&
		damage_init(&publish->damage, scanout->width, scanout->height, pixel)) {
		return true;
	}
	log_limited(&limit, LOG_LEVEL_WARNING, "no memory for a mode of %ux%u", scanout->width,
		scanout->height);
	return false;
}

/* A new mode: nothing of the last picture can be used again. */
static void set_mode(struct publish *publish, const struct scanout *scanout) {
	drop_damage(publish);
	if (publish->retired == NULL) {
		publish->retired = publish->canvas;
	} else {
		canvas_destroy(publish->canvas); // no picture of it was ever shown
	}
	publish->canvas = NULL;
	publish->fresh = true;
	if (scanout->format == SCANOUT_NONE) {
		if (publish->width != 0) {
			make_canvas(publish, publish->width, publish->height);
		}
	} else if (make_damage(publish, scanout) && !shown_directly(publish, scanout)) {
		make_canvas(publish, scanout->width, scanout->height);
	}
}

static bool same_mode(
	const struct publish *publish, const struct scanout *a, const struct scanout *b) {
	return a->format == b->format && a->width == b->width && a->height == b->height &&
		a->flushed == b->flushed && (a->blob.serial != 0) == (b->blob.serial != 0) &&
		shown_directly(publish, a) == shown_directly(publish, b);
}

static const uint8_t *get_pixels(const struct publish *publish, const struct scanout *scanout) {
	if (scanout->blob.serial != 0) {
		return scanout->blob.bytes + scanout->offset;
	}
	return slice_range(publish->pool->slice, scanout->offset, scanout_bytes(scanout));
}

/* Where the scanout cannot be read by the compositor the copy is converted. What the guest
 * tells of is not copied: it does not change meanwhile. */
static void draw(struct publish *publish, struct canvas_buffer *buffer) {
	const struct scanout *scanout = &publish->scanout;
	uint32_t pixel = scanout_format_bytes(scanout->format);
	size_t row = publish->copy != NULL ? (size_t)scanout->width * pixel : scanout->stride;
	const uint8_t *pixels = publish->copy;
	if (pixels == NULL && scanout->flushed) {
		pixels = get_pixels(publish, scanout);
	}
	for (size_t i = 0; i < buffer->stale.len && pixels != NULL; i++) {
		const struct damage_box *box = &buffer->stale.box[i];
		for (uint32_t y = box->y; y < box->y + box->height; y++) {
			convert_row(scanout->format, publish->palette,
				pixels + y * row + (size_t)box->x * pixel,
				buffer->pixels + (size_t)y * scanout->width + box->x, box->width);
		}
	}
	buffer->stale = (struct damage_boxes){0};
}

static void check_palette(struct publish *publish, const uint32_t *palette) {
	if (publish->scanout.format == SCANOUT_C8 &&
		memcmp(publish->palette, palette, sizeof(publish->palette)) != 0) {
		memcpy(publish->palette, palette, sizeof(publish->palette));
		damage_invalidate(&publish->damage);
	}
}

/* What has changed since the last picture: boxes, of a blob what is found in them, or what is
 * found anywhere where they are NULL. */
static void find_damage(
	struct publish *publish, const struct damage_boxes *boxes, struct damage_boxes *ret) {
	const struct scanout *scanout = &publish->scanout;
	*ret = (struct damage_boxes){0};
	if (boxes != NULL && publish->damage.sums != NULL) {
		damage_compare_boxes(&publish->damage, get_pixels(publish, scanout),
			scanout->stride, boxes, ret);
	} else if (boxes != NULL) {
		*ret = *boxes;
	} else if (publish->damage.sums != NULL) {
		const uint8_t *pixels = get_pixels(publish, scanout);
		if (pixels != NULL) {
			damage_compare(&publish->damage, pixels, scanout->stride, ret);
		}
		if (pixels != NULL && publish->copy != NULL) {
			damage_copy(&publish->damage, pixels, scanout->stride, ret, publish->copy);
		}
	}
}

/* A commit has followed the last picture, so that nothing shows an older canvas. */
static void drop_retired(struct publish *publish) {
	if (publish->retired != NULL && publish->replaced) {
		canvas_destroy(publish->retired);
		publish->retired = NULL;
	}
}

static void take_scanout(
	struct publish *publish, const struct scanout *scanout, const uint32_t *palette) {
	publish->looks++;
	drop_retired(publish);
	if (!same_mode(publish, &publish->scanout, scanout)) {
		set_mode(publish, scanout);
		publish->replaced = false;
	}
	publish->scanout = *scanout;
	check_palette(publish, palette);
}

bool publish_flips(const struct publish *publish, const struct scanout *scanout) {
	return publish->shown.offset != scanout->offset ||
		publish->shown.blob.serial != scanout->blob.serial;
}

void publish_pass_over(struct publish *publish, const struct scanout *scanout) {
	publish->passed_over = publish_flips(publish, scanout);
}

static enum publish_result show_direct(struct publish *publish, const struct damage_boxes *boxes,
	struct publish_picture *picture) {
	const struct scanout *scanout = &publish->scanout;
	if (publish->damage.sums == NULL && !scanout->flushed) {
		return PUBLISH_SAME;
	}
	struct publish_direct *direct = get_direct(publish, scanout);
	if (direct->asked != NULL) {
		return PUBLISH_BUSY;
	}
	find_damage(publish, boxes, &picture->boxes);
	if (publish->passed_over && publish_flips(publish, scanout)) {
		picture->boxes = (struct damage_boxes){
			.len = 1, .box = {{.width = scanout->width, .height = scanout->height}}};
	}
	// Pages of the same picture still have to be flipped: the guest will draw in the other.
	if (picture->boxes.len == 0 && !publish_flips(publish, scanout)) {
		return PUBLISH_SAME;
	}
	picture->buffer = direct->buffer;
	if (picture->buffer == NULL) {
		damage_invalidate(&publish->damage);
		publish->fresh = true;
		return PUBLISH_SAME;
	}
	picture->width = scanout->width;
	picture->height = scanout->height;
	return PUBLISH_CHANGED;
}

static enum publish_result show_canvas(struct publish *publish, const struct damage_boxes *boxes,
	struct publish_picture *picture) {
	if (publish->canvas == NULL) {
		return PUBLISH_SAME;
	}
	struct canvas_buffer *buffer = canvas_acquire(publish->canvas);
	if (buffer == NULL) {
		return PUBLISH_BUSY;
	}
	find_damage(publish, boxes, &picture->boxes);
	if (picture->boxes.len == 0) {
		return PUBLISH_SAME;
	}
	canvas_add_stale(publish->canvas, &picture->boxes);
	draw(publish, buffer);
	buffer->busy = true;
	picture->buffer = buffer->buffer;
	picture->width = publish->canvas->width;
	picture->height = publish->canvas->height;
	return PUBLISH_CHANGED;
}

static enum publish_result show(
	struct publish *publish, const struct damage_boxes *boxes, struct publish_picture *ret) {
	struct publish_picture picture = {0};
	enum publish_result result = shown_directly(publish, &publish->scanout)
		? show_direct(publish, boxes, &picture)
		: show_canvas(publish, boxes, &picture);
	if (result == PUBLISH_CHANGED) {
		publish->width = picture.width;
		publish->height = picture.height;
		publish->shown = publish->scanout;
		publish->replaced = true;
		publish->passed_over = false;
		publish->fresh = false;
		*ret = picture;
	}
	return result;
}

enum publish_result publish_look(struct publish *publish, const struct scanout *scanout,
	const uint32_t *palette, struct publish_picture *ret) {
	take_scanout(publish, scanout, palette);
	return show(publish, NULL, ret);
}

/* Boxes came for the scanout of their time, which may have been larger. */
static void clip_boxes(const struct damage_boxes *boxes, uint32_t width, uint32_t height,
	struct damage_boxes *ret) {
	*ret = (struct damage_boxes){0};
	for (size_t i = 0; i < boxes->len; i++) {
		struct damage_box box = boxes->box[i];
		if (box.x >= width || box.y >= height) {
			continue;
		}
		box.width = box.width < width - box.x ? box.width : width - box.x;
		box.height = box.height < height - box.y ? box.height : height - box.y;
		damage_boxes_add(ret, box);
	}
}

enum publish_result publish_told(struct publish *publish, const struct scanout *scanout,
	const uint32_t *palette, const struct damage_boxes *boxes, bool all,
	struct publish_picture *ret) {
	take_scanout(publish, scanout, palette);
	bool off = scanout->format == SCANOUT_NONE;
	if (off && !publish->fresh) {
		return PUBLISH_SAME;
	}
	uint32_t width = off ? publish->width : scanout->width;
	uint32_t height = off ? publish->height : scanout->height;
	struct damage_boxes changed = {0};
	if (all || publish->fresh) {
		damage_invalidate(&publish->damage);
		damage_boxes_add(&changed, (struct damage_box){.width = width, .height = height});
	} else {
		clip_boxes(boxes, width, height, &changed);
	}
	return show(publish, &changed, ret);
}

void publish_keep(struct publish *publish, const struct scanout *scanout) {
	static const struct scanout off;
	const uint8_t *pixels = get_pixels(publish, scanout);
	if (publish->width == 0 || pixels == NULL) {
		return;
	}
	drop_retired(publish);
	publish->width = scanout->width;
	publish->height = scanout->height;
	set_mode(publish, &off);
	publish->scanout = off;
	publish->replaced = false;
	struct canvas_buffer *buffer =
		publish->canvas != NULL ? canvas_acquire(publish->canvas) : NULL;
	for (uint32_t y = 0; y < scanout->height && buffer != NULL; y++) {
		convert_row(scanout->format, publish->palette, pixels + y * (size_t)scanout->stride,
			buffer->pixels + (size_t)y * scanout->width, scanout->width);
	}
}

void publish_invalidate(struct publish *publish) {
	damage_invalidate(&publish->damage);
}
