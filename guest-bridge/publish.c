#include "publish.h"

#include <stdlib.h>
#include <string.h>
#include <wayland-client.h>

#include "canvas.h"
#include "checked.h"
#include "convert.h"
#include "log.h"

static uint64_t pool_size(const struct publish_pool *pool) {
	uint64_t limit = pool->slice->limit;
	return limit < INT32_MAX ? limit : INT32_MAX;
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
		publish_layout_fits(scanout, pool_size(publish->pool));
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

static struct wl_shm_pool *get_pool(struct publish_pool *pool) {
	if (pool->pool == NULL) {
		pool->pool = wl_shm_create_pool(
			pool->wayland->shm, pool->slice->fd, (int32_t)pool_size(pool));
	}
	return pool->pool;
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

static struct wl_buffer *create_direct(struct publish *publish, const struct scanout *scanout) {
	uint32_t format;
	struct wl_shm_pool *pool = get_pool(publish->pool);
	if (pool == NULL || !shm_format(publish->pool->wayland, scanout->format, &format)) {
		return NULL;
	}
	return wl_shm_pool_create_buffer(pool, (int32_t)scanout->offset, (int32_t)scanout->width,
		(int32_t)scanout->height, (int32_t)scanout->stride, format);
}

/* The buffer of a scanout; a new one takes the place of the one least recently shown, which
 * is never the one shown now. */
static struct wl_buffer *get_direct(struct publish *publish, const struct scanout *scanout) {
	struct publish_direct *oldest = &publish->direct[0];
	for (size_t i = 0; i < PUBLISH_DIRECT_MAX; i++) {
		struct publish_direct *direct = &publish->direct[i];
		if (direct->buffer != NULL && scanout_equal(&direct->scanout, scanout)) {
			direct->used = publish->looks;
			return direct->buffer;
		}
		if (direct->used < oldest->used) {
			oldest = direct;
		}
	}
	direct_finish(oldest);
	oldest->buffer = create_direct(publish, scanout);
	oldest->scanout = *scanout;
	oldest->used = publish->looks;
	return oldest->buffer;
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
	if (scanout->flushed) {
		return true;
	}
	if (!shown_directly(publish, scanout)) {
		publish->copy = calloc(1, (size_t)scanout->width * scanout->height * pixel);
	}
	if ((shown_directly(publish, scanout) || publish->copy != NULL) &&
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
		a->flushed == b->flushed &&
		shown_directly(publish, a) == shown_directly(publish, b);
}

static const uint8_t *get_pixels(const struct publish *publish) {
	const struct scanout *scanout = &publish->scanout;
	uint64_t length = (uint64_t)scanout->stride * (scanout->height - 1) +
		(uint64_t)scanout->width * scanout_format_bytes(scanout->format);
	return slice_range(publish->pool->slice, scanout->offset, length);
}

/* Where the scanout cannot be read by the compositor the copy is converted. What the guest
 * tells of is not copied: it does not change meanwhile. */
static void draw(struct publish *publish, struct canvas_buffer *buffer) {
	const struct scanout *scanout = &publish->scanout;
	uint32_t pixel = scanout_format_bytes(scanout->format);
	size_t row = publish->copy != NULL ? (size_t)scanout->width * pixel : scanout->stride;
	const uint8_t *pixels = publish->copy;
	if (pixels == NULL && scanout->flushed) {
		pixels = get_pixels(publish);
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

/* What has changed since the last picture: boxes, or what is found where they are NULL. */
static void find_damage(
	struct publish *publish, const struct damage_boxes *boxes, struct damage_boxes *ret) {
	const struct scanout *scanout = &publish->scanout;
	*ret = (struct damage_boxes){0};
	if (boxes != NULL) {
		*ret = *boxes;
	} else if (publish->damage.sums != NULL) {
		const uint8_t *pixels = get_pixels(publish);
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
	return publish->shown_offset != scanout->offset;
}

static enum publish_result show_direct(struct publish *publish, const struct damage_boxes *boxes,
	struct publish_picture *picture) {
	const struct scanout *scanout = &publish->scanout;
	if (publish->damage.sums == NULL && !scanout->flushed) {
		return PUBLISH_SAME;
	}
	find_damage(publish, boxes, &picture->boxes);
	// Pages of the same picture still have to be flipped: the guest will draw in the other.
	if (picture->boxes.len == 0 && !publish_flips(publish, scanout)) {
		return PUBLISH_SAME;
	}
	picture->buffer = get_direct(publish, scanout);
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
		publish->shown_offset = publish->scanout.offset;
		publish->replaced = true;
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
		damage_boxes_add(&changed, (struct damage_box){.width = width, .height = height});
	} else {
		clip_boxes(boxes, width, height, &changed);
	}
	return show(publish, &changed, ret);
}

void publish_invalidate(struct publish *publish) {
	damage_invalidate(&publish->damage);
}
