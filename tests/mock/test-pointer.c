/* The pointer over a guest's windows: how it looks, and that no pixel of it leaves them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"
#include "one-guest.h"

#define WIDTH 640
#define HEIGHT 480
#define SIZE 16
#define GREEN 0x00a040
#define BLUE 0x2040f0
#define RED 0xff1020
#define ARGB WL_SHM_FORMAT_ARGB8888

struct scene {
	struct desk *desk;
	int x, y; // of the first head's picture
	struct wl_surface *cursor;
};

/* The guest with one window, the pointer on it. */
static struct scene begin(void **state) {
	struct scene scene = {.desk = *state};
	desk_show(scene.desk, 0, WIDTH, HEIGHT, GREEN);
	assert_int_equal(session_call_json(&scene.desk->session, "Move",
				 "{\"name\":\"work\",\"x\":200,\"y\":200}"),
		0);
	scene.x = scene.y = 200;
	peer_take_pointer(&scene.desk->peer);
	desk_do(scene.desk, "move %d %d", scene.x + 100, scene.y + 100);
	desk_sync(scene.desk);
	assert_non_null(scene.desk->peer.pointer.inside);
	scene.cursor = wl_compositor_create_surface(scene.desk->peer.compositor);
	return scene;
}

static void set_cursor(struct scene *scene, int32_t hot_x, int32_t hot_y) {
	struct peer_pointer *pointer = &scene->desk->peer.pointer;
	wl_pointer_set_cursor(pointer->wl, pointer->serial, scene->cursor, hot_x, hot_y);
}

static void draw_cursor(struct scene *scene, int width, int height) {
	wl_buffer_destroy(peer_fill(
		&scene->desk->peer, scene->cursor, width, height, ARGB, 0xff000000 | RED));
	desk_sync(scene->desk);
}

static void assert_red(struct scene *scene, int x, int y, int width, int height) {
	struct desk_picture picture = desk_picture(scene->desk, NULL);
	unsigned count;
	struct desk_box box = desk_find(&picture, RED, &count);
	free(picture.pixels);
	bool full = count == (unsigned)(width * height);
	if (!full || box.width != width || box.height != height ||
		(width > 0 && (box.x != x || box.y != y))) {
		fail_msg("%u red pixels in %dx%d at %d,%d, not %dx%d at %d,%d", count, box.width,
			box.height, box.x, box.y, width, height, x, y);
	}
}

static void assert_no_red(struct scene *scene) {
	assert_red(scene, 0, 0, 0, 0);
}

/* What it looks like */

static void guests_pointer_is_drawn_where_it_points(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 3, 4);
	draw_cursor(&scene, SIZE, SIZE);
	assert_red(&scene, scene.x + 100 - 3, scene.y + 100 - 4, SIZE, SIZE);
	// It moves without a word of the guest's.
	desk_do(scene.desk, "move %d %d", scene.x + 333, scene.y + 222);
	assert_red(&scene, scene.x + 333 - 3, scene.y + 222 - 4, SIZE, SIZE);
	// The guest's own picture has none.
	struct desk_picture own = desk_picture(scene.desk, "work");
	assert_int_equal(desk_find(&own, RED, NULL).width, 0);
	free(own.pixels);
}

static void pointer_is_cut_off_at_the_edges_of_the_picture(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 8, 8);
	draw_cursor(&scene, SIZE, SIZE);
	int right = scene.x + WIDTH - 1, bottom = scene.y + HEIGHT - 1;
	desk_do(scene.desk, "move %d %d", right, bottom);
	assert_red(&scene, right - 8, bottom - 8, 9, 9);
	desk_do(scene.desk, "move %d %d", scene.x, scene.y);
	assert_red(&scene, scene.x, scene.y, 8, 8);
}

