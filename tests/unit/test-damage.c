#include "damage.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A frame buffer in memory of exactly its size: a sanitizer sees what lies past the end. */
struct frame {
	struct damage damage;
	uint32_t stride;
	size_t size;
	uint8_t *pixels;
};

static void frame_init(
	struct frame *frame, uint32_t width, uint32_t height, uint32_t pixel, uint32_t gap) {
	assert_true(damage_init(&frame->damage, width, height, pixel));
	frame->stride = width * pixel + gap;
	frame->size = (size_t)frame->stride * (height - 1) + (size_t)width * pixel;
	frame->pixels = calloc(1, frame->size);
	assert_non_null(frame->pixels);
	struct damage_boxes boxes;
	damage_compare(&frame->damage, frame->pixels, frame->stride, &boxes);
}

static void frame_finish(struct frame *frame) {
	damage_finish(&frame->damage);
	free(frame->pixels);
}

static struct damage_boxes frame_look(struct frame *frame) {
	struct damage_boxes boxes;
	damage_compare(&frame->damage, frame->pixels, frame->stride, &boxes);
	struct damage_boxes again;
	damage_compare(&frame->damage, frame->pixels, frame->stride, &again);
	assert_int_equal(again.len, 0);
	return boxes;
}

static void frame_touch(struct frame *frame, uint32_t x, uint32_t y) {
	frame->pixels[(size_t)y * frame->stride + (size_t)x * frame->damage.pixel] ^= 0x5a;
}

static void assert_box(
	const struct damage_box *box, uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
	assert_int_equal(box->x, x);
	assert_int_equal(box->y, y);
	assert_int_equal(box->width, width);
	assert_int_equal(box->height, height);
}

static void the_first_look_reports_everything(void **state) {
	struct damage damage;
	uint32_t pixels[3 * 2] = {0};
	struct damage_boxes boxes;
	assert_true(damage_init(&damage, 3, 2, 4));
	damage_compare(&damage, (uint8_t *)pixels, 12, &boxes);
	assert_int_equal(boxes.len, 1);
	assert_box(&boxes.box[0], 0, 0, 3, 2);
	damage_compare(&damage, (uint8_t *)pixels, 12, &boxes);
	assert_int_equal(boxes.len, 0);
	damage_invalidate(&damage);
	damage_compare(&damage, (uint8_t *)pixels, 12, &boxes);
	assert_int_equal(boxes.len, 1);
	damage_finish(&damage);
}

static void one_pixel_is_its_tile(void **state) {
	struct frame frame;
	frame_init(&frame, 1024, 768, 4, 0);
	assert_int_equal(frame_look(&frame).len, 0);
	static const uint32_t points[][2] = {
		{0, 0}, {63, 15}, {64, 16}, {1023, 767}, {500, 0}, {0, 767}, {511, 400}};
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		uint32_t x = points[i][0], y = points[i][1];
		frame_touch(&frame, x, y);
		struct damage_boxes boxes = frame_look(&frame);
		assert_int_equal(boxes.len, 1);
		assert_box(&boxes.box[0], x / 64 * 64, y / 16 * 16, 64, 16);
	}
	frame_finish(&frame);
}

static void every_byte_of_a_pixel_counts(void **state) {
	struct frame frame;
	frame_init(&frame, 67, 17, 3, 2);
	for (size_t i = 0; i < frame.size; i++) {
		bool in_gap = i % frame.stride >= 67 * 3;
		frame.pixels[i] ^= 1;
		assert_int_equal(frame_look(&frame).len, in_gap ? 0 : 1);
	}
	frame_finish(&frame);
}

static void edge_tiles_are_clipped_to_odd_sizes(void **state) {
	struct frame frame;
	frame_init(&frame, 801, 603, 4, 60);
	frame_touch(&frame, 800, 602);
	struct damage_boxes boxes = frame_look(&frame);
	assert_int_equal(boxes.len, 1);
	assert_box(&boxes.box[0], 768, 592, 33, 11);
	frame_finish(&frame);
	frame_init(&frame, 1, 1, 1, 0);
	frame_touch(&frame, 0, 0);
	boxes = frame_look(&frame);
	assert_int_equal(boxes.len, 1);
	assert_box(&boxes.box[0], 0, 0, 1, 1);
	frame_finish(&frame);
}

