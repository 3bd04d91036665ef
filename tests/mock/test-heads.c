/*
 * Windows of a guest with several heads, and what the compositor tells a device of the size
 * that it wants. The test is both mulliond and the device.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "one-guest.h"

#define SCREEN_WIDTH 1280
#define SCREEN_HEIGHT 1024
#define GREEN 0x00a040

static void assert_configured(
	struct desk *desk, const struct peer_head *head, uint32_t width, uint32_t height) {
	desk_sync(desk);
	if (head->width != width || head->height != height) {
		fail_msg("configured %ux%u, not %ux%u", head->width, head->height, width, height);
	}
	assert_int_equal(head->refresh, 60000);
	assert_int_equal(head->scale, 120);
}

/* Heads */

static void every_head_that_shows_something_is_a_window(void **state) {
	struct desk *desk = *state;
	for (unsigned i = 0; i < PEER_HEADS; i++) {
		desk_show(desk, i, 320 + (int)i, 200, GREEN);
	}
	for (unsigned i = 0; i < PEER_HEADS; i++) {
		char name[16];
		snprintf(name, sizeof(name), "work:%u", i + 1);
		desk_expect(desk, name, "modeWidth", 320 + i);
	}
	desk_expect(desk, "work", "modeWidth", 320);
}

static void further_head_without_a_picture_has_no_window(void **state) {
	struct desk *desk = *state;
	desk_show(desk, 0, 640, 480, GREEN);
	struct peer_head *second = peer_make_head(&desk->peer, 1);
	desk_sync(desk);
	assert_true(session_window(&desk->session, "work", "x") >= 0);
	assert_int_equal(session_window(&desk->session, "work:2", "modeWidth"), -1);
	assert_int_equal(
		session_call_json(&desk->session, "Focus", "{\"name\":\"work\",\"head\":2}"),
		-EREMOTEIO);
	// It is asked for one all the same.
	assert_int_equal(second->visibility, MULLION_DESKTOP_V1_VISIBILITY_VISIBLE);
	assert_configured(desk, second, 1024, 768);

	desk_show(desk, 1, 640, 480, GREEN);
	desk_expect(desk, "work:2", "modeWidth", 640);
	wl_surface_attach(second->surface, NULL, 0, 0);
	wl_surface_commit(second->surface);
	desk_sync(desk);
	desk_expect(desk, "work:2", "modeWidth", -1);
	desk_expect(desk, "work", "modeWidth", 640);
	desk_show(desk, 1, 640, 480, GREEN);
	desk_expect(desk, "work:2", "modeWidth", 640);
}

static void further_head_takes_no_focus(void **state) {
	struct desk *desk = *state;
	desk_show(desk, 0, 640, 480, GREEN);
	desk_show(desk, 1, 640, 480, GREEN);
	desk_show(desk, 2, 640, 480, GREEN);
	desk_expect(desk, "work", "focused", true);
	desk_expect(desk, "work", "stack", 0);
	desk_expect(desk, "work:3", "stack", 1);
	assert_int_equal(
		session_call_json(&desk->session, "Focus", "{\"name\":\"work\",\"head\":2}"), 0);
	desk_expect(desk, "work:2", "focused", true);
	desk_expect(desk, "work", "focused", false);
}

static void heads_are_arranged_one_by_one(void **state) {
	struct desk *desk = *state;
	desk_show(desk, 0, 640, 480, GREEN);
	struct peer_head *second = desk_show(desk, 1, 640, 480, GREEN);
	assert_int_equal(session_call_json(&desk->session, "Move",
				 "{\"name\":\"work\",\"head\":2,\"x\":300,\"y\":200}"),
		0);
	assert_int_equal(session_call_json(&desk->session, "Resize",
				 "{\"name\":\"work\",\"head\":2,\"width\":400,\"height\":333}"),
		0);
	desk_expect(desk, "work:2", "x", 300);
	desk_expect(desk, "work:2", "height", 333);
	desk_expect(desk, "work", "height", 480);
	assert_configured(desk, second, 400, 333);
	assert_configured(desk, &desk->peer.heads[0], 1024, 768);
	assert_int_equal(
		session_call_json(&desk->session, "Fullscreen", "{\"name\":\"work\",\"head\":2}"),
		0);
	desk_expect(desk, "work:2", "fullscreen", true);
	desk_expect(desk, "work", "fullscreen", false);
}

