/*
 * A touch screen: whose the fingers are, and that nobody else hears of them. The test is
 * mulliond, the devices of two guests, and the fingers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fd.h"
#include "machine.h"
#include "one-guest.h"

#define WIDTH 400
#define HEIGHT 300
#define GREEN 0x00a040
#define BLUE 0x2040f0
#define START_MSEC 5000

/* The windows' places. */
#define WORK_X 100
#define WORK_Y 200
#define PLAY_X 700
#define PLAY_Y 500

struct table {
	struct desk *desk; // whose guest is 'work'
	struct peer play;  // the device of another guest
	int hand;          // on the touch screen
};

static int set_up_with(void **state, unsigned outputs) {
	static const char *const guests[] = {"work", "play", NULL};
	const struct session_options options = {
		.program = MACHINE_PROGRAM,
		.guests = guests,
		.mullion_ini = "[desktop]\noutput = 1280x1024\nfilter = nearest\n",
		.outputs = outputs,
	};
	struct table *table = calloc(1, sizeof(*table));
	*state = table;
	if (table == NULL || desk_setup_with((void **)&table->desk, &options) < 0) {
		return -1;
	}
	int play = session_take_display(&table->desk->session, "play", START_MSEC);
	table->hand = machine_connect(&table->desk->session);
	return table->hand >= 0 && peer_connect(&table->play, play) ? 0 : -1;
}

static int set_up(void **state) {
	return set_up_with(state, 1);
}

static int set_up_two_outputs(void **state) {
	return set_up_with(state, 2);
}

static int tear_down(void **state) {
	struct table *table = *state;
	fd_close(table->hand);
	peer_finish(&table->play);
	int result = desk_teardown((void **)&table->desk);
	free(table);
	return result;
}

static void sync_all(struct table *table) {
	desk_sync(table->desk);
	if (table->play.display != NULL) {
		assert_int_equal(peer_sync(&table->play), 0);
	}
}

#define touch(table, ...)                                                                          \
	do {                                                                                       \
		assert_int_equal(machine_do((table)->hand, __VA_ARGS__), 0);                       \
		sync_all(table);                                                                   \
	} while (0)

static void show_play(struct table *table) {
	struct peer_head *head = peer_make_head(&table->play, 0);
	wl_buffer_destroy(peer_fill(
		&table->play, head->surface, WIDTH, HEIGHT, WL_SHM_FORMAT_XRGB8888, BLUE));
	sync_all(table);
}

static void move_window(struct table *table, const char *name, int x, int y) {
	char parameters[80];
	snprintf(parameters, sizeof(parameters), "{\"name\":\"%s\",\"x\":%d,\"y\":%d}", name, x, y);
	assert_int_equal(session_call_json(&table->desk->session, "Move", parameters), 0);
}

/* Both guests show something and have taken the touch. */
static void show_both(struct table *table) {
	desk_show(table->desk, 0, WIDTH, HEIGHT, GREEN);
	show_play(table);
	peer_take_touch(&table->desk->peer);
	peer_take_touch(&table->play);
	sync_all(table);
}

/* The same, side by side, and 'play' has the focus. */
static struct table *begin(void **state) {
	struct table *table = *state;
	touch(table, "plug");
	show_both(table);
	move_window(table, "work", WORK_X, WORK_Y);
	move_window(table, "play", PLAY_X, PLAY_Y);
	assert_int_equal(session_call(&table->desk->session, "Focus", "name", "play", NULL), 0);
	return table;
}

static void assert_finger(const struct peer *peer, unsigned id, double x, double y) {
	const struct peer_finger *finger = &peer->touch.fingers[id];
	assert_ptr_equal(finger->surface, peer->heads[0].surface);
	if (finger->x != x || finger->y != y) {
		fail_msg("finger %u is at %g,%g, not %g,%g", id, finger->x, finger->y, x, y);
	}
}

static void assert_untouched(const struct peer *peer) {
	assert_int_equal(peer->touch.downs, 0);
	assert_int_equal(peer->touch.motions, 0);
	assert_int_equal(peer->touch.ups, 0);
	assert_int_equal(peer->touch.frames, 0);
	assert_int_equal(peer->touch.cancels, 0);
}

/* The screen */