static void pointer_is_not_drawn_on_a_window_in_front(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 8, 8);
	draw_cursor(&scene, SIZE, SIZE);
	desk_show(scene.desk, 1, 200, 200, BLUE);
	assert_int_equal(session_call_json(&scene.desk->session, "Move",
				 "{\"name\":\"work\",\"head\":2,\"x\":400,\"y\":300}"),
		0);
	assert_int_equal(
		session_call_json(&scene.desk->session, "Focus", "{\"name\":\"work\",\"head\":2}"),
		0);
	// Just left of the border of the window in front, where it cannot be grabbed.
	struct desk_picture before = desk_picture(scene.desk, NULL);
	desk_do(scene.desk, "move %d %d", 400 - 8, 400);
	struct desk_picture after = desk_picture(scene.desk, NULL);
	unsigned count;
	struct desk_box box = desk_find(&after, RED, &count);
	assert_int_equal(box.x, 400 - 16);
	assert_in_range(box.width, 8, 15);
	assert_int_equal(count, box.width * box.height);
	for (uint32_t y = 300; y < 500; y++) {
		for (uint32_t x = 400; x < 600; x++) {
			size_t i = y * after.width + x;
			assert_int_equal(after.pixels[i], before.pixels[i]);
		}
	}
	free(before.pixels);
	free(after.pixels);
}

static void pointer_elsewhere_is_the_sessions_own(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, SIZE, SIZE);
	desk_do(scene.desk, "move %d %d", scene.x + WIDTH + 60, scene.y);
	assert_no_red(&scene);
	desk_do(scene.desk, "move %d %d", scene.x + 60, scene.y - 12); // the title
	assert_no_red(&scene);
	// Back again, it is there at once.
	desk_do(scene.desk, "move %d %d", scene.x + 60, scene.y + 60);
	assert_red(&scene, scene.x + 60, scene.y + 60, SIZE, SIZE);
	desk_do(scene.desk, "press 125");
	desk_do(scene.desk, "button 272 1");
	assert_no_red(&scene);
	desk_do(scene.desk, "button 272 0");
	desk_do(scene.desk, "release 125");
}

static void pointer_held_outside_its_window_is_the_sessions_own(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, SIZE, SIZE);
	desk_do(scene.desk, "button 272 1");
	desk_do(scene.desk, "move %d %d", scene.x - 100, scene.y + 50);
	assert_non_null(scene.desk->peer.pointer.inside);
	assert_no_red(&scene);
	desk_do(scene.desk, "move %d %d", scene.x + 100, scene.y + 50);
	assert_red(&scene, scene.x + 100, scene.y + 50, SIZE, SIZE);
	desk_do(scene.desk, "button 272 0");
	assert_red(&scene, scene.x + 100, scene.y + 50, SIZE, SIZE);
}

static void held_pointer_goes_on_from_head_to_head(void **state) {
	struct scene scene = begin(state);
	struct peer *peer = &scene.desk->peer;
	desk_show(scene.desk, 1, 200, 200, BLUE);
	assert_int_equal(session_call_json(&scene.desk->session, "Move",
				 "{\"name\":\"work\",\"head\":2,\"x\":900,\"y\":300}"),
		0);
	desk_do(scene.desk, "button 272 1");
	desk_do(scene.desk, "move 870 320"); // between them
	assert_ptr_equal(peer->pointer.inside, peer->heads[0].surface);
	assert_true(peer->pointer.x == WIDTH - 1 && peer->pointer.y == 120);
	desk_do(scene.desk, "move 910 330");
	assert_ptr_equal(peer->pointer.inside, peer->heads[1].surface);
	assert_true(peer->pointer.x == 10 && peer->pointer.y == 30);
	desk_do(scene.desk, "move 1200 330");
	assert_ptr_equal(peer->pointer.inside, peer->heads[1].surface);
	assert_true(peer->pointer.x == 199 && peer->pointer.y == 30);
	assert_int_equal(peer->pointer.buttons, 1);
	desk_do(scene.desk, "button 272 0");
	assert_int_equal(peer->pointer.buttons, 2);
	assert_null(peer->pointer.inside);
}