static void head_that_cannot_be_is_refused(void **state) {
	struct desk *desk = *state;
	desk_show(desk, 0, 640, 480, GREEN);
	assert_int_equal(
		session_call_json(&desk->session, "Focus", "{\"name\":\"work\",\"head\":17}"),
		-EREMOTEIO);
	assert_int_equal(
		session_call_json(&desk->session, "Focus", "{\"name\":\"work\",\"head\":-1}"),
		-EREMOTEIO);
	peer_make_head(&desk->peer, 0);
	assert_int_equal(peer_sync(&desk->peer), -EPROTO);
}

static void head_that_the_device_drops_keeps_its_last_picture(void **state) {
	struct desk *desk = *state;
	desk_show(desk, 0, 640, 480, GREEN);
	struct peer_head *second = desk_show(desk, 1, 320, 240, GREEN);
	assert_int_equal(session_call_json(&desk->session, "Move",
				 "{\"name\":\"work\",\"head\":2,\"x\":300,\"y\":200}"),
		0);
	mullion_desktop_v1_destroy(second->desktop);
	wl_surface_destroy(second->surface);
	second->desktop = NULL;
	desk_sync(desk);
	desk_expect(desk, "work:2", "modeWidth", 320);
	desk_show(desk, 1, 400, 300, GREEN);
	desk_expect(desk, "work:2", "modeWidth", 400);
	desk_expect(desk, "work:2", "x", 300);
}

static void heads_come_back_after_a_crash(void **state) {
	struct desk *desk = *state;
	static const char *const keys[] = {"x", "y", "width", "height", "stack", "focused"};
	static const char *const windows[] = {"work", "work:2", "work:16"};
	int64_t before[ARRAY_SIZE(windows)][ARRAY_SIZE(keys)];
	desk_show(desk, 0, 640, 480, GREEN);
	desk_show(desk, 1, 320, 240, GREEN);
	desk_show(desk, 15, 300, 200, GREEN);
	assert_int_equal(session_call_json(&desk->session, "Move",
				 "{\"name\":\"work\",\"head\":2,\"x\":300,\"y\":200}"),
		0);
	assert_int_equal(session_call_json(&desk->session, "Resize",
				 "{\"name\":\"work\",\"head\":16,\"width\":400,\"height\":333}"),
		0);
	assert_int_equal(
		session_call_json(&desk->session, "Focus", "{\"name\":\"work\",\"head\":2}"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(keys); j++) {
			before[i][j] = session_window(&desk->session, windows[i], keys[j]);
		}
	}
	session_run(&desk->session, 300); // until that is written
	peer_finish(&desk->peer);
	assert_int_equal(session_restart(&desk->session), 0);
	int fd = session_take_display(&desk->session, "work", 5000);
	assert_true(fd >= 0 && peer_connect(&desk->peer, fd));
	desk_show(desk, 15, 300, 200, GREEN);
	desk_show(desk, 0, 640, 480, GREEN);
	desk_show(desk, 1, 320, 240, GREEN);
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(keys); j++) {
			desk_expect(desk, windows[i], keys[j], before[i][j]);
		}
	}
}

/* Sizes */

static void unsized_window_asks_for_the_preferred_mode(void **state) {
	struct desk *desk = *state;
	struct peer_head *head = peer_make_head(&desk->peer, 0);
	assert_configured(desk, head, 1024, 768);
	// What a boot loader sets is shown as it is, and is not what is wanted.
	desk_show(desk, 0, 640, 400, GREEN);
	desk_expect(desk, "work", "width", 640);
	assert_configured(desk, head, 1024, 768);
	assert_int_equal(head->configures, 1);
}

static void size_that_the_user_chose_is_asked_for(void **state) {
	struct desk *desk = *state;
	struct peer_head *head = desk_show(desk, 0, 640, 480, GREEN);
	assert_int_equal(session_call_json(&desk->session, "Resize",
				 "{\"name\":\"work\",\"width\":777,\"height\":555}"),
		0);
	assert_configured(desk, head, 777, 555);
	desk_expect(desk, "work", "width", 777);
	desk_expect(desk, "work", "modeWidth", 640);
	desk_show(desk, 0, 777, 555, GREEN);
	desk_expect(desk, "work", "modeWidth", 777);
	// Another mode of the guest's own choice changes nothing of that.
	desk_show(desk, 0, 800, 600, GREEN);
	desk_expect(desk, "work", "modeWidth", 800);
	desk_expect(desk, "work", "width", 777);
	assert_configured(desk, head, 777, 555);
}