static void seat_has_touch_only_with_a_touch_screen(void **state) {
	struct table *table = *state;
	const struct peer *work = &table->desk->peer;
	sync_all(table);
	assert_int_equal(work->capabilities & WL_SEAT_CAPABILITY_TOUCH, 0);
	touch(table, "plug");
	assert_true((work->capabilities & WL_SEAT_CAPABILITY_TOUCH) != 0);
	assert_true((work->capabilities & WL_SEAT_CAPABILITY_POINTER) != 0);
	touch(table, "unplug");
	assert_int_equal(work->capabilities & WL_SEAT_CAPABILITY_TOUCH, 0);
	touch(table, "plug");
	assert_true((work->capabilities & WL_SEAT_CAPABILITY_TOUCH) != 0);
}

static void screen_that_goes_cancels_what_is_on_it(void **state) {
	struct table *table = begin(state);
	const struct peer_touch *work = &table->desk->peer.touch;
	touch(table, "down 0 %d %d", WORK_X + 10, WORK_Y + 10);
	touch(table, "down 1 %d %d", PLAY_X + 10, PLAY_Y + 10);
	touch(table, "unplug");
	assert_int_equal(work->cancels, 1);
	assert_int_equal(table->play.touch.cancels, 1);
	touch(table, "plug");
	// Who had taken the touch has to take it anew.
	wl_touch_release(table->desk->peer.touch.wl);
	peer_take_touch(&table->desk->peer);
	sync_all(table);
	touch(table, "motion 0 %d %d", WORK_X + 20, WORK_Y + 20);
	touch(table, "up 0");
	assert_int_equal(work->motions + work->ups, 0);
	touch(table, "down 0 %d %d", WORK_X + 10, WORK_Y + 10);
	assert_int_equal(work->downs, 2);
}

static void screen_is_one_output_the_first_unless_it_names_one(void **state) {
	struct table *table = *state;
	touch(table, "plug");
	show_both(table);
	move_window(table, "work", WORK_X, WORK_Y);
	move_window(table, "play", 1280 + WORK_X, WORK_Y);
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	assert_finger(&table->desk->peer, 0, 30, 40);
	touch(table, "unplug");
	touch(table, "plug 2");
	wl_touch_release(table->play.touch.wl);
	peer_take_touch(&table->play);
	sync_all(table);
	touch(table, "down 0 %d %d", WORK_X + 50, WORK_Y + 60);
	assert_finger(&table->play, 0, 50, 60);
	assert_int_equal(table->desk->peer.touch.downs, 1);
}

/* Fingers */

static void finger_is_told_where_it_is_on_the_picture(void **state) {
	struct table *table = begin(state);
	const struct peer *work = &table->desk->peer;
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	assert_finger(work, 0, 30, 40);
	assert_int_equal(work->touch.frames, 0);
	touch(table, "frame");
	assert_int_equal(work->touch.frames, 1);
	touch(table, "motion 0 %d %d", WORK_X + 50, WORK_Y + 60);
	touch(table, "frame");
	assert_finger(work, 0, 50, 60);
	touch(table, "down 1 %d %d", WORK_X + 1, WORK_Y + 2);
	touch(table, "up 0");
	touch(table, "frame");
	assert_finger(work, 1, 1, 2);
	assert_int_equal(work->touch.frames, 3);
	assert_int_equal(work->touch.ups, 1);
	// The scaled picture has its own pixels.
	touch(table, "up 1");
	assert_int_equal(session_call_json(&table->desk->session, "Resize",
				 "{\"name\":\"work\",\"width\":200,\"height\":600}"),
		0);
	touch(table, "down 0 %d %d", WORK_X + 50, WORK_Y + 60);
	assert_finger(work, 0, 100, 30);
	assert_untouched(&table->play);
}

static void finger_stays_with_the_guest_it_touched_first(void **state) {
	struct table *table = begin(state);
	const struct peer *work = &table->desk->peer;
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	touch(table, "motion 0 %d %d", PLAY_X + 50, PLAY_Y + 60);
	touch(table, "frame");
	// A guest knows no place outside its screen.
	assert_finger(work, 0, WIDTH - 1, HEIGHT - 1);
	touch(table, "motion 0 %d %d", 0, 0);
	assert_finger(work, 0, 0, 0);
	touch(table, "motion 0 %d %d", PLAY_X + 50, PLAY_Y + 60);
	touch(table, "up 0");
	touch(table, "frame");
	assert_int_equal(work->touch.ups, 1);
	assert_untouched(&table->play);
}

