#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine-rig.h"
#include "virtio-scanouts.h"

#define WIDTH 256
#define HEIGHT 64
#define BYTES (WIDTH * HEIGHT * 4)
#define HEADS 3

struct desk {
	struct engine_rig rig;
	struct virtio_scanouts scanouts;
	unsigned changed[HEADS], flushed[HEADS]; // calls
	struct scanout going[HEADS];             // what was still there then
	struct damage_boxes boxes[HEADS];        // of the last flush or flip
};

static void handle_changed(void *data, unsigned head) {
	((struct desk *)data)->changed[head]++;
}

static void handle_going(void *data, unsigned head) {
	struct desk *desk = data;
	virtio_scanouts_get(&desk->scanouts, head, &desk->going[head]);
}

static void handle_flushed(void *data, unsigned head, const struct damage_boxes *boxes) {
	struct desk *desk = data;
	desk->flushed[head]++;
	desk->boxes[head] = *boxes;
}

static const struct virtio_scanouts_ops ops = {
	.changed = handle_changed,
	.going = handle_going,
	.flipped = handle_flushed,
	.flushed = handle_flushed,
};

static void start(struct desk *desk) {
	memset(desk, 0, sizeof(*desk));
	engine_rig_init(&desk->rig, 1 << 20, 4 << 20, BYTES);
	virtio_scanouts_init(
		&desk->scanouts, &desk->rig.state->gpu, desk->rig.resources, HEADS, &ops, desk);
}

static void finish(struct desk *desk) {
	engine_rig_finish(&desk->rig);
}

static void make(struct desk *desk, uint32_t id) {
	assert_int_equal(resources_create_2d(desk->rig.resources, id,
				 VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, WIDTH, HEIGHT),
		VIRTIO_GPU_RESP_OK_NODATA);
	engine_rig_commit(&desk->rig);
	assert_int_equal(engine_rig_attach_all(&desk->rig, id, BYTES), VIRTIO_GPU_RESP_OK_NODATA);
}

static const struct gpu_rect whole = {0, 0, WIDTH, HEIGHT};

static uint32_t set(struct desk *desk, unsigned head, uint32_t id, const struct gpu_rect *rect) {
	return virtio_scanouts_set(&desk->scanouts, head, id, rect);
}

static void show(struct desk *desk, unsigned head, uint32_t id) {
	assert_int_equal(set(desk, head, id, &whole), VIRTIO_GPU_RESP_OK_NODATA);
}