static void a_whole_change_is_one_box(void **state) {
	struct frame frame;
	frame_init(&frame, 1000, 700, 2, 0);
	memset(frame.pixels, 0x77, frame.size);
	struct damage_boxes boxes = frame_look(&frame);
	assert_int_equal(boxes.len, 1);
	assert_box(&boxes.box[0], 0, 0, 1000, 700);
	frame_finish(&frame);
}

static void neighbours_become_one_box(void **state) {
	struct frame frame;
	frame_init(&frame, 1024, 768, 4, 0);
	for (uint32_t y = 100; y < 120; y++) {
		for (uint32_t x = 60; x < 160; x++) {
			frame_touch(&frame, x, y);
		}
	}
	struct damage_boxes boxes = frame_look(&frame);
	assert_int_equal(boxes.len, 1);
	assert_box(&boxes.box[0], 0, 96, 192, 32);
	frame_finish(&frame);
}

static void far_changes_stay_apart(void **state) {
	struct frame frame;
	frame_init(&frame, 1024, 768, 4, 0);
	frame_touch(&frame, 0, 0);
	frame_touch(&frame, 1023, 0);
	frame_touch(&frame, 0, 767);
	struct damage_boxes boxes = frame_look(&frame);
	assert_int_equal(boxes.len, 3);
	frame_finish(&frame);
}

static bool covered(const struct damage_boxes *boxes, uint32_t x, uint32_t y) {
	for (size_t i = 0; i < boxes->len; i++) {
		const struct damage_box *box = &boxes->box[i];
		if (x >= box->x && x - box->x < box->width && y >= box->y &&
			y - box->y < box->height) {
			return true;
		}
	}
	return false;
}

static void many_changes_are_few_boxes_that_cover_all(void **state) {
	struct frame frame;
	frame_init(&frame, 1920, 1080, 4, 0);
	srand(7);
	for (int round = 0; round < 50; round++) {
		uint32_t points[200][2];
		int n = 1 + rand() % 200;
		for (int i = 0; i < n; i++) {
			points[i][0] = (uint32_t)rand() % 1920;
			points[i][1] = (uint32_t)rand() % 1080;
			frame_touch(&frame, points[i][0], points[i][1]);
		}
		struct damage_boxes boxes = frame_look(&frame);
		assert_in_range(boxes.len, 1, DAMAGE_BOXES_MAX);
		for (int i = 0; i < n; i++) {
			assert_true(covered(&boxes, points[i][0], points[i][1]));
		}
		for (size_t i = 0; i < boxes.len; i++) {
			assert_in_range(boxes.box[i].x + boxes.box[i].width, 1, 1920);
			assert_in_range(boxes.box[i].y + boxes.box[i].height, 1, 1080);
		}
	}
	frame_finish(&frame);
}

struct drawer {
	uint8_t *pixels;
	size_t size;
	atomic_bool stop;
};

static void *draw_at_random(void *data) {
	struct drawer *drawer = data;
	uint32_t random = 1;
	while (!atomic_load(&drawer->stop)) {
		random = random * 1664525 + 1013904223;
		*(volatile uint8_t *)&drawer->pixels[(random >> 8) % drawer->size] += 1;
	}
	return NULL;
}

/* What a compositor does that reads the frame buffer only where it is told to. */
static void show(struct frame *frame, uint8_t *screen, const struct damage_boxes *boxes) {
	uint32_t pixel = frame->damage.pixel;
	for (size_t i = 0; i < boxes->len; i++) {
		const struct damage_box *box = &boxes->box[i];
		for (uint32_t y = box->y; y < box->y + box->height; y++) {
			size_t at = (size_t)y * frame->stride + (size_t)box->x * pixel;
			memcpy(screen + at, frame->pixels + at, (size_t)box->width * pixel);
		}
	}
}

static void no_change_is_lost_while_the_guest_draws(void **state) {
	struct frame frame;
	frame_init(&frame, 640, 200, 4, 0);
	uint8_t *screen = calloc(1, frame.size);
	struct drawer drawer = {.pixels = frame.pixels, .size = frame.size};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, draw_at_random, &drawer), 0);
	struct damage_boxes boxes;
	for (int i = 0; i < 300; i++) {
		damage_compare(&frame.damage, frame.pixels, frame.stride, &boxes);
		show(&frame, screen, &boxes);
	}
	atomic_store(&drawer.stop, true);
	pthread_join(thread, NULL);
	boxes = frame_look(&frame);
	show(&frame, screen, &boxes);
	assert_memory_equal(screen, frame.pixels, frame.size);
	free(screen);
	frame_finish(&frame);
}

