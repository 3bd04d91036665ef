#include "bridge-rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "mullion-guest-v1-protocol.h"

#define PAGE UINT64_C(0x100000)
#define PAGES 4
#define HIDDEN (100 * USEC_PER_MSEC)

static const struct damage_boxes nothing;
static const struct damage_boxes corner = {.len = 1, .box = {{0, 0, 9, 9}}};

/* All has been shown, and the frame callback has come unless it is held. */
static void start(struct rig *rig, bool hold_frames) {
	const struct rig_setup setup = {
		.flushed = true, .hidden_usec = HIDDEN, .fake = {.hold_frames = hold_frames}};
	rig_init_with(rig, &setup);
	RIG_UNTIL(rig, rig->fake.head->commits == 1);
	rig_assert_damage(rig, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	if (!hold_frames) {
		rig_spin(rig, 5);
	}
}

static void set_visibility(struct rig *rig, uint32_t visibility) {
	mullion_desktop_v1_send_visibility(rig->fake.head->desktop, visibility);
}

static void what_is_flushed_is_shown_without_a_look(void **state) {
	struct rig rig;
	start(&rig, false);
	rig_assert_zero_copy(&rig);
	++*rig_guest_pixel(&rig, 0, 0);
	rig_spin(&rig, 300);
	assert_int_equal(rig.fake.head->commits, 1);
	rig_flush(&rig, 0, 10, 20, 30, 40);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2 && rig.head->frames == 1);
	rig_assert_damage(&rig, 10, 20, 30, 40);
	assert_ptr_equal(rig.fake.head->buffer, rig.fake.head->last_buffer);
	assert_int_equal(rig.looked, 0);
	assert_int_equal(rig.committed, 2);
	rig_finish(&rig);
}

static void flushes_that_come_together_are_one_commit(void **state) {
	struct rig rig;
	start(&rig, false);
	rig_flush(&rig, 0, 0, 0, 10, 10);
	rig_flush(&rig, 0, 200, 100, 10, 10);
	bridge_flushed(rig.bridge, 0, &nothing);
	RIG_UNTIL(&rig, rig.head->frames == 1);
	rig_spin(&rig, 50);
	assert_int_equal(rig.fake.head->commits, 2);
	assert_int_equal(rig.fake.head->boxes_len, 2);
	assert_int_equal(rig.head->frames, 1);
	rig_finish(&rig);
}

static void no_commit_before_the_frame_callback(void **state) {
	struct rig rig;
	start(&rig, true);
	for (uint32_t i = 0; i < 10; i++) {
		rig_flush(&rig, 0, 30 * i, 0, 10, 10);
		rig_step(&rig);
	}
	rig_spin(&rig, 30);
	assert_int_equal(rig.fake.head->commits, 1);
	fake_frame(rig.fake.head);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	assert_int_equal(rig.fake.head->boxes_len, 10);
	rig_finish(&rig);
}

static void a_guest_that_flushes_in_a_loop_gets_each_frame_once(void **state) {
	struct rig rig;
	const struct rig_setup setup = {.flushed = true, .fake = {.hold_frames = true}};
	rig_init_with(&rig, &setup);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	fake_frame(rig.fake.head);
	rig.head->again = &corner;
	bridge_flushed(rig.bridge, 0, &corner);
	for (unsigned i = 0; i < 30; i++) {
		RIG_UNTIL(&rig, rig.fake.head->commits == i + 2);
		rig_spin(&rig, i % 3);
		assert_int_equal(rig.fake.head->commits, i + 2);
		assert_int_equal(rig.head->frames, i);
		fake_frame(rig.fake.head);
	}
	rig_finish(&rig);
}

static void the_screens_phase_is_not_asked_for_in_each_frame(void **state) {
	struct rig rig;
	start(&rig, false);
	rig.head->again = &corner;
	bridge_flushed(rig.bridge, 0, &corner);
	uint64_t begin = clock_usec();
	RIG_UNTIL(&rig, rig.head->frames == 30);
	assert_in_range(rig.fake.feedbacks, 1, 2 + (clock_usec() - begin) / (500 * USEC_PER_MSEC));
	rig_finish(&rig);
}