/* The virtual pointer goes with its program, and lifts nothing. */
static void pull_the_plug(struct desk *desk) {
	kill(desk->hand, SIGKILL);
	waitpid(desk->hand, NULL, 0);
	desk->hand = 0;
	desk->hand_in = fd_close(desk->hand_in);
	desk->hand_out = fd_close(desk->hand_out);
	session_run(&desk->session, 20);
	desk_sync(desk);
}

static void button_of_a_mouse_that_is_unplugged_is_released(void **state) {
	struct scene scene = begin(state);
	struct peer_pointer *pointer = &scene.desk->peer.pointer;
	desk_do(scene.desk, "button 272 1");
	assert_int_equal(pointer->buttons, 1);
	pull_the_plug(scene.desk);
	assert_int_equal(pointer->buttons, 2);
	// Nothing holds the next one.
	desk_do(scene.desk, "move %d %d", scene.x - 100, scene.y + 50);
	assert_null(pointer->inside);
}

static void window_that_an_unplugged_mouse_drags_is_let_go(void **state) {
	struct scene scene = begin(state);
	desk_do(scene.desk, "move %d %d", scene.x + 100, scene.y - 12);
	desk_do(scene.desk, "button 272 1");
	desk_do(scene.desk, "by 10 0");
	desk_expect(scene.desk, "work", "x", scene.x + 10);
	pull_the_plug(scene.desk);
	desk_do(scene.desk, "by 10 0");
	desk_expect(scene.desk, "work", "x", scene.x + 10);
}

static void pointer_is_scaled_as_the_picture_is(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 4, 4);
	draw_cursor(&scene, SIZE, SIZE);
	assert_int_equal(session_call_json(&scene.desk->session, "Resize",
				 "{\"name\":\"work\",\"width\":320,\"height\":960}"),
		0);
	desk_sync(scene.desk);
	struct desk_picture picture = desk_picture(scene.desk, NULL);
	struct desk_box box = desk_find(&picture, RED, NULL);
	free(picture.pixels);
	assert_int_equal(box.x, scene.x + 100 - 2);
	assert_int_equal(box.y, scene.y + 100 - 8);
	assert_int_equal(box.width, SIZE / 2);
	assert_int_equal(box.height, SIZE * 2);
}

/* Pixels around the pointer that the guest has not drawn. */
static unsigned foreign_pixels(struct scene *scene) {
	struct desk_picture picture = desk_picture(scene->desk, NULL);
	unsigned count = 0;
	for (int y = scene->y + 60; y < scene->y + 140; y++) {
		for (int x = scene->x + 60; x < scene->x + 140; x++) {
			uint32_t pixel = picture.pixels[y * (int)picture.width + x];
			count += (pixel & 0xffffff) != GREEN;
		}
	}
	free(picture.pixels);
	return count;
}

static void guest_may_hide_the_pointer(void **state) {
	struct scene scene = begin(state);
	struct peer_pointer *pointer = &scene.desk->peer.pointer;
	assert_in_range(foreign_pixels(&scene), 20, 2000); // ours, until it says how
	wl_pointer_set_cursor(pointer->wl, pointer->serial, NULL, 0, 0);
	desk_sync(scene.desk);
	assert_int_equal(foreign_pixels(&scene), 0);
}

static void pointer_in_full_screen_is_the_guests(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 4, 4);
	draw_cursor(&scene, SIZE, SIZE);
	assert_int_equal(session_call(&scene.desk->session, "Fullscreen", "name", "work", NULL), 0);
	desk_show(scene.desk, 0, 1280, 1024, GREEN);
	desk_do(scene.desk, "move 600 500");
	assert_red(&scene, 596, 496, SIZE, SIZE);
	desk_do(scene.desk, "move 1279 1023");
	assert_red(&scene, 1275, 1019, 5, 5);
	assert_int_equal(session_call(&scene.desk->session, "Fullscreen", NULL, NULL, NULL), 0);
	desk_do(scene.desk, "move 20 20");
	assert_no_red(&scene);
}