static void each_finger_has_a_guest_of_its_own(void **state) {
	struct table *table = begin(state);
	const struct peer *work = &table->desk->peer, *play = &table->play;
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	touch(table, "down 1 %d %d", PLAY_X + 5, PLAY_Y + 6);
	touch(table, "frame");
	assert_finger(work, 0, 30, 40);
	assert_finger(play, 1, 5, 6);
	assert_int_equal(work->touch.downs, 1);
	assert_int_equal(play->touch.downs, 1);
	touch(table, "motion 1 %d %d", PLAY_X + 7, PLAY_Y + 8);
	touch(table, "frame");
	assert_int_equal(work->touch.motions, 0);
	assert_int_equal(work->touch.frames, 1);
	assert_int_equal(play->touch.frames, 2);
	touch(table, "up 0");
	assert_int_equal(play->touch.ups, 0);
}

static void cancelling_is_told_to_whom_it_concerns(void **state) {
	struct table *table = begin(state);
	const struct peer_touch *work = &table->desk->peer.touch;
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	touch(table, "down 1 %d %d", WORK_X + 60, WORK_Y + 40);
	touch(table, "down 2 %d %d", PLAY_X + 5, PLAY_Y + 6);
	touch(table, "cancel 0");
	touch(table, "cancel 1");
	assert_int_equal(work->cancels, 1);
	assert_int_equal(table->play.touch.cancels, 0);
	touch(table, "motion 0 %d %d", WORK_X + 31, WORK_Y + 40);
	touch(table, "motion 1 %d %d", WORK_X + 31, WORK_Y + 40);
	touch(table, "up 1");
	assert_int_equal(work->motions + work->ups, 0);
	touch(table, "motion 2 %d %d", PLAY_X + 9, PLAY_Y + 9);
	assert_finger(&table->play, 2, 9, 9);
	touch(table, "down 1 %d %d", WORK_X + 60, WORK_Y + 40);
	assert_int_equal(work->downs, 3);
}

/* A screen that forgets to lift a finger must not have it follow another guest's. */
static void finger_that_was_never_lifted_is_forgotten(void **state) {
	struct table *table = begin(state);
	const struct peer_touch *work = &table->desk->peer.touch;
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	touch(table, "down 0 %d %d", PLAY_X + 5, PLAY_Y + 6);
	assert_int_equal(work->cancels, 1);
	touch(table, "motion 0 %d %d", PLAY_X + 7, PLAY_Y + 8);
	touch(table, "up 0");
	touch(table, "motion 0 %d %d", PLAY_X + 9, PLAY_Y + 9);
	touch(table, "up 0");
	assert_int_equal(work->motions + work->ups, 0);
	assert_int_equal(table->play.touch.motions, 1);
}

static void more_fingers_than_there_is_room_for_are_ignored(void **state) {
	struct table *table = begin(state);
	for (int i = 0; i < 40; i++) {
		touch(table, "down %d %d %d", i, WORK_X + 5 + i, WORK_Y + 5);
	}
	assert_int_equal(table->desk->peer.touch.downs, 32);
	for (int i = 0; i < 40; i++) {
		touch(table, "motion %d %d %d", i, WORK_X + 5 + i, WORK_Y + 6);
		touch(table, "up %d", i);
	}
	assert_int_equal(table->desk->peer.touch.motions, 32);
	assert_int_equal(table->desk->peer.touch.ups, 32);
}

static void finger_beside_all_windows_is_nobodys(void **state) {
	struct table *table = begin(state);
	touch(table, "down 0 1270 10");
	touch(table, "motion 0 %d %d", WORK_X + 30, WORK_Y + 40);
	touch(table, "up 0");
	touch(table, "frame");
	assert_untouched(&table->desk->peer);
	assert_untouched(&table->play);
}

/* What goes away under a finger */

static void picture_that_goes_under_a_finger(void **state) {
	struct table *table = begin(state);
	struct peer *work = &table->desk->peer;
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	wl_surface_attach(work->heads[0].surface, NULL, 0, 0);
	wl_surface_commit(work->heads[0].surface);
	sync_all(table);
	touch(table, "motion 0 %d %d", PLAY_X + 50, PLAY_Y + 50);
	desk_show(table->desk, 0, WIDTH / 2, HEIGHT / 2, GREEN);
	touch(table, "motion 0 %d %d", WORK_X + 1000, WORK_Y + 1000);
	assert_finger(work, 0, WIDTH / 2 - 1, HEIGHT / 2 - 1);
	touch(table, "up 0");
	assert_int_equal(work->touch.ups, 1);
	assert_untouched(&table->play);
}

