#include "bridge-rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fractional-scale-protocol.h"
#include "mullion-guest-v1-protocol.h"
#include "xdg-shell-protocol.h"

#define PAGE UINT64_C(0x100000)

static void each_head_shows_its_own_scanout(void **state) {
	const struct rig_setup setup = {.heads = BRIDGE_HEADS_MAX, .flushed = true};
	struct rig rig;
	rig_init_with(&rig, &setup);
	for (unsigned i = 1; i < BRIDGE_HEADS_MAX; i++) {
		rig_set_head(&rig, i, 100 + i, 80, i * PAGE);
		memset(rig.slice.map + i * PAGE, (int)i, 4);
		bridge_scanout_changed(rig.bridge, i);
		rig_flush(&rig, i, 0, 0, 1, 1);
	}
	for (unsigned i = 1; i < BRIDGE_HEADS_MAX; i++) {
		struct fake_surface *surface = &rig.fake.head[i];
		RIG_UNTIL(&rig, surface->commits == 1 && rig.head[i].frames == 1);
		struct wl_shm_buffer *shown = fake_picture(surface);
		assert_int_equal(wl_shm_buffer_get_width(shown), 100 + i);
		assert_int_equal(*(uint8_t *)wl_shm_buffer_get_data(shown), i);
	}
	rig_finish(&rig);
}

static void a_head_that_was_never_on_commits_nothing(void **state) {
	const struct rig_setup setup = {.heads = 3};
	struct rig rig;
	rig_init_with(&rig, &setup);
	RIG_UNTIL(&rig, rig.fake.head[0].commits == 1 && rig.fake.head[2].desktop != NULL);
	bridge_scanout_changed(rig.bridge, 1);
	bridge_drawn(rig.bridge, 2);
	rig_spin(&rig, 100);
	assert_int_equal(rig.fake.head[1].commits, 0);
	assert_int_equal(rig.fake.head[2].commits, 0);
	rig_finish(&rig);
}

static void heads_do_not_wait_for_each_other(void **state) {
	const struct rig_setup setup = {.heads = 2, .flushed = true, .fake = {.hold_frames = true}};
	struct rig rig;
	rig_init_with(&rig, &setup);
	rig_set_head(&rig, 1, 64, 64, PAGE);
	bridge_scanout_changed(rig.bridge, 1);
	RIG_UNTIL(&rig, rig.fake.head[0].commits == 1 && rig.fake.head[1].commits == 1);
	for (unsigned i = 2; i < 10; i++) {
		rig_flush(&rig, 0, 0, 0, 5, 5);
		rig_flush(&rig, 1, 0, 0, 5, 5);
		fake_frame(&rig.fake.head[1]);
		RIG_UNTIL(&rig, rig.fake.head[1].commits == i);
	}
	assert_int_equal(rig.fake.head[0].commits, 1);
	assert_int_equal(rig.head[0].frames, 0);
	rig_finish(&rig);
}

static void windows_of_several_heads_have_numbers(void **state) {
	const struct rig_setup setup = {.heads = 2, .fake = {.no_guest_role = true}};
	struct rig rig;
	rig_init_with(&rig, &setup);
	RIG_UNTIL(&rig, rig.fake.head[0].commits == 1 && rig.fake.head[1].empty_commits == 1);
	assert_string_equal(rig.fake.head[0].title, "mullion guest, head 1");
	assert_string_equal(rig.fake.head[1].title, "mullion guest, head 2");
	rig_finish(&rig);
}

static void assert_position(struct rig *rig, int32_t x, int32_t y) {
	assert_int_equal(rig->input.count, 2);
	assert_int_equal(rig->input.events[0].type, LINK_INPUT_ABS_X);
	assert_int_equal(rig->input.events[0].value, x);
	assert_int_equal(rig->input.events[1].value, y);
}

static void point(struct rig *rig, unsigned head, int x, int y) {
	unsigned inputs = rig->inputs;
	wl_pointer_send_enter(rig->fake.pointer, 1, rig->fake.head[head].resource,
		wl_fixed_from_int(x), wl_fixed_from_int(y));
	wl_pointer_send_frame(rig->fake.pointer);
	RIG_UNTIL(rig, rig->inputs == inputs + 1);
}