static void guest_may_take_its_pointer_back(void **state) {
	struct scene scene = begin(state);
	struct peer *peer = &scene.desk->peer;
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, SIZE, SIZE);
	struct wp_cursor_shape_device_v1 *device =
		wp_cursor_shape_manager_v1_get_pointer(peer->shapes, peer->pointer.wl);
	wp_cursor_shape_device_v1_set_shape(
		device, peer->pointer.serial, WP_CURSOR_SHAPE_DEVICE_V1_SHAPE_DEFAULT);
	desk_sync(scene.desk);
	assert_no_red(&scene);
	assert_in_range(foreign_pixels(&scene), 20, 2000);
	wp_cursor_shape_device_v1_destroy(device);
}

static void pointer_is_forgotten_with_its_device(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, SIZE, SIZE);
	assert_red(&scene, scene.x + 100, scene.y + 100, SIZE, SIZE);
	peer_finish(&scene.desk->peer);
	session_run(&scene.desk->session, 50);
	assert_no_red(&scene);
}

/* What a hostile device may try */

static void pointer_that_is_too_large_is_ignored(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, 65, 64);
	assert_no_red(&scene);
	assert_true(process_log_contains(
		&scene.desk->session.process, "a pointer of 65x64 pixels is larger than 64"));
	draw_cursor(&scene, 64, 64);
	assert_red(&scene, scene.x + 100, scene.y + 100, 64, 64);
	// The last good one stays.
	draw_cursor(&scene, 1000, 1000);
	assert_red(&scene, scene.x + 100, scene.y + 100, 64, 64);
}

static void hot_spot_is_kept_inside_the_pointer(void **state) {
	struct scene scene = begin(state);
	draw_cursor(&scene, SIZE, SIZE);
	const struct {
		int32_t x, y;
		int is_x, is_y;
	} rows[] = {
		{INT32_MAX, INT32_MIN, SIZE - 1, 0},
		{-1, SIZE, 0, SIZE - 1},
		{5, 6, 5, 6},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		set_cursor(&scene, rows[i].x, rows[i].y);
		draw_cursor(&scene, SIZE, SIZE);
		assert_red(&scene, scene.x + 100 - rows[i].is_x, scene.y + 100 - rows[i].is_y, SIZE,
			SIZE);
	}
}

static void guest_without_the_pointer_cannot_set_it(void **state) {
	struct scene scene = begin(state);
	desk_do(scene.desk, "move %d %d", scene.x + WIDTH + 60, scene.y);
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, SIZE, SIZE);
	assert_no_red(&scene);
	desk_do(scene.desk, "move %d %d", scene.x + 60, scene.y + 60);
	assert_no_red(&scene);
}

static void desktop_cannot_be_a_pointer(void **state) {
	struct scene scene = begin(state);
	scene.cursor = scene.desk->peer.heads[0].surface;
	set_cursor(&scene, 0, 0);
	assert_int_equal(peer_sync(&scene.desk->peer), -EPROTO);
}

static void pointer_cannot_be_a_desktop(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, SIZE, SIZE);
	mullion_guest_v1_get_desktop(scene.desk->peer.guest, scene.cursor, 1);
	assert_int_equal(peer_sync(&scene.desk->peer), -EPROTO);
}

static void pointer_that_is_destroyed_while_shown_is_gone(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, SIZE, SIZE);
	assert_red(&scene, scene.x + 100, scene.y + 100, SIZE, SIZE);
	wl_surface_destroy(scene.cursor);
	desk_sync(scene.desk);
	assert_no_red(&scene);
	scene.cursor = wl_compositor_create_surface(scene.desk->peer.compositor);
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, SIZE, SIZE);
	assert_red(&scene, scene.x + 100, scene.y + 100, SIZE, SIZE);
}

