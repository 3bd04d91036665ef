#include "virtio-scanouts.h"

#include <string.h>

#include "checked.h"

void virtio_scanouts_init(struct virtio_scanouts *scanouts, struct device_state_gpu *state,
	struct resources *resources, unsigned heads, const struct virtio_scanouts_ops *ops,
	void *data) {
	*scanouts = (struct virtio_scanouts){
		.state = state,
		.resources = resources,
		.heads = heads,
		.ops = ops,
		.data = data,
	};
}

static void all_changed(struct virtio_scanouts *scanouts) {
	for (unsigned i = 0; i < scanouts->heads; i++) {
		scanouts->ops->changed(scanouts->data, i);
	}
}

void virtio_scanouts_reset(struct virtio_scanouts *scanouts) {
	memset(scanouts->state->scanouts, 0, sizeof(scanouts->state->scanouts));
	memset(scanouts->chains, 0, sizeof(scanouts->chains));
	if (scanouts->state->took_over != 0) {
		scanouts->state->took_over = 0;
		all_changed(scanouts);
	}
}

static void take_over(struct virtio_scanouts *scanouts) {
	if (scanouts->state->took_over == 0) {
		scanouts->state->took_over = 1;
		all_changed(scanouts);
	}
}

/* From pixels of the resource to those of the scanout. */
static void to_scanout(const struct device_state_scanout *scanout, const struct damage_boxes *boxes,
	struct damage_boxes *ret) {
	*ret = (struct damage_boxes){0};
	uint32_t right = scanout->x + scanout->width, bottom = scanout->y + scanout->height;
	for (size_t i = 0; i < boxes->len; i++) {
		const struct damage_box *box = &boxes->box[i];
		uint32_t x1 = box->x > scanout->x ? box->x : scanout->x;
		uint32_t y1 = box->y > scanout->y ? box->y : scanout->y;
		uint32_t x2 = box->x + box->width < right ? box->x + box->width : right;
		uint32_t y2 = box->y + box->height < bottom ? box->y + box->height : bottom;
		if (x1 < x2 && y1 < y2) {
			damage_boxes_add(ret,
				(struct damage_box){
					x1 - scanout->x, y1 - scanout->y, x2 - x1, y2 - y1});
		}
	}
}

static void show_boxes(struct virtio_scanouts *scanouts, unsigned head,
	const struct damage_boxes *boxes,
	void (*show)(void *data, unsigned head, const struct damage_boxes *boxes)) {
	struct damage_boxes shown;
	to_scanout(&scanouts->state->scanouts[head], boxes, &shown);
	flip_chain_note(&scanouts->chains[head], scanouts->resources, boxes);
	show(scanouts->data, head, &shown);
}

static void turn_off(struct virtio_scanouts *scanouts, unsigned head) {
	scanouts->state->scanouts[head] = (struct device_state_scanout){0};
	flip_chain_forget(&scanouts->chains[head]);
	scanouts->ops->changed(scanouts->data, head);
}

static struct gpu_rect rect_of(const struct device_state_scanout *scanout) {
	return (struct gpu_rect){scanout->x, scanout->y, scanout->width, scanout->height};
}

static bool same_place(const struct device_state_scanout *a, const struct device_state_scanout *b) {
	return a->resource != 0 && a->x == b->x && a->y == b->y && a->width == b->width &&
		a->height == b->height;
}

/*
 * What a flip to a resource changes on the screen: of its notes only where it differs from the
 * resource that is shown now, and all where that has been drawn into and not flushed.
 */
static void flip_boxes(struct virtio_scanouts *scanouts, uint32_t from, uint32_t to,
	const struct gpu_rect *rect, struct damage_boxes *ret) {
	struct resources *resources = scanouts->resources;
	struct damage_boxes noted = {0}, unseen = {0};
	resources_flush(resources, to, rect, &noted);
	if (from == to) {
		*ret = noted;
		return;
	}
	resources_differ(resources, to, from, &noted, ret);
	if (resources_flush(resources, from, rect, &unseen) == VIRTIO_GPU_RESP_OK_NODATA) {
		resources_note(resources, from, &unseen);
		damage_boxes_add_all(ret, &unseen);
	}
}