/* The guest has drawn all of its memory into a resource, and flushes it. Returns the heads. */
static uint32_t draw(struct desk *desk, uint32_t id) {
	uint32_t heads;
	assert_int_equal(resources_transfer(desk->rig.resources, id, &whole, 0, &desk->rig.memory),
		VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(virtio_scanouts_flush(&desk->scanouts, id, &whole, &heads),
		VIRTIO_GPU_RESP_OK_NODATA);
	return heads;
}

static void put(struct desk *desk, uint32_t x, uint32_t y, uint32_t colour) {
	memcpy(desk->rig.guest + (y * WIDTH + x) * 4, &colour, sizeof(colour));
}

static bool covers(const struct damage_boxes *boxes, uint32_t x, uint32_t y) {
	for (size_t i = 0; i < boxes->len; i++) {
		const struct damage_box *box = &boxes->box[i];
		if (x >= box->x && x < box->x + box->width && y >= box->y &&
			y < box->y + box->height) {
			return true;
		}
	}
	return false;
}

static uint64_t area(const struct damage_boxes *boxes) {
	uint64_t sum = 0;
	for (size_t i = 0; i < boxes->len; i++) {
		sum += (uint64_t)boxes->box[i].width * boxes->box[i].height;
	}
	return sum;
}

static void the_first_scanout_takes_all_heads_over(void **state) {
	struct desk desk;
	start(&desk);
	make(&desk, 1);
	show(&desk, 0, 1);
	assert_int_equal(desk.rig.state->gpu.took_over, 1);
	assert_int_equal(desk.changed[1], 1);
	assert_int_equal(desk.changed[2], 1);
	struct scanout scanout;
	virtio_scanouts_get(&desk.scanouts, 0, &scanout);
	assert_int_equal(scanout.width, WIDTH);
	assert_true(scanout.flushed);
	virtio_scanouts_get(&desk.scanouts, 1, &scanout);
	assert_int_equal(scanout.format, SCANOUT_NONE);
	finish(&desk);
}

static void a_flush_tells_what_has_changed_and_no_more(void **state) {
	struct desk desk;
	start(&desk);
	make(&desk, 1);
	show(&desk, 0, 1);
	put(&desk, 70, 20, 0xff00ff);
	assert_int_equal(draw(&desk, 1), 0x1);
	assert_true(covers(&desk.boxes[0], 70, 20));
	assert_true(area(&desk.boxes[0]) <= 64 * 16);
	assert_int_equal(draw(&desk, 1), 0x1);
	assert_int_equal(desk.boxes[0].len, 0);
	finish(&desk);
}

static void flips_damage_what_differs_from_the_screen(void **state) {
	struct desk desk;
	start(&desk);
	make(&desk, 1);
	make(&desk, 2);
	show(&desk, 0, 1);
	draw(&desk, 1);
	draw(&desk, 2);
	show(&desk, 0, 2);
	unsigned changed = desk.changed[0];
	show(&desk, 0, 1);
	// From here on both are known.
	put(&desk, 10, 10, 1);
	draw(&desk, 2);
	show(&desk, 0, 2);
	assert_true(covers(&desk.boxes[0], 10, 10));
	// The first has not got that pixel yet: going back to it changes the screen there.
	show(&desk, 0, 1);
	assert_true(covers(&desk.boxes[0], 10, 10));
	assert_true(area(&desk.boxes[0]) <= 64 * 16);
	put(&desk, 200, 40, 2);
	draw(&desk, 1);
	show(&desk, 0, 2);
	assert_true(covers(&desk.boxes[0], 200, 40));
	assert_true(area(&desk.boxes[0]) <= 64 * 16);
	assert_int_equal(desk.changed[0], changed);
	finish(&desk);
}

static void another_size_changes_all(void **state) {
	struct desk desk;
	start(&desk);
	make(&desk, 1);
	show(&desk, 0, 1);
	show(&desk, 0, 1);
	unsigned changed = desk.changed[0];
	const struct gpu_rect part = {0, 0, WIDTH / 2, HEIGHT};
	assert_int_equal(set(&desk, 0, 1, &part), VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(desk.changed[0], changed + 1);
	finish(&desk);
}

static void heads_show_their_parts_of_one_resource(void **state) {
	struct desk desk;
	start(&desk);
	make(&desk, 1);
	const struct gpu_rect left = {0, 0, WIDTH / 2, HEIGHT};
	const struct gpu_rect right = {WIDTH / 2, 0, WIDTH / 2, HEIGHT};
	assert_int_equal(set(&desk, 0, 1, &left), VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(set(&desk, 2, 1, &right), VIRTIO_GPU_RESP_OK_NODATA);
	draw(&desk, 1);
	put(&desk, WIDTH / 2 + 5, 3, 9);
	assert_int_equal(draw(&desk, 1), 0x5);
	assert_int_equal(desk.boxes[0].len, 0);
	assert_true(covers(&desk.boxes[2], 5, 3));
	finish(&desk);
}

static void a_resource_that_goes_is_shown_no_more(void **state) {
	struct desk desk;
	start(&desk);
	make(&desk, 1);
	make(&desk, 2);
	show(&desk, 0, 1);
	show(&desk, 1, 2);
	unsigned changed[] = {desk.changed[0], desk.changed[1]};
	virtio_scanouts_forget(&desk.scanouts, 1);
	assert_int_equal(desk.going[0].width, WIDTH);
	assert_int_equal(desk.going[1].width, 0);
	assert_int_equal(resources_unref(desk.rig.resources, 1), VIRTIO_GPU_RESP_OK_NODATA);
	assert_int_equal(desk.changed[0], changed[0] + 1);
	assert_int_equal(desk.changed[1], changed[1]);
	struct scanout scanout;
	virtio_scanouts_get(&desk.scanouts, 0, &scanout);
	assert_int_equal(scanout.format, SCANOUT_NONE);
	finish(&desk);
}

static void impossible_scanouts_change_nothing(void **state) {
	struct desk desk;
	start(&desk);
	make(&desk, 1);
	const struct gpu_rect outside = {1, 0, WIDTH, HEIGHT};
	assert_int_equal(set(&desk, HEADS, 1, &whole), VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID);
	assert_int_equal(set(&desk, UINT32_MAX, 1, &whole), VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID);
	assert_int_equal(set(&desk, 0, 9, &whole), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(set(&desk, 0, 1, &outside), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(desk.rig.state->gpu.took_over, 0);
	for (unsigned i = 0; i < HEADS; i++) {
		assert_int_equal(desk.changed[i] + desk.flushed[i], 0);
	}
	finish(&desk);
}

static void a_reset_gives_the_screen_back(void **state) {
	struct desk desk;
	start(&desk);
	make(&desk, 1);
	show(&desk, 0, 1);
	unsigned changed = desk.changed[0];
	virtio_scanouts_reset(&desk.scanouts);
	assert_int_equal(desk.rig.state->gpu.took_over, 0);
	assert_int_equal(desk.changed[0], changed + 1);
	virtio_scanouts_reset(&desk.scanouts);
	assert_int_equal(desk.changed[0], changed + 1);
	finish(&desk);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_scanout_takes_all_heads_over),
		cmocka_unit_test(a_flush_tells_what_has_changed_and_no_more),
		cmocka_unit_test(flips_damage_what_differs_from_the_screen),
		cmocka_unit_test(another_size_changes_all),
		cmocka_unit_test(heads_show_their_parts_of_one_resource),
		cmocka_unit_test(a_resource_that_goes_is_shown_no_more),
		cmocka_unit_test(impossible_scanouts_change_nothing),
		cmocka_unit_test(a_reset_gives_the_screen_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