static void positions_span_the_heads_side_by_side(void **state) {
	const struct rig_setup setup = {.heads = 3, .flushed = true};
	struct rig rig;
	rig_init_with(&rig, &setup);
	rig_set_head(&rig, 0, 512, 512, 0);
	rig_set_head(&rig, 1, 512, 1024, PAGE);
	RIG_UNTIL(&rig,
		rig.fake.head[0].commits == 1 && rig.fake.head[1].commits == 1 &&
			rig.fake.pointer != NULL);
	point(&rig, 0, 256, 256);
	assert_position(&rig, 8192, 8192);
	point(&rig, 1, 0, 512);
	assert_position(&rig, 16384, 16384);
	point(&rig, 1, 512, 1024);
	assert_position(&rig, 32767, 32767);
	// The second one goes off: the first is all there is.
	rig.head[1].scanout = (struct scanout){0};
	bridge_scanout_changed(rig.bridge, 1);
	RIG_UNTIL(&rig, rig.fake.head[1].commits == 2);
	point(&rig, 0, 256, 256);
	assert_position(&rig, 16384, 16384);
	rig_finish(&rig);
}

static void sizes_are_told_when_they_have_settled(void **state) {
	const struct rig_setup setup = {.heads = 2};
	struct rig rig;
	rig_init_with(&rig, &setup);
	RIG_UNTIL(&rig, rig.fake.head[0].commits == 1 && rig.fake.head[1].desktop != NULL);
	struct wl_resource *desktop = rig.fake.head[1].desktop;
	mullion_desktop_v1_send_configure(desktop, 0, 0, 60000, 120);
	rig_spin(&rig, 20);
	assert_int_equal(rig.head[1].resized, 0);
	mullion_desktop_v1_send_configure(desktop, 800, 600, 60000, 180);
	RIG_UNTIL(&rig, rig.head[1].resized == 1);
	assert_int_equal(rig.head[1].width, 800);
	assert_int_equal(rig.head[1].height, 600);
	assert_int_equal(rig.head[1].refresh, 60000);
	assert_int_equal(rig.head[1].scale, 180);
	for (uint32_t i = 1; i <= 10; i++) {
		mullion_desktop_v1_send_configure(desktop, 800 + i, 600, 60000, 180);
		rig_step(&rig);
	}
	RIG_UNTIL(&rig, rig.head[1].resized == 2);
	assert_int_equal(rig.head[1].width, 810);
	assert_int_equal(rig.head[0].resized, 0);
	rig_finish(&rig);
}

static void configure_toplevel(struct rig *rig, int width, int height) {
	struct wl_array states;
	wl_array_init(&states);
	xdg_toplevel_send_configure(rig->fake.head->toplevel, width, height, &states);
	xdg_surface_send_configure(rig->fake.head->xdg_surface, ++rig->fake.serial);
	wl_array_release(&states);
}

static void an_ordinary_window_may_be_followed(void **state) {
	struct rig_setup setup = {.follow = true, .fake = {.no_guest_role = true}};
	struct rig rig;
	rig_init_with(&rig, &setup);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	assert_false(rig.fake.head->fixed);
	configure_toplevel(&rig, 0, 0);
	configure_toplevel(&rig, 640, 400);
	RIG_UNTIL(&rig, rig.head->resized == 1);
	assert_int_equal(rig.head->width, 640);
	assert_int_equal(rig.head->height, 400);
	assert_int_equal(rig.head->refresh, 0);
	rig_finish(&rig);
	setup.follow = false;
	rig_init_with(&rig, &setup);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	assert_true(rig.fake.head->fixed);
	configure_toplevel(&rig, 640, 400);
	rig_spin(&rig, 50);
	assert_int_equal(rig.head->resized, 0);
	rig_finish(&rig);
}

static void an_ordinary_window_gets_the_pixels_of_its_screen(void **state) {
	const uint32_t arrow[64 * 64] = {0xffffffff};
	struct rig_setup setup = {
		.follow = true, .flushed = true, .fake = {.no_guest_role = true, .scales = true}};
	struct rig rig;
	rig_init_with(&rig, &setup);
	struct fake_surface *head = rig.fake.head;
	RIG_UNTIL(&rig, head->commits == 1 && rig.fake.pointer != NULL);
	assert_int_equal(head->surface_width, RIG_WIDTH);
	configure_toplevel(&rig, 601, 400);
	RIG_UNTIL(&rig, rig.head->resized == 1);
	assert_int_equal(rig.head->width, 601);
	wp_fractional_scale_v1_send_preferred_scale(head->fractional, 180);
	RIG_UNTIL(&rig, rig.head->resized == 2);
	assert_int_equal(rig.head->width, 902);
	assert_int_equal(rig.head->height, 600);
	assert_int_equal(rig.head->scale, 180);
	// Until the guest follows its window has the size of its own pixels.
	rig_flush(&rig, 0, 0, 0, 10, 10);
	RIG_UNTIL(&rig, head->commits == 2);
	assert_int_equal(head->surface_width, 213);
	assert_int_equal(head->surface_height, 133);
	rig_set_head(&rig, 0, 902, 600, 0);
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, head->commits == 3);
	assert_int_equal(head->surface_width, 601);
	assert_int_equal(head->surface_height, 400);
	// Where it points, and what at.
	bridge_set_cursor(rig.bridge, arrow, 6, 3);
	point(&rig, 0, 300, 200);
	assert_int_equal(rig.input.events[0].value * 902 / 32768, 300 * 902 / 601);
	assert_int_equal(rig.input.events[1].value * 600 / 32768, 300);
	RIG_UNTIL(&rig, rig.fake.cursor.surface != NULL && rig.fake.cursor.surface->commits == 1);
	assert_int_equal(rig.fake.cursor.surface->surface_width, 43);
	assert_int_equal(rig.fake.cursor.hot_x, 4);
	assert_int_equal(rig.fake.cursor.hot_y, 2);
	rig_finish(&rig);
}