/* What has changed is found when it is committed: nothing is noted in its resource. */
static void show_mapped(
	struct virtio_scanouts *scanouts, unsigned head, const struct device_state_scanout *now) {
	struct device_state_scanout *scanout = &scanouts->state->scanouts[head];
	const struct damage_boxes all = {
		.len = 1, .box = {{.width = now->width, .height = now->height}}};
	bool flips = same_place(scanout, now);
	flip_chain_forget(&scanouts->chains[head]);
	*scanout = *now;
	if (flips) {
		scanouts->ops->flipped(scanouts->data, head, &all);
	} else {
		scanouts->ops->changed(scanouts->data, head);
	}
}

/* One that has storage. */
static void show_stored(
	struct virtio_scanouts *scanouts, unsigned head, const struct device_state_scanout *now) {
	struct device_state_scanout *scanout = &scanouts->state->scanouts[head];
	struct flip_chain *chain = &scanouts->chains[head];
	const struct gpu_rect place = rect_of(now), *rect = &place;
	uint32_t before = scanout->resource, resource = now->resource;
	if (!same_place(scanout, now)) {
		flip_chain_forget(chain);
	}
	*scanout = *now;
	struct damage_boxes boxes;
	if (flip_chain_show(chain, resource)) {
		flip_boxes(scanouts, before, resource, rect, &boxes);
		show_boxes(scanouts, head, &boxes, scanouts->ops->flipped);
		return;
	}
	boxes = (struct damage_boxes){
		.len = 1, .box = {{rect->x, rect->y, rect->width, rect->height}}};
	resources_flush(scanouts->resources, resource, rect, &(struct damage_boxes){0});
	flip_chain_note(chain, scanouts->resources, &boxes);
	scanouts->ops->changed(scanouts->data, head);
}

uint32_t virtio_scanouts_set(struct virtio_scanouts *scanouts, unsigned head, uint32_t resource,
	const struct gpu_rect *rect) {
	struct scanout scanout;
	if (head >= scanouts->heads) {
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	}
	uint32_t answer = VIRTIO_GPU_RESP_OK_NODATA;
	if (resource != 0 && resources_is_blob(scanouts->resources, resource)) {
		answer = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	} else if (resource != 0) {
		answer = resources_scanout(scanouts->resources, resource, rect, &scanout);
	}
	if (answer != VIRTIO_GPU_RESP_OK_NODATA) {
		return answer;
	}
	take_over(scanouts);
	if (resource != 0) {
		const struct device_state_scanout now = {
			.resource = resource,
			.x = rect->x,
			.y = rect->y,
			.width = rect->width,
			.height = rect->height,
		};
		show_stored(scanouts, head, &now);
	} else if (scanouts->state->scanouts[head].resource != 0) {
		turn_off(scanouts, head);
	}
	return answer;
}

static struct gpu_layout layout_of(const struct device_state_scanout *scanout) {
	return (struct gpu_layout){scanout->format, scanout->picture_width, scanout->picture_height,
		scanout->stride, scanout->offset};
}

uint32_t virtio_scanouts_set_blob(struct virtio_scanouts *scanouts, unsigned head,
	uint32_t resource, const struct gpu_layout *layout, const struct gpu_rect *rect) {
	if (head >= scanouts->heads) {
		return VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
	}
	uint32_t answer = resources_show_blob(scanouts->resources, resource, layout);
	if (answer != VIRTIO_GPU_RESP_OK_NODATA) {
		return answer;
	}
	const struct device_state_scanout now = {
		.resource = resource,
		.x = rect->x,
		.y = rect->y,
		.width = rect->width,
		.height = rect->height,
		.format = layout->format,
		.picture_width = layout->width,
		.picture_height = layout->height,
		.stride = layout->stride,
		.offset = layout->offset,
	};
	take_over(scanouts);
	if (resources_is_mapped(scanouts->resources, resource)) {
		show_mapped(scanouts, head, &now);
	} else {
		resources_refresh(scanouts->resources, resource, rect);
		show_stored(scanouts, head, &now);
	}
	return VIRTIO_GPU_RESP_OK_NODATA;
}

