/* A pointer that is locked to a guest, and all the ways in which it is free again. */
#include <stdlib.h>
#include <string.h>

#include "one-guest.h"

#define WIDTH 640
#define HEIGHT 480
#define GREEN 0x00a040
#define X 200
#define Y 200

static struct desk *begin(void **state) {
	struct desk *desk = *state;
	desk_show(desk, 0, WIDTH, HEIGHT, GREEN);
	assert_int_equal(session_call_json(
				 &desk->session, "Move", "{\"name\":\"work\",\"x\":200,\"y\":200}"),
		0);
	peer_take_pointer(&desk->peer);
	desk_do(desk, "move %d %d", X + 100, Y + 100);
	assert_non_null(desk->peer.pointer.inside);
	return desk;
}

static void press_grab(struct desk *desk) {
	desk_do(desk, "key 34 super"); // Super+G
}

/* Moves the mouse, and sees who hears of that. */
static bool is_locked(struct desk *desk) {
	struct peer_pointer *pointer = &desk->peer.pointer;
	unsigned motions = pointer->motions, enters = pointer->enters;
	unsigned relative = pointer->relative_motions;
	desk_do(desk, "by 3 -2");
	if (pointer->relative_motions == relative) {
		return false;
	}
	assert_int_equal(pointer->relative_motions, relative + 1);
	assert_int_equal(pointer->motions, motions);
	assert_int_equal(pointer->enters, enters);
	return true;
}

static void pointer_that_is_free_has_places_only(void **state) {
	struct desk *desk = begin(state);
	unsigned motions = desk->peer.pointer.motions;
	assert_false(is_locked(desk));
	assert_true(desk->peer.pointer.motions > motions);
	assert_true(desk->peer.pointer.x == 103);
}

static void locked_pointer_is_hidden_and_moves_the_guests(void **state) {
	struct desk *desk = begin(state);
	struct peer_pointer *pointer = &desk->peer.pointer;
	press_grab(desk);
	struct desk_picture own = desk_picture(desk, NULL);
	for (int i = 0; i < 100; i++) {
		desk_do(desk, "by 50 -7"); // far out of the window, were it free
	}
	assert_true(pointer->dx == 5000 && pointer->dy == -700);
	assert_ptr_equal(pointer->inside, desk->peer.heads[0].surface);
	unsigned buttons = pointer->buttons;
	desk_do(desk, "button 272 1");
	desk_do(desk, "button 272 0");
	assert_int_equal(pointer->buttons, buttons + 2);
	// No pixel of a pointer.
	for (int y = Y; y < Y + HEIGHT; y++) {
		for (int x = X; x < X + WIDTH; x++) {
			assert_int_equal(own.pixels[y * (int)own.width + x] & 0xffffff, GREEN);
		}
	}
	free(own.pixels);
	assert_true(is_locked(desk));
	press_grab(desk);
	assert_false(is_locked(desk));
	assert_true(pointer->x == 103);
}

static void title_says_that_it_is_locked(void **state) {
	struct desk *desk = begin(state);
	struct desk_picture free_picture = desk_picture(desk, NULL);
	press_grab(desk);
	struct desk_picture locked = desk_picture(desk, NULL);
	press_grab(desk);
	struct desk_picture again = desk_picture(desk, NULL);
	size_t row = free_picture.width, title = (Y - 20) * row + X;
	size_t size = 20 * row * sizeof(uint32_t);
	assert_memory_not_equal(free_picture.pixels + title, locked.pixels + title, size);
	assert_memory_equal(free_picture.pixels + title, again.pixels + title, size - row);
	free(free_picture.pixels);
	free(locked.pixels);
	free(again.pixels);
}

static void motion_of_a_tablet_counts_as_far_as_it_goes(void **state) {
	struct desk *desk = begin(state);
	press_grab(desk);
	desk_do(desk, "move 10 10");
	assert_int_equal(desk->peer.pointer.relative_motions, 0);
	desk_do(desk, "move 30 5");
	assert_true(desk->peer.pointer.dx == 20 && desk->peer.pointer.dy == -5);
}

static void pointer_elsewhere_is_taken_to_the_guest(void **state) {
	struct desk *desk = begin(state);
	desk_do(desk, "move 1 1");
	assert_null(desk->peer.pointer.inside);
	press_grab(desk);
	assert_ptr_equal(desk->peer.pointer.inside, desk->peer.heads[0].surface);
	assert_true(is_locked(desk));
}