static void surface_that_goes_under_a_finger(void **state) {
	struct table *table = begin(state);
	struct peer *work = &table->desk->peer;
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	mullion_desktop_v1_destroy(work->heads[0].desktop);
	wl_surface_destroy(work->heads[0].surface);
	work->heads[0] = (struct peer_head){0};
	sync_all(table);
	touch(table, "motion 0 %d %d", PLAY_X + 50, PLAY_Y + 50);
	touch(table, "up 0");
	touch(table, "frame");
	assert_untouched(&table->play);
	desk_show(table->desk, 0, WIDTH, HEIGHT, GREEN);
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	assert_finger(work, 0, 30, 40);
}

static void window_that_goes_under_a_finger(void **state) {
	struct table *table = begin(state);
	struct peer *work = &table->desk->peer;
	desk_show(table->desk, 1, WIDTH, HEIGHT, GREEN);
	assert_int_equal(session_call_json(&table->desk->session, "Move",
				 "{\"name\":\"work\",\"head\":2,\"x\":100,\"y\":600}"),
		0);
	touch(table, "down 0 150 650");
	assert_ptr_equal(work->touch.fingers[0].surface, work->heads[1].surface);
	wl_surface_attach(work->heads[1].surface, NULL, 0, 0);
	wl_surface_commit(work->heads[1].surface);
	sync_all(table);
	assert_int_equal(work->touch.cancels, 1);
	touch(table, "motion 0 %d %d", WORK_X + 30, WORK_Y + 40);
	touch(table, "up 0");
	assert_int_equal(work->touch.motions + work->touch.ups, 0);
}

static void device_that_goes_under_a_finger(void **state) {
	struct table *table = begin(state);
	touch(table, "down 0 %d %d", PLAY_X + 30, PLAY_Y + 40);
	touch(table, "down 1 %d %d", WORK_X + 30, WORK_Y + 40);
	peer_finish(&table->play);
	session_run(&table->desk->session, 50);
	touch(table, "motion 0 %d %d", WORK_X + 50, WORK_Y + 50);
	touch(table, "up 0");
	assert_int_equal(table->desk->peer.touch.motions, 0);
	touch(table, "motion 1 %d %d", WORK_X + 50, WORK_Y + 50);
	assert_finger(&table->desk->peer, 1, 50, 50);
}

/* Windows */

static void tap_focuses_and_raises(void **state) {
	struct table *table = begin(state);
	desk_expect(table->desk, "work", "focused", false);
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	touch(table, "up 0");
	desk_expect(table->desk, "work", "focused", true);
	desk_expect(table->desk, "work", "stack", 0);
	assert_int_equal(table->desk->peer.touch.ups, 1);
}

static void finger_on_a_title_drags_the_window(void **state) {
	struct table *table = begin(state);
	touch(table, "down 0 %d %d", WORK_X + 100, WORK_Y - 12);
	desk_expect(table->desk, "work", "focused", true);
	// Another finger does not take part in that.
	touch(table, "down 1 %d %d", PLAY_X + 100, PLAY_Y - 12);
	touch(table, "motion 1 %d %d", PLAY_X, PLAY_Y);
	touch(table, "motion 0 %d %d", WORK_X + 140, WORK_Y + 8);
	desk_expect(table->desk, "work", "x", WORK_X + 40);
	desk_expect(table->desk, "work", "y", WORK_Y + 20);
	touch(table, "up 1");
	touch(table, "motion 0 %d %d", WORK_X + 141, WORK_Y + 8);
	touch(table, "up 0");
	touch(table, "motion 0 0 0");
	desk_expect(table->desk, "work", "x", WORK_X + 41);
	desk_expect(table->desk, "play", "x", PLAY_X);
	assert_untouched(&table->desk->peer);
	assert_untouched(&table->play);
}

static void tapping_a_title_twice_gives_the_window_the_screen(void **state) {
	struct table *table = begin(state);
	for (int i = 0; i < 2; i++) {
		touch(table, "down 0 %d %d", WORK_X + 100, WORK_Y - 12);
		touch(table, "up 0");
	}
	desk_expect(table->desk, "work", "fullscreen", true);
	// It has all of it now: 1280x960, as its picture is.
	touch(table, "down 0 640 512");
	assert_finger(&table->desk->peer, 0, WIDTH / 2, HEIGHT / 2);
	touch(table, "down 1 %d %d", PLAY_X + 100, PLAY_Y - 12);
	assert_int_equal(table->desk->peer.touch.downs, 2);
	touch(table, "down 2 640 10"); // the black above it
	assert_int_equal(table->desk->peer.touch.downs, 2);
	assert_untouched(&table->play);
}