static void a_window_that_is_closed_is_a_monitor_unplugged(void **state) {
	const struct rig_setup setup = {.heads = 3, .flushed = true, .fake.no_guest_role = true};
	struct rig rig;
	rig_init_with(&rig, &setup);
	rig_set_head(&rig, 1, 512, 512, PAGE);
	RIG_UNTIL(&rig,
		rig.fake.head[0].commits == 1 && rig.fake.head[1].commits == 1 &&
			rig.fake.pointer != NULL);
	xdg_toplevel_send_close(rig.fake.head[0].toplevel);
	RIG_UNTIL(&rig, rig.head[0].unplugged);
	RIG_UNTIL(&rig, rig.fake.head[0].toplevel == NULL);
	// The other one goes on, and is all that there is to point at.
	rig_flush(&rig, 1, 0, 0, 512, 512);
	RIG_UNTIL(&rig, rig.fake.head[1].commits == 2);
	rig_flush(&rig, 0, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	bridge_scanout_changed(rig.bridge, 0);
	rig_spin(&rig, 20);
	point(&rig, 1, 256, 256);
	assert_position(&rig, 16384, 16384);
	// The third has never shown anything.
	xdg_toplevel_send_close(rig.fake.head[1].toplevel);
	RIG_UNTIL(&rig, rig.fake.client == NULL);
	assert_false(rig.head[0].unplugged);
	assert_false(rig.head[1].unplugged);
	rig_finish(&rig);
}

static void many_heads_wait_for_a_compositor_that_does_not_read(void **state) {
	const struct rig_setup setup = {
		.heads = BRIDGE_HEADS_MAX, .flushed = true, .hidden_usec = 20 * USEC_PER_MSEC};
	struct rig rig;
	rig_init_with(&rig, &setup);
	for (unsigned i = 1; i < BRIDGE_HEADS_MAX; i++) {
		rig_set_head(&rig, i, 64, 64, i * PAGE);
		bridge_scanout_changed(rig.bridge, i);
	}
	RIG_UNTIL(&rig, rig.fake.head[BRIDGE_HEADS_MAX - 1].commits == 1);
	rig.deaf = true;
	unsigned frames = rig.head[5].frames;
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < BRIDGE_HEADS_MAX; i++) {
			bridge_scanout_changed(rig.bridge, i);
			rig_flush(&rig, i, 0, 0, round % 64, 5);
		}
		rig_step(&rig);
	}
	// The guest goes on, slowly.
	RIG_UNTIL(&rig, rig.head[5].frames > frames);
	rig.deaf = false;
	unsigned commits = rig.fake.head[7].commits;
	rig_flush(&rig, 7, 1, 1, 2, 2);
	RIG_UNTIL(&rig, rig.fake.head[7].commits > commits);
	assert_non_null(rig.fake.client);
	rig_finish(&rig);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_head_shows_its_own_scanout),
		cmocka_unit_test(a_head_that_was_never_on_commits_nothing),
		cmocka_unit_test(heads_do_not_wait_for_each_other),
		cmocka_unit_test(windows_of_several_heads_have_numbers),
		cmocka_unit_test(positions_span_the_heads_side_by_side),
		cmocka_unit_test(sizes_are_told_when_they_have_settled),
		cmocka_unit_test(an_ordinary_window_may_be_followed),
		cmocka_unit_test(an_ordinary_window_gets_the_pixels_of_its_screen),
		cmocka_unit_test(a_window_that_is_closed_is_a_monitor_unplugged),
		cmocka_unit_test(many_heads_wait_for_a_compositor_that_does_not_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