static void pointer_in_memory_that_can_shrink_is_an_error(void **state) {
	struct scene scene = begin(state);
	int fd = memfd_create("frame", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0 && ftruncate(fd, SIZE * SIZE * 4) == 0);
	struct wl_buffer *buffer =
		peer_buffer(&scene.desk->peer, fd, SIZE * SIZE * 4, 0, SIZE, SIZE, SIZE * 4, ARGB);
	set_cursor(&scene, 0, 0);
	wl_surface_attach(scene.cursor, buffer, 0, 0);
	wl_surface_commit(scene.cursor);
	peer_flush(&scene.desk->peer, 1000);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(peer_sync(&scene.desk->peer), -EPROTO);
	close(fd);
}

static void pointer_that_changes_all_the_time_is_shown(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 0, 0);
	for (int i = 0; i < 500; i++) {
		int size = 1 + i % 64;
		wl_buffer_destroy(peer_fill(
			&scene.desk->peer, scene.cursor, size, 65 - size, ARGB, 0xff000000 | RED));
		set_cursor(&scene, i, -i);
	}
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, SIZE, SIZE);
	assert_red(&scene, scene.x + 100, scene.y + 100, SIZE, SIZE);
}

static void flood_of_pointers_is_ended(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 0, 0);
	struct wl_buffer *buffer =
		peer_fill(&scene.desk->peer, scene.cursor, SIZE, SIZE, ARGB, 0xff000000 | RED);
	int error = 0;
	for (unsigned i = 0; error == 0 && i < 100000; i++) {
		wl_surface_attach(scene.cursor, buffer, 0, 0);
		wl_surface_commit(scene.cursor);
		if (i % 500 == 0) {
			error = peer_flush(&scene.desk->peer, 5000);
		}
	}
	assert_true(peer_sync(&scene.desk->peer) < 0);
	assert_int_equal(session_call(&scene.desk->session, "Screenshot", NULL, NULL, NULL), 0);
}

static void absurd_state_of_a_pointer_harms_nobody(void **state) {
	struct scene scene = begin(state);
	set_cursor(&scene, 0, 0);
	draw_cursor(&scene, SIZE, SIZE);
	wl_surface_set_buffer_scale(scene.cursor, 16);
	wl_surface_set_buffer_transform(scene.cursor, WL_OUTPUT_TRANSFORM_FLIPPED_270);
	wl_surface_attach(scene.cursor, NULL, INT32_MAX, INT32_MIN);
	wl_surface_commit(scene.cursor);
	desk_sync(scene.desk);
	assert_no_red(&scene);
	draw_cursor(&scene, SIZE, SIZE);
	assert_red(&scene, scene.x + 100, scene.y + 100, SIZE, SIZE);
}

#define desk_test(function) cmocka_unit_test_setup_teardown(function, desk_setup, desk_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		desk_test(guests_pointer_is_drawn_where_it_points),
		desk_test(pointer_is_cut_off_at_the_edges_of_the_picture),
		desk_test(pointer_is_not_drawn_on_a_window_in_front),
		desk_test(pointer_elsewhere_is_the_sessions_own),
		desk_test(pointer_held_outside_its_window_is_the_sessions_own),
		desk_test(held_pointer_goes_on_from_head_to_head),
		desk_test(button_of_a_mouse_that_is_unplugged_is_released),
		desk_test(window_that_an_unplugged_mouse_drags_is_let_go),
		desk_test(pointer_is_scaled_as_the_picture_is),
		desk_test(guest_may_hide_the_pointer),
		desk_test(pointer_in_full_screen_is_the_guests),
		desk_test(guest_may_take_its_pointer_back),
		desk_test(pointer_is_forgotten_with_its_device),
		desk_test(pointer_that_is_too_large_is_ignored),
		desk_test(hot_spot_is_kept_inside_the_pointer),
		desk_test(guest_without_the_pointer_cannot_set_it),
		desk_test(desktop_cannot_be_a_pointer),
		desk_test(pointer_cannot_be_a_desktop),
		desk_test(pointer_that_is_destroyed_while_shown_is_gone),
		desk_test(pointer_in_memory_that_can_shrink_is_an_error),
		desk_test(pointer_that_changes_all_the_time_is_shown),
		desk_test(flood_of_pointers_is_ended),
		desk_test(absurd_state_of_a_pointer_harms_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