static void drag_and_tap_are_not_two_taps(void **state) {
	struct table *table = begin(state);
	touch(table, "down 0 %d %d", WORK_X + 100, WORK_Y - 12);
	touch(table, "motion 0 %d %d", WORK_X + 110, WORK_Y - 12);
	touch(table, "up 0");
	touch(table, "down 0 %d %d", WORK_X + 110, WORK_Y - 12);
	touch(table, "up 0");
	desk_expect(table->desk, "work", "fullscreen", false);
	desk_expect(table->desk, "work", "x", WORK_X + 10);
}

static void finger_drags_any_part_with_the_modifier(void **state) {
	struct table *table = begin(state);
	desk_do(table->desk, "press 125");
	touch(table, "down 0 %d %d", WORK_X + 100, WORK_Y + 100);
	touch(table, "motion 0 %d %d", WORK_X + 110, WORK_Y + 100);
	touch(table, "up 0");
	desk_do(table->desk, "release 125");
	desk_expect(table->desk, "work", "x", WORK_X + 10);
	assert_untouched(&table->desk->peer);
}

static void drag_that_is_cancelled_goes_no_further(void **state) {
	struct table *table = begin(state);
	touch(table, "down 0 %d %d", WORK_X + 100, WORK_Y - 12);
	touch(table, "motion 0 %d %d", WORK_X + 110, WORK_Y - 12);
	touch(table, "cancel 0");
	touch(table, "motion 0 %d %d", WORK_X + 200, WORK_Y - 12);
	desk_expect(table->desk, "work", "x", WORK_X + 10);
	touch(table, "down 0 %d %d", WORK_X + 100, WORK_Y - 12);
	touch(table, "unplug");
	touch(table, "plug");
	touch(table, "motion 0 %d %d", WORK_X + 200, WORK_Y - 12);
	desk_expect(table->desk, "work", "x", WORK_X + 10);
}

static void touch_leaves_the_pointer_alone(void **state) {
	struct table *table = begin(state);
	struct peer *play = &table->play;
	peer_take_pointer(play);
	desk_do(table->desk, "move %d %d", PLAY_X + 20, PLAY_Y + 30);
	assert_int_equal(peer_sync(play), 0);
	assert_ptr_equal(play->pointer.inside, play->heads[0].surface);
	unsigned motions = play->pointer.motions, enters = play->pointer.enters;
	touch(table, "down 0 %d %d", WORK_X + 30, WORK_Y + 40);
	touch(table, "motion 0 %d %d", WORK_X + 60, WORK_Y + 40);
	touch(table, "up 0");
	assert_ptr_equal(play->pointer.inside, play->heads[0].surface);
	assert_int_equal(play->pointer.enters, enters);
	desk_do(table->desk, "by 1 1");
	assert_int_equal(peer_sync(play), 0);
	assert_true(play->pointer.motions > motions);
	assert_true(play->pointer.x == 21 && play->pointer.y == 31);
}

#define table_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		table_test(seat_has_touch_only_with_a_touch_screen),
		table_test(screen_that_goes_cancels_what_is_on_it),
		cmocka_unit_test_setup_teardown(screen_is_one_output_the_first_unless_it_names_one,
			set_up_two_outputs, tear_down),
		table_test(finger_is_told_where_it_is_on_the_picture),
		table_test(finger_stays_with_the_guest_it_touched_first),
		table_test(each_finger_has_a_guest_of_its_own),
		table_test(cancelling_is_told_to_whom_it_concerns),
		table_test(finger_that_was_never_lifted_is_forgotten),
		table_test(more_fingers_than_there_is_room_for_are_ignored),
		table_test(finger_beside_all_windows_is_nobodys),
		table_test(picture_that_goes_under_a_finger),
		table_test(surface_that_goes_under_a_finger),
		table_test(window_that_goes_under_a_finger),
		table_test(device_that_goes_under_a_finger),
		table_test(tap_focuses_and_raises),
		table_test(finger_on_a_title_drags_the_window),
		table_test(tapping_a_title_twice_gives_the_window_the_screen),
		table_test(drag_and_tap_are_not_two_taps),
		table_test(finger_drags_any_part_with_the_modifier),
		table_test(drag_that_is_cancelled_goes_no_further),
		table_test(touch_leaves_the_pointer_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