void virtio_scanouts_start(struct virtio_scanouts *scanouts) {
	for (unsigned i = 0; i < scanouts->heads; i++) {
		const struct device_state_scanout *scanout = &scanouts->state->scanouts[i];
		const struct gpu_layout layout = layout_of(scanout);
		const struct gpu_rect rect = rect_of(scanout);
		if (scanout->resource == 0 || layout.stride == 0) {
			continue;
		}
		if (resources_show_blob(scanouts->resources, scanout->resource, &layout) ==
			VIRTIO_GPU_RESP_OK_NODATA) {
			resources_refresh(scanouts->resources, scanout->resource, &rect);
		} else {
			turn_off(scanouts, i);
		}
	}
}

static uint32_t heads_of(const struct virtio_scanouts *scanouts, uint32_t resource) {
	uint32_t heads = 0;
	for (unsigned i = 0; i < scanouts->heads; i++) {
		if (scanouts->state->scanouts[i].resource == resource) {
			heads |= UINT32_C(1) << i;
		}
	}
	return heads;
}

static bool rect_inside(const struct gpu_rect *rect, const struct device_state_scanout *scanout) {
	return checked_range(rect->x, rect->width, scanout->picture_width) &&
		checked_range(rect->y, rect->height, scanout->picture_height);
}

/* Of a blob that is mapped; heads may show it with layouts of their own. */
static uint32_t flush_mapped(struct virtio_scanouts *scanouts, uint32_t heads,
	const struct gpu_rect *rect, uint32_t *ret_heads) {
	const struct damage_boxes all = {
		.len = 1, .box = {{rect->x, rect->y, rect->width, rect->height}}};
	bool inside = heads == 0;
	for (unsigned i = 0; i < scanouts->heads; i++) {
		inside = inside ||
			((heads >> i & 1) != 0 && rect_inside(rect, &scanouts->state->scanouts[i]));
	}
	if (!inside) {
		return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
	}
	for (unsigned i = 0; i < scanouts->heads; i++) {
		if ((heads >> i & 1) != 0) {
			show_boxes(scanouts, i, &all, scanouts->ops->flushed);
		}
	}
	*ret_heads = heads;
	return VIRTIO_GPU_RESP_OK_NODATA;
}

uint32_t virtio_scanouts_flush(struct virtio_scanouts *scanouts, uint32_t resource,
	const struct gpu_rect *rect, uint32_t *ret_heads) {
	struct damage_boxes boxes;
	struct scanout scanout;
	uint32_t heads = heads_of(scanouts, resource);
	*ret_heads = 0;
	if (resources_is_mapped(scanouts->resources, resource) ||
		(heads == 0 && resources_is_blob(scanouts->resources, resource))) {
		return flush_mapped(scanouts, heads, rect, ret_heads);
	}
	if (heads == 0) {
		// What is noted in it still differs from the screen.
		return resources_scanout(scanouts->resources, resource, rect, &scanout);
	}
	resources_refresh(scanouts->resources, resource, rect);
	uint32_t answer = resources_flush(scanouts->resources, resource, rect, &boxes);
	if (answer != VIRTIO_GPU_RESP_OK_NODATA) {
		return answer;
	}
	for (unsigned i = 0; i < scanouts->heads; i++) {
		if ((heads >> i & 1) != 0) {
			show_boxes(scanouts, i, &boxes, scanouts->ops->flushed);
		}
	}
	*ret_heads = heads;
	return answer;
}

void virtio_scanouts_forget(struct virtio_scanouts *scanouts, uint32_t resource) {
	for (unsigned i = 0; i < scanouts->heads; i++) {
		if (scanouts->state->scanouts[i].resource == resource) {
			scanouts->ops->going(scanouts->data, i);
			turn_off(scanouts, i);
		}
		// Another resource may get the number.
		flip_chain_drop(&scanouts->chains[i], resource);
	}
}

void virtio_scanouts_get(
	const struct virtio_scanouts *scanouts, unsigned head, struct scanout *ret) {
	const struct device_state_scanout *scanout = &scanouts->state->scanouts[head];
	const struct gpu_rect rect = rect_of(scanout);
	*ret = (struct scanout){0};
	if (head >= scanouts->heads || scanout->resource == 0) {
		return;
	}
	if (resources_is_mapped(scanouts->resources, scanout->resource)) {
		const struct gpu_layout layout = layout_of(scanout);
		resources_scanout_blob(scanouts->resources, scanout->resource, &layout, &rect, ret);
	} else {
		resources_scanout(scanouts->resources, scanout->resource, &rect, ret);
	}
}