/* A guest that draws between comparison and copy, and undoes it after that. */
static void what_is_copied_is_what_later_looks_compare_with(void **state) {
	struct frame frame;
	frame_init(&frame, 200, 50, 3, 5);
	uint8_t *copy = calloc(200 * 3, 50);
	assert_non_null(copy);
	frame_touch(&frame, 199, 49);
	struct damage_boxes boxes;
	damage_compare(&frame.damage, frame.pixels, frame.stride, &boxes);
	frame_touch(&frame, 198, 48);
	damage_copy(&frame.damage, frame.pixels, frame.stride, &boxes, copy);
	for (uint32_t y = 48; y < 50; y++) {
		assert_memory_equal(copy + (size_t)y * 200 * 3 + 192 * 3,
			frame.pixels + (size_t)y * frame.stride + 192 * 3, 8 * 3);
	}
	assert_int_equal(frame_look(&frame).len, 0);
	frame_touch(&frame, 198, 48);
	assert_int_equal(frame_look(&frame).len, 1);
	free(copy);
	frame_finish(&frame);
}

/* What changes elsewhere is found once it is asked for, and nothing is read outside. */
static void a_look_at_boxes_finds_what_is_in_their_tiles(void **state) {
	struct frame frame;
	frame_init(&frame, 150, 50, 4, 12);
	frame_touch(&frame, 149, 49);
	frame_touch(&frame, 70, 20);
	struct damage_boxes found,
		asked = {.len = 3, .box = {{100, 0, 40, 10}, {65, 17, 1, 1}, {200, 200, 5, 5}}};
	damage_compare_boxes(&frame.damage, frame.pixels, frame.stride, &asked, &found);
	assert_int_equal(found.len, 1);
	assert_box(&found.box[0], 64, 16, 64, 16);
	damage_compare_boxes(&frame.damage, frame.pixels, frame.stride, &asked, &found);
	assert_int_equal(found.len, 0);
	asked = (struct damage_boxes){.len = 1, .box = {{149, 49, UINT32_MAX, UINT32_MAX}}};
	damage_compare_boxes(&frame.damage, frame.pixels, frame.stride, &asked, &found);
	assert_int_equal(found.len, 1);
	assert_box(&found.box[0], 128, 48, 22, 2);
	damage_invalidate(&frame.damage);
	asked = (struct damage_boxes){.len = 1, .box = {{0, 0, 1, 1}}};
	damage_compare_boxes(&frame.damage, frame.pixels, frame.stride, &asked, &found);
	assert_int_equal(found.len, 1);
	assert_box(&found.box[0], 0, 0, 150, 50);
	asked.box[0].width = 0;
	damage_compare_boxes(&frame.damage, frame.pixels, frame.stride, &asked, &found);
	assert_int_equal(found.len, 0);
	frame_finish(&frame);
}

static void sizes_out_of_range_are_refused(void **state) {
	struct damage damage;
	assert_false(damage_init(&damage, DAMAGE_SIZE_MAX + 1, 1, 4));
	assert_false(damage_init(&damage, 1, DAMAGE_SIZE_MAX + 1, 4));
	damage_finish(&damage);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_look_reports_everything),
		cmocka_unit_test(one_pixel_is_its_tile),
		cmocka_unit_test(every_byte_of_a_pixel_counts),
		cmocka_unit_test(edge_tiles_are_clipped_to_odd_sizes),
		cmocka_unit_test(a_whole_change_is_one_box),
		cmocka_unit_test(neighbours_become_one_box),
		cmocka_unit_test(far_changes_stay_apart),
		cmocka_unit_test(many_changes_are_few_boxes_that_cover_all),
		cmocka_unit_test(no_change_is_lost_while_the_guest_draws),
		cmocka_unit_test(what_is_copied_is_what_later_looks_compare_with),
		cmocka_unit_test(a_look_at_boxes_finds_what_is_in_their_tiles),
		cmocka_unit_test(sizes_out_of_range_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