static void full_screen_asks_for_the_whole_output(void **state) {
	struct desk *desk = *state;
	struct peer_head *head = desk_show(desk, 0, 640, 480, GREEN);
	assert_int_equal(session_call(&desk->session, "Fullscreen", "name", "work", NULL), 0);
	assert_configured(desk, head, SCREEN_WIDTH, SCREEN_HEIGHT);
	assert_int_equal(head->visibility, MULLION_DESKTOP_V1_VISIBILITY_FULLSCREEN);
	desk_expect(desk, "work", "height", SCREEN_WIDTH * 480 / 640);
	desk_show(desk, 0, SCREEN_WIDTH, SCREEN_HEIGHT, GREEN);
	desk_expect(desk, "work", "height", SCREEN_HEIGHT);
	// Back in its old size at once, also while the guest has not followed.
	assert_int_equal(session_call(&desk->session, "Fullscreen", NULL, NULL, NULL), 0);
	assert_configured(desk, head, 1024, 768);
	desk_expect(desk, "work", "width", 640);
}

static void guest_at_its_size_is_shown_pixel_by_pixel(void **state) {
	struct desk *desk = *state;
	desk_show(desk, 0, 640, 480, GREEN);
	assert_int_equal(session_call_json(&desk->session, "Resize",
				 "{\"name\":\"work\",\"width\":501,\"height\":301}"),
		0);
	struct peer_head *head = desk_show(desk, 0, 501, 301, GREEN);
	desk_expect(desk, "work", "modeWidth", 501);
	desk_expect(desk, "work", "width", (int64_t)head->width);
	desk_expect(desk, "work", "height", (int64_t)head->height);
}

static void picture_follows_a_dragged_border_at_once(void **state) {
	struct desk *desk = *state;
	struct peer_head *head = desk_show(desk, 0, 640, 480, GREEN);
	assert_int_equal(session_call_json(
				 &desk->session, "Move", "{\"name\":\"work\",\"x\":200,\"y\":200}"),
		0);
	unsigned before = head->configures;
	desk_do(desk, "move %d %d", 200 + 640 + 1, 200 + 300);
	desk_do(desk, "button 272 1");
	for (int i = 1; i <= 5; i++) {
		desk_do(desk, "move %d %d", 200 + 640 + 1 - 20 * i, 200 + 300);
		assert_configured(desk, head, (uint32_t)(640 - 20 * i), 480);
	}
	assert_int_equal(head->configures, before + 5);
	struct desk_picture picture = desk_picture(desk, NULL);
	struct desk_box box = desk_find(&picture, GREEN, NULL);
	free(picture.pixels);
	assert_true(box.x == 200 && box.y == 200 && box.width == 540 && box.height == 480);
	desk_do(desk, "button 272 0");
	// The guest follows, and moves it to nowhere.
	desk_show(desk, 0, 540, 480, GREEN);
	desk_expect(desk, "work", "modeWidth", 540);
	desk_expect(desk, "work", "width", 540);
	desk_expect(desk, "work", "x", 200);
	assert_int_equal(head->configures, before + 5);
}

#define desk_test(function) cmocka_unit_test_setup_teardown(function, desk_setup, desk_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		desk_test(every_head_that_shows_something_is_a_window),
		desk_test(further_head_without_a_picture_has_no_window),
		desk_test(further_head_takes_no_focus),
		desk_test(heads_are_arranged_one_by_one),
		desk_test(head_that_cannot_be_is_refused),
		desk_test(head_that_the_device_drops_keeps_its_last_picture),
		desk_test(heads_come_back_after_a_crash),
		desk_test(unsized_window_asks_for_the_preferred_mode),
		desk_test(size_that_the_user_chose_is_asked_for),
		desk_test(full_screen_asks_for_the_whole_output),
		desk_test(guest_at_its_size_is_shown_pixel_by_pixel),
		desk_test(picture_follows_a_dragged_border_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