static void a_flush_of_nothing_is_answered_without_a_commit(void **state) {
	struct rig rig;
	start(&rig, false);
	rig.head->again = &nothing;
	bridge_flushed(rig.bridge, 0, &nothing);
	assert_int_equal(rig.head->frames, 0);
	uint64_t begin = clock_usec();
	RIG_UNTIL(&rig, rig.head->frames == 8);
	// No faster than the screen.
	assert_true(clock_usec() - begin > 6 * 16667);
	assert_int_equal(rig.fake.head->commits, 1);
	rig_finish(&rig);
}

static void a_hidden_head_runs_slowly_and_is_shown_at_once_when_it_is_seen(void **state) {
	struct rig rig;
	start(&rig, false);
	set_visibility(&rig, MULLION_DESKTOP_V1_VISIBILITY_HIDDEN);
	rig.fake.options.hold_frames = true;
	rig_spin(&rig, 10);
	rig.head->again = &corner;
	bridge_flushed(rig.bridge, 0, &corner);
	uint64_t begin = clock_usec();
	RIG_UNTIL(&rig, rig.head->frames == 4);
	uint64_t ticks = (clock_usec() - begin) / HIDDEN;
	assert_true(ticks >= 3);
	assert_in_range(rig.fake.head->commits, 2, 2 + ticks + 1);
	rig.fake.options.hold_frames = false;
	unsigned commits = rig.fake.head->commits, frames = rig.head->frames;
	rig.head->again = NULL;
	set_visibility(&rig, MULLION_DESKTOP_V1_VISIBILITY_FULLSCREEN);
	RIG_UNTIL(&rig, rig.fake.head->commits == commits + 1);
	rig_assert_damage(&rig, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	assert_int_equal(rig.head->frames, frames + 1);
	rig_finish(&rig);
}

static void full_screen_alone_shows_nothing_again(void **state) {
	struct rig rig;
	start(&rig, false);
	set_visibility(&rig, MULLION_DESKTOP_V1_VISIBILITY_FULLSCREEN);
	set_visibility(&rig, MULLION_DESKTOP_V1_VISIBILITY_VISIBLE);
	rig_spin(&rig, 50);
	assert_int_equal(rig.fake.head->commits, 1);
	rig_finish(&rig);
}

static void without_a_compositor_flushes_are_answered_slowly(void **state) {
	struct rig rig;
	start(&rig, false);
	wl_client_destroy(rig.fake.client);
	rig_spin(&rig, 20);
	rig.head->again = &corner;
	bridge_flushed(rig.bridge, 0, &corner);
	uint64_t begin = clock_usec();
	RIG_UNTIL(&rig, rig.head->frames == 3);
	assert_true(clock_usec() - begin >= 2 * HIDDEN);
	assert_int_equal(bridge_connect(rig.bridge, fake_connect(&rig.fake)), 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	rig_assert_damage(&rig, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	rig_finish(&rig);
}

static void a_compositor_that_never_draws_holds_no_guest_up(void **state) {
	struct rig rig;
	start(&rig, true);
	rig.head->again = &corner;
	bridge_flushed(rig.bridge, 0, &corner);
	RIG_UNTIL(&rig, rig.head->frames == 3);
	assert_int_equal(rig.fake.head->commits, 1);
	rig_finish(&rig);
}

static void a_mode_set_is_shown_with_its_flush(void **state) {
	struct rig rig;
	start(&rig, false);
	for (unsigned i = 2; i < 6; i++) {
		rig_set_head(&rig, 0, 100 * i, 80, i * PAGE);
		bridge_scanout_changed(rig.bridge, 0);
		rig_flush(&rig, 0, 0, 0, 5, 5);
		RIG_UNTIL(&rig, rig.head->frames == i - 1);
		assert_int_equal(rig.fake.head->commits, i);
		rig_assert_damage(&rig, 0, 0, 100 * (int32_t)i, 80);
	}
	// Also where none comes.
	rig_set_head(&rig, 0, 64, 64, PAGE);
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 6);
	rig_assert_damage(&rig, 0, 0, 64, 64);
	assert_int_equal(rig.head->frames, 4);
	rig_finish(&rig);
}

static void flips_use_the_same_buffers_and_damage_what_is_told(void **state) {
	struct rig rig;
	start(&rig, false);
	struct wl_resource *pages[PAGES] = {rig.fake.head->buffer};
	for (unsigned i = 1; i < 20; i++) {
		unsigned page = i % PAGES;
		rig_set_head(&rig, 0, RIG_WIDTH, RIG_HEIGHT, page * PAGE);
		const struct damage_boxes boxes = {.len = 1, .box = {{i, 2, 3, 4}}};
		bridge_flipped(rig.bridge, 0, &boxes);
		sd_event_run(rig.event, 0);
		bridge_flushed(rig.bridge, 0, &nothing);
		RIG_UNTIL(&rig, rig.head->frames == i);
		assert_int_equal(rig.fake.head->commits, i + 1);
		rig_assert_damage(&rig, (int32_t)i, 2, 3, 4);
		if (pages[page] == NULL) {
			pages[page] = rig.fake.head->buffer;
		}
		assert_ptr_equal(rig.fake.head->buffer, pages[page]);
		assert_memory_equal(rig_shown_row(&rig, 0), rig.slice.map + page * PAGE, 64);
	}
	rig_finish(&rig);
}

static void a_flip_without_a_flush_is_shown_too(void **state) {
	struct rig rig;
	start(&rig, false);
	rig_set_head(&rig, 0, RIG_WIDTH, RIG_HEIGHT, PAGE);
	bridge_flipped(rig.bridge, 0, &corner);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_assert_damage(&rig, 0, 0, 9, 9);
	rig_assert_zero_copy(&rig);
	rig_spin(&rig, 30);
	assert_int_equal(rig.head->frames, 0);
	rig_finish(&rig);
}

static void flip(struct rig *rig, uint64_t offset) {
	rig_set_head(rig, 0, RIG_WIDTH, RIG_HEIGHT, offset);
	bridge_flipped(rig->bridge, 0, &nothing);
	sd_event_run(rig->event, 0);
}

/* The answers to its flushes come all the same, a frame apart. */
static void a_flip_between_equal_pages_makes_no_commit(void **state) {
	struct rig rig;
	start(&rig, false);
	uint64_t before = clock_usec();
	for (unsigned i = 1; i <= 10; i++) {
		flip(&rig, i % 2 * PAGE);
		bridge_flushed(rig.bridge, 0, &nothing);
		RIG_UNTIL(&rig, rig.head->frames == i);
	}
	assert_in_range(10, 0, (clock_usec() - before) * 60 / USEC_PER_SEC + 2);
	assert_int_equal(rig.fake.head->commits, 1);
	// It is back where it was: the next flip shows what differs.
	rig_set_head(&rig, 0, RIG_WIDTH, RIG_HEIGHT, PAGE);
	bridge_flipped(rig.bridge, 0, &corner);
	bridge_flushed(rig.bridge, 0, &nothing);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_assert_damage(&rig, 0, 0, 9, 9);
	rig_finish(&rig);
}

static void what_follows_a_picture_that_was_passed_over_is_shown_whole(void **state) {
	struct rig rig;
	start(&rig, false);
	flip(&rig, PAGE);
	bridge_flushed(rig.bridge, 0, &nothing);
	RIG_UNTIL(&rig, rig.head->frames == 1);
	assert_int_equal(rig.fake.head->commits, 1);
	rig_flush(&rig, 0, 3, 4, 5, 6);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_assert_damage(&rig, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	assert_ptr_not_equal(rig.fake.head->buffer, rig.fake.head->last_buffer);
	rig_flush(&rig, 0, 3, 4, 5, 6);
	RIG_UNTIL(&rig, rig.fake.head->commits == 3);
	rig_assert_damage(&rig, 3, 4, 5, 6);
	rig_finish(&rig);
}

static void damage_outside_of_a_smaller_mode_is_cut(void **state) {
	struct rig rig;
	start(&rig, true);
	rig_flush(&rig, 0, 300, 190, 20, 10);
	rig_flush(&rig, 0, 90, 70, 200, 100);
	rig_set_head(&rig, 0, 100, 80, 0);
	fake_frame(rig.fake.head);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_assert_damage(&rig, 0, 0, 100, 80);
	rig_flush(&rig, 0, 90, 70, 200, 100);
	rig_flush(&rig, 0, 300, 190, 20, 10);
	fake_frame(rig.fake.head);
	RIG_UNTIL(&rig, rig.fake.head->commits == 3);
	rig_assert_damage(&rig, 90, 70, 10, 10);
	rig_finish(&rig);
}

static void the_heap_is_shown_where_it_lies(void **state) {
	const struct rig_setup setup = {
		.flushed = true, .slice_size = UINT64_C(3) << 30, .aperture = 16 << 20};
	struct rig rig;
	rig_init_with(&rig, &setup);
	rig_set_head(&rig, 0, RIG_WIDTH, RIG_HEIGHT, UINT64_C(64) << 20);
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	rig_assert_zero_copy(&rig);
	// wl_shm counts no further than 2 GiB.
	rig_set_head(&rig, 0, RIG_WIDTH, RIG_HEIGHT, UINT64_C(2500) << 20);
	memset(rig_guest_pixel(&rig, 7, 9), 0x5a, 4);
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	assert_int_equal(((uint32_t *)rig_shown_row(&rig, 9))[7], 0xff5a5a5a);
	rig_finish(&rig);
}

static void formats_of_virtio_gpu_are_shown_or_converted(void **state) {
	static const struct {
		enum scanout_format format;
		uint32_t shm;
	} cases[] = {
		{SCANOUT_XRGB8888, WL_SHM_FORMAT_XRGB8888},
		{SCANOUT_XBGR8888, WL_SHM_FORMAT_XBGR8888},
		{SCANOUT_BGRX8888, WL_SHM_FORMAT_BGRX8888},
		{SCANOUT_RGBX8888, WL_SHM_FORMAT_RGBX8888},
	};
	// What 0x11223344 is in each, as XRGB8888.
	static const uint32_t converted[] = {0xff223344, 0xff443322, 0xff332211, 0xff112233};
	for (int few = 0; few < 2; few++) {
		const struct rig_setup setup = {.flushed = true, .fake = {.few_formats = few != 0}};
		struct rig rig;
		rig_init_with(&rig, &setup);
		for (unsigned i = 0; i < 4; i++) {
			rig_set_mode(&rig, cases[i].format, RIG_WIDTH * 4, 0);
			rig.head->scanout.flushed = true;
			const uint32_t pixel = 0x11223344;
			memcpy(rig_guest_pixel(&rig, 3, 4), &pixel, 4);
			bridge_scanout_changed(rig.bridge, 0);
			RIG_UNTIL(&rig, rig.fake.head->commits == i + 1);
			bool direct = few == 0 || i == 0;
			rig_assert_picture(&rig,
				direct ? cases[i].shm : (uint32_t)WL_SHM_FORMAT_XRGB8888,
				RIG_WIDTH * 4);
			assert_int_equal(((uint32_t *)rig_shown_row(&rig, 4))[3],
				direct ? pixel : converted[i]);
		}
		rig_finish(&rig);
	}
}

static void converted_flushes_wait_for_a_buffer_and_lose_nothing(void **state) {
	const struct rig_setup setup = {
		.flushed = true, .fake = {.few_formats = true, .hold_buffers = true}};
	struct rig rig;
	rig_init_with(&rig, &setup);
	rig_set_mode(&rig, SCANOUT_BGRX8888, RIG_WIDTH * 4, 0);
	rig.head->scanout.flushed = true;
	memset(rig.slice.map, 0, RIG_WIDTH * RIG_HEIGHT * 4);
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	for (uint32_t i = 0; i < 4; i++) {
		memset(rig_guest_pixel(&rig, 50 * i, 10), 0xff, 4);
		rig_flush(&rig, 0, 50 * i, 10, 1, 1);
		rig_spin(&rig, 30);
	}
	assert_int_equal(rig.fake.head->commits, 2);
	assert_int_equal(((uint32_t *)rig_shown_row(&rig, 10))[0], 0xffffffff);
	assert_int_equal(((uint32_t *)rig_shown_row(&rig, 10))[50], 0xff000000);
	wl_buffer_send_release(rig.fake.head->last_buffer);
	RIG_UNTIL(&rig, rig.fake.head->commits == 3);
	assert_int_equal(rig.fake.head->boxes_len, 3);
	for (uint32_t x = 0; x < RIG_WIDTH; x++) {
		assert_int_equal(((uint32_t *)rig_shown_row(&rig, 10))[x],
			x % 50 == 0 && x < 200 ? 0xffffffff : 0xff000000);
	}
	rig_finish(&rig);
}

static void off_is_black_and_then_shown_again(void **state) {
	struct rig rig;
	start(&rig, false);
	struct scanout on = rig.head->scanout;
	rig.head->scanout = (struct scanout){0};
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	assert_int_equal(*(uint32_t *)rig_shown_row(&rig, 50) & 0xffffff, 0);
	bridge_scanout_changed(rig.bridge, 0);
	bridge_flushed(rig.bridge, 0, &nothing);
	RIG_UNTIL(&rig, rig.head->frames == 1);
	assert_int_equal(rig.fake.head->commits, 2);
	rig.head->scanout = on;
	bridge_scanout_changed(rig.bridge, 0);
	rig_flush(&rig, 0, 0, 0, 1, 1);
	RIG_UNTIL(&rig, rig.fake.head->commits == 3);
	rig_assert_damage(&rig, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	rig_assert_zero_copy(&rig);
	rig_finish(&rig);
}

static void a_reset_gives_the_picture_back_to_looks(void **state) {
	struct rig rig;
	start(&rig, false);
	rig_set_mode(&rig, SCANOUT_XRGB8888, RIG_WIDTH * 4, PAGE);
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_assert_damage(&rig, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	++*rig_guest_pixel(&rig, 0, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 3);
	rig_assert_damage(&rig, 0, 0, 64, 16);
	// A flush of such a head is a hint, and answered.
	++*rig_guest_pixel(&rig, 100, 100);
	rig_flush(&rig, 0, 0, 0, 5, 5);
	RIG_UNTIL(&rig, rig.fake.head->commits == 4 && rig.head->frames == 1);
	rig_assert_damage(&rig, 64, 96, 64, 16);
	unsigned looked = rig.looked;
	rig_set_head(&rig, 0, RIG_WIDTH, RIG_HEIGHT, 0);
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 5);
	rig_spin(&rig, 100);
	assert_int_equal(rig.looked, looked);
	rig_finish(&rig);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_flushed_is_shown_without_a_look),
		cmocka_unit_test(flushes_that_come_together_are_one_commit),
		cmocka_unit_test(no_commit_before_the_frame_callback),
		cmocka_unit_test(a_guest_that_flushes_in_a_loop_gets_each_frame_once),
		cmocka_unit_test(the_screens_phase_is_not_asked_for_in_each_frame),
		cmocka_unit_test(a_flush_of_nothing_is_answered_without_a_commit),
		cmocka_unit_test(a_hidden_head_runs_slowly_and_is_shown_at_once_when_it_is_seen),
		cmocka_unit_test(full_screen_alone_shows_nothing_again),
		cmocka_unit_test(without_a_compositor_flushes_are_answered_slowly),
		cmocka_unit_test(a_compositor_that_never_draws_holds_no_guest_up),
		cmocka_unit_test(a_mode_set_is_shown_with_its_flush),
		cmocka_unit_test(flips_use_the_same_buffers_and_damage_what_is_told),
		cmocka_unit_test(a_flip_without_a_flush_is_shown_too),
		cmocka_unit_test(a_flip_between_equal_pages_makes_no_commit),
		cmocka_unit_test(what_follows_a_picture_that_was_passed_over_is_shown_whole),
		cmocka_unit_test(damage_outside_of_a_smaller_mode_is_cut),
		cmocka_unit_test(the_heap_is_shown_where_it_lies),
		cmocka_unit_test(formats_of_virtio_gpu_are_shown_or_converted),
		cmocka_unit_test(converted_flushes_wait_for_a_buffer_and_lose_nothing),
		cmocka_unit_test(off_is_black_and_then_shown_again),
		cmocka_unit_test(a_reset_gives_the_picture_back_to_looks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
