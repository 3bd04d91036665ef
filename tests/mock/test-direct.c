/*
 * A guest that has a screen for itself, in that screen's own size: its memory is what the screen
 * shows, and nothing is composed. The test is both mulliond and the device.
 */
#include <stdlib.h>
#include <string.h>

#include "one-guest.h"

#define WIDTH 1280
#define HEIGHT 1024
#define WAIT_MSEC 100 // several refreshes

#define FULL "{\"name\":\"work\"}"
#define WINDOWS "{}"

static void set_fullscreen(struct desk *desk, const char *parameters) {
	assert_int_equal(session_call_json(&desk->session, "Fullscreen", parameters), 0);
}

static int64_t direct(struct desk *desk) {
	return session_window(&desk->session, "work", "direct");
}

static void show(struct desk *desk, int width, int height, uint32_t colour) {
	desk_show(desk, 0, width, height, colour);
	desk_expect(desk, "work", "modeWidth", width);
}

/* A further frame in this size is the screen's. */
static void assert_direct(struct desk *desk, uint32_t colour) {
	int64_t before = direct(desk), is = before;
	assert_true(before >= 0);
	desk_show(desk, 0, WIDTH, HEIGHT, colour);
	for (int i = 0; i < 200 && is <= before; i++) {
		session_run(&desk->session, 5);
		is = direct(desk);
	}
	assert_true(is > before);
}

static void assert_composed(struct desk *desk, int width, int height, uint32_t colour) {
	session_run(&desk->session, WAIT_MSEC);
	int64_t before = direct(desk);
	desk_show(desk, 0, width, height, colour);
	session_run(&desk->session, WAIT_MSEC);
	assert_int_equal(direct(desk), before);
}

/* Whether the screen has nothing but this colour. */
static bool fills_screen(struct desk *desk, uint32_t colour) {
	unsigned count;
	struct desk_picture picture = desk_picture(desk, NULL);
	desk_find(&picture, colour, &count);
	free(picture.pixels);
	return count == WIDTH * HEIGHT;
}

static void screen_of_its_own_is_scanned_out(void **state) {
	struct desk *desk = *state;
	show(desk, WIDTH, HEIGHT, 0x102030);
	set_fullscreen(desk, FULL);
	for (uint32_t i = 0; i < 10; i++) {
		assert_direct(desk, 0x203040 + i);
	}
}

static void window_is_composed(void **state) {
	struct desk *desk = *state;
	show(desk, 640, 480, 0x102030);
	assert_composed(desk, 640, 480, 0x203040);
	assert_int_equal(direct(desk), 0);
}

static void another_size_than_the_screens_is_composed(void **state) {
	struct desk *desk = *state;
	show(desk, 640, 480, 0x102030);
	set_fullscreen(desk, FULL);
	assert_composed(desk, 640, 480, 0x203040);
	show(desk, WIDTH, HEIGHT, 0x304050);
	assert_direct(desk, 0x405060);
	show(desk, 800, 600, 0x506070);
	assert_composed(desk, 800, 600, 0x607080);
}

/* What only the compositor may say lies above every guest, as long as it is there. */
static void notice_is_composed_over_the_picture(void **state) {
	struct desk *desk = *state;
	show(desk, WIDTH, HEIGHT, 0x102030);
	set_fullscreen(desk, FULL);
	assert_direct(desk, 0x203040);
	desk_do(desk, "key 34 super"); // Super+G, which hides the pointer, too
	assert_composed(desk, WIDTH, HEIGHT, 0x304050);
	assert_false(fills_screen(desk, 0x304050));
	for (int i = 0; i < 100 && !fills_screen(desk, 0x304050); i++) {
		session_run(&desk->session, WAIT_MSEC);
	}
	assert_direct(desk, 0x405060);
}

static void screenshot_shows_what_is_scanned_out(void **state) {
	struct desk *desk = *state;
	show(desk, WIDTH, HEIGHT, 0x102030);
	set_fullscreen(desk, FULL);
	for (uint32_t i = 0; i < 3; i++) {
		assert_direct(desk, 0x203040 + i);
		assert_true(fills_screen(desk, 0x203040 + i));
	}
	assert_direct(desk, 0x304050);
}

static void windows_are_whole_again_after_full_screen(void **state) {
	struct desk *desk = *state;
	show(desk, 640, 480, 0x102030);
	session_run(&desk->session, WAIT_MSEC);
	struct desk_picture before = desk_picture(desk, NULL);
	for (int i = 0; i < 3; i++) {
		set_fullscreen(desk, FULL);
		show(desk, WIDTH, HEIGHT, 0x203040);
		assert_direct(desk, 0x304050);
		show(desk, 640, 480, 0x102030);
		set_fullscreen(desk, WINDOWS);
		session_run(&desk->session, WAIT_MSEC);
		struct desk_picture after = desk_picture(desk, NULL);
		assert_memory_equal(
			after.pixels, before.pixels, WIDTH * HEIGHT * sizeof(*after.pixels));
		free(after.pixels);
	}
	free(before.pixels);
}

static void focus(struct desk *desk, const char *parameters) {
	assert_int_equal(session_call_json(&desk->session, "Focus", parameters), 0);
	session_run(&desk->session, WAIT_MSEC);
}

/* A title that is not seen is not drawn, but is right when it is. */
static void title_tells_the_focus_after_full_screen(void **state) {
	struct desk *desk = *state;
	show(desk, 300, 200, 0x102030);
	desk_show(desk, 1, 300, 200, 0x203040);
	desk_expect(desk, "work:2", "modeWidth", 300);
	focus(desk, "{\"name\":\"work\"}");
	struct desk_picture focused = desk_picture(desk, NULL);
	focus(desk, "{\"name\":\"work\",\"head\":2}");
	struct desk_picture unfocused = desk_picture(desk, NULL);
	size_t size = WIDTH * HEIGHT * sizeof(*focused.pixels);
	assert_memory_not_equal(unfocused.pixels, focused.pixels, size);
	set_fullscreen(desk, FULL);
	focus(desk, "{\"name\":\"work\"}");
	set_fullscreen(desk, WINDOWS);
	session_run(&desk->session, WAIT_MSEC);
	struct desk_picture after = desk_picture(desk, NULL);
	assert_memory_equal(after.pixels, focused.pixels, size);
	free(focused.pixels);
	free(unfocused.pixels);
	free(after.pixels);
}

#define desk_test(function) cmocka_unit_test_setup_teardown(function, desk_setup, desk_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		desk_test(screen_of_its_own_is_scanned_out),
		desk_test(window_is_composed),
		desk_test(another_size_than_the_screens_is_composed),
		desk_test(notice_is_composed_over_the_picture),
		desk_test(screenshot_shows_what_is_scanned_out),
		desk_test(windows_are_whole_again_after_full_screen),
		desk_test(title_tells_the_focus_after_full_screen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
