#include "bridge-rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "memfd.h"

static void get_scanout(void *data, unsigned head, struct scanout *ret) {
	*ret = ((struct rig *)data)->head[head].scanout;
}

static void get_palette(void *data, uint32_t palette[256]) {
	memcpy(palette, ((struct rig *)data)->palette, 256 * sizeof(*palette));
}

static void take_input(void *data, const struct link_input *input) {
	struct rig *rig = data;
	rig->input = *input;
	rig->inputs++;
}

static void count_frame(void *data, unsigned head) {
	struct rig *rig = data;
	rig->head[head].frames++;
	if (rig->head[head].again != NULL) {
		bridge_flushed(rig->bridge, head, rig->head[head].again);
	}
}

static void take_size(void *data, unsigned head, uint32_t width, uint32_t height, uint32_t refresh,
	uint32_t scale) {
	struct rig_head *to = &((struct rig *)data)->head[head];
	to->resized++;
	to->width = width;
	to->height = height;
	to->refresh = refresh;
	to->scale = scale;
}

static void take_plugged(void *data, unsigned head, bool plugged) {
	((struct rig *)data)->head[head].unplugged = !plugged;
}

static void count_look(void *data) {
	((struct rig *)data)->looked++;
}

static void count_commit(void *data) {
	((struct rig *)data)->committed++;
}

static const struct bridge_ops ops = {
	.get_scanout = get_scanout,
	.get_palette = get_palette,
	.input = take_input,
	.frame = count_frame,
	.resized = take_size,
	.plugged = take_plugged,
	.looked = count_look,
	.committed = count_commit,
};

void rig_step(struct rig *rig) {
	if (!rig->deaf) {
		fake_run(&rig->fake);
	}
	assert_true(sd_event_run(rig->event, 500) >= 0);
}

void rig_spin(struct rig *rig, unsigned msec) {
	uint64_t end = clock_usec() + msec * USEC_PER_MSEC;
	while (clock_usec() < end) {
		rig_step(rig);
	}
}

void rig_set_mode(struct rig *rig, enum scanout_format format, uint32_t stride, uint64_t offset) {
	assert_true(scanout_compute(&rig->slice, rig->slice.aperture, format, RIG_WIDTH, RIG_HEIGHT,
		stride, offset, &rig->head->scanout));
}

void rig_set_head(
	struct rig *rig, unsigned head, uint32_t width, uint32_t height, uint64_t offset) {
	struct scanout *scanout = &rig->head[head].scanout;
	assert_true(scanout_compute(&rig->slice, rig->slice.limit, SCANOUT_XRGB8888, width, height,
		width * 4, offset, scanout));
	scanout->flushed = true;
}

void rig_flush(
	struct rig *rig, unsigned head, uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
	const struct damage_boxes boxes = {.len = 1, .box = {{x, y, width, height}}};
	bridge_flushed(rig->bridge, head, &boxes);
}

static void make_slice(struct slice *slice, const struct rig_setup *setup) {
	uint64_t size = setup->slice_size != 0 ? setup->slice_size : RIG_SLICE_SIZE;
	int fd = memfd_create_sealed("slice", size);
	assert_int_equal(
		slice_init(slice, fd, 0, size, setup->aperture != 0 ? setup->aperture : size), 0);
	for (uint32_t i = 0; i < 2u << 20; i++) {
		slice->map[i] = (uint8_t)(i * 2654435761u >> 24);
	}
}

void rig_init_with(struct rig *rig, const struct rig_setup *setup) {
	*rig = (struct rig){0};
	assert_true(sd_event_new(&rig->event) >= 0);
	make_slice(&rig->slice, setup);
	rig_set_mode(rig, SCANOUT_XRGB8888, RIG_WIDTH * 4, 0);
	rig->head->scanout.flushed = setup->flushed;
	fake_init(&rig->fake, &setup->fake);
	const struct bridge_setup bridge_setup = {
		.event = rig->event,
		.slice = &rig->slice,
		.heads = setup->heads != 0 ? setup->heads : 1,
		.follow = setup->follow,
		.hidden_usec = setup->hidden_usec != 0 ? setup->hidden_usec : USEC_PER_SEC,
		.ops = &ops,
		.data = rig,
	};
	assert_int_equal(bridge_create(&rig->bridge, &bridge_setup), 0);
	assert_int_equal(bridge_connect(rig->bridge, fake_connect(&rig->fake)), 0);
}

void rig_init(struct rig *rig, const struct fake_options *options) {
	const struct rig_setup setup = {.fake = *options};
	rig_init_with(rig, &setup);
}

void rig_finish(struct rig *rig) {
	bridge_destroy(rig->bridge);
	fake_finish(&rig->fake);
	slice_finish(&rig->slice);
	sd_event_unref(rig->event);
}

uint8_t *rig_guest_pixel(struct rig *rig, uint32_t x, uint32_t y) {
	return rig->slice.map + rig->head->scanout.offset +
		(uint64_t)y * rig->head->scanout.stride +
		x * scanout_format_bytes(rig->head->scanout.format);
}

uint8_t *rig_shown_row(struct rig *rig, uint32_t y) {
	struct wl_shm_buffer *picture = fake_picture(rig->fake.head);
	return (uint8_t *)wl_shm_buffer_get_data(picture) +
		(int64_t)y * wl_shm_buffer_get_stride(picture);
}

void rig_assert_picture(struct rig *rig, uint32_t format, uint32_t stride) {
	struct wl_shm_buffer *picture = fake_picture(rig->fake.head);
	assert_non_null(picture);
	assert_int_equal(wl_shm_buffer_get_format(picture), format);
	assert_int_equal(wl_shm_buffer_get_width(picture), RIG_WIDTH);
	assert_int_equal(wl_shm_buffer_get_height(picture), RIG_HEIGHT);
	assert_int_equal(wl_shm_buffer_get_stride(picture), stride);
}

void rig_assert_damage(struct rig *rig, int32_t x, int32_t y, int32_t width, int32_t height) {
	assert_int_equal(rig->fake.head->boxes_len, 1);
	assert_int_equal(rig->fake.head->boxes[0].x, x);
	assert_int_equal(rig->fake.head->boxes[0].y, y);
	assert_int_equal(rig->fake.head->boxes[0].width, width);
	assert_int_equal(rig->fake.head->boxes[0].height, height);
}

void rig_assert_zero_copy(struct rig *rig) {
	uint32_t last = RIG_HEIGHT - 1;
	size_t row = RIG_WIDTH * scanout_format_bytes(rig->head->scanout.format);
	for (uint32_t y = 0; y < RIG_HEIGHT; y += last) {
		memset(rig_guest_pixel(rig, 0, y), (int)(y + 3), row);
		assert_memory_equal(rig_shown_row(rig, y), rig_guest_pixel(rig, 0, y), row);
	}
}