static void focus_of_another_window_frees_it(void **state) {
	struct desk *desk = begin(state);
	desk_show(desk, 1, 100, 100, GREEN);
	press_grab(desk);
	assert_true(is_locked(desk));
	assert_int_equal(
		session_call_json(&desk->session, "Focus", "{\"name\":\"work\",\"head\":2}"), 0);
	assert_false(is_locked(desk));
}

static void end_of_full_screen_frees_it(void **state) {
	struct desk *desk = begin(state);
	press_grab(desk);
	assert_int_equal(session_call(&desk->session, "Fullscreen", "name", "work", NULL), 0);
	assert_true(is_locked(desk));
	assert_int_equal(session_call(&desk->session, "Fullscreen", NULL, NULL, NULL), 0);
	assert_false(is_locked(desk));
}

static void full_screen_tells_how_to_get_out(void **state) {
	struct desk *desk = begin(state);
	assert_int_equal(session_call(&desk->session, "Fullscreen", "name", "work", NULL), 0);
	desk_sync(desk);
	press_grab(desk);
	struct desk_picture locked = desk_picture(desk, NULL);
	press_grab(desk);
	desk_do(desk, "move 1279 1023"); // away from where the notice was
	struct desk_picture after = desk_picture(desk, NULL);
	size_t half = (size_t)locked.width * locked.height / 2 * sizeof(uint32_t);
	assert_memory_not_equal(locked.pixels, after.pixels, half);
	free(locked.pixels);
	free(after.pixels);
}

static void guest_without_a_picture_has_no_pointer_to_lock(void **state) {
	struct desk *desk = begin(state);
	wl_surface_attach(desk->peer.heads[0].surface, NULL, 0, 0);
	wl_surface_commit(desk->peer.heads[0].surface);
	desk_sync(desk);
	press_grab(desk);
	assert_false(is_locked(desk));
}

static void picture_that_goes_frees_it(void **state) {
	struct desk *desk = begin(state);
	press_grab(desk);
	assert_true(is_locked(desk));
	wl_surface_attach(desk->peer.heads[0].surface, NULL, 0, 0);
	wl_surface_commit(desk->peer.heads[0].surface);
	desk_sync(desk);
	assert_false(is_locked(desk));
	desk_show(desk, 0, WIDTH, HEIGHT, GREEN);
	assert_false(is_locked(desk));
}

static void device_that_goes_frees_it(void **state) {
	struct desk *desk = begin(state);
	press_grab(desk);
	assert_true(is_locked(desk));
	peer_finish(&desk->peer);
	session_run(&desk->session, 50);
	// The pointer is seen again.
	struct desk_picture picture = desk_picture(desk, NULL);
	unsigned foreign = 0;
	for (int y = Y + 60; y < Y + 140; y++) {
		for (int x = X + 60; x < X + 140; x++) {
			foreign += (picture.pixels[y * (int)picture.width + x] & 0xffffff) != GREEN;
		}
	}
	free(picture.pixels);
	assert_in_range(foreign, 20, 2000);
}

static void pointer_that_the_guest_sets_stays_hidden(void **state) {
	struct desk *desk = begin(state);
	struct peer *peer = &desk->peer;
	press_grab(desk);
	struct wl_surface *cursor = wl_compositor_create_surface(peer->compositor);
	wl_pointer_set_cursor(peer->pointer.wl, peer->pointer.serial, cursor, 0, 0);
	wl_buffer_destroy(peer_fill(peer, cursor, 16, 16, WL_SHM_FORMAT_ARGB8888, 0xffff1020));
	desk_sync(desk);
	struct desk_picture picture = desk_picture(desk, NULL);
	assert_int_equal(desk_find(&picture, 0xff1020, NULL).width, 0);
	free(picture.pixels);
	press_grab(desk);
	picture = desk_picture(desk, NULL);
	assert_int_equal(desk_find(&picture, 0xff1020, NULL).width, 16);
	free(picture.pixels);
}

#define desk_test(function) cmocka_unit_test_setup_teardown(function, desk_setup, desk_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		desk_test(pointer_that_is_free_has_places_only),
		desk_test(locked_pointer_is_hidden_and_moves_the_guests),
		desk_test(title_says_that_it_is_locked),
		desk_test(motion_of_a_tablet_counts_as_far_as_it_goes),
		desk_test(pointer_elsewhere_is_taken_to_the_guest),
		desk_test(focus_of_another_window_frees_it),
		desk_test(end_of_full_screen_frees_it),
		desk_test(full_screen_tells_how_to_get_out),
		desk_test(guest_without_a_picture_has_no_pointer_to_lock),
		desk_test(picture_that_goes_frees_it),
		desk_test(device_that_goes_frees_it),
		desk_test(pointer_that_the_guest_sets_stays_hidden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
