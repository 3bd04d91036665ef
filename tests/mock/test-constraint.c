/* An ordinary client that locks or confines the pointer, and how its user gets it back. */
#include <stdlib.h>
#include <string.h>

#include "one-guest.h"
#include "pointer-constraints-client-protocol.h"
#include "xdg-shell-client-protocol.h"

#define WIDTH 400
#define HEIGHT 300
#define GREEN 0x00a040
#define RED 0xc01020

/* A game beside the guest. */
struct play {
	struct desk *desk;
	struct peer game;
	struct xdg_wm_base *shell;
	struct zwp_pointer_constraints_v1 *constraints;
	struct xdg_surface *xdg_surface;
	struct xdg_toplevel *toplevel;
	int x, y; // of its picture
	unsigned locked, unlocked, confined, unconfined;
};

static void handle_global(void *data, struct wl_registry *registry, uint32_t name,
	const char *interface, uint32_t version) {
	struct play *play = data;
	if (strcmp(interface, xdg_wm_base_interface.name) == 0) {
		play->shell = wl_registry_bind(registry, name, &xdg_wm_base_interface, 1);
	} else if (strcmp(interface, zwp_pointer_constraints_v1_interface.name) == 0) {
		play->constraints =
			wl_registry_bind(registry, name, &zwp_pointer_constraints_v1_interface, 1);
	}
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

static void handle_configure(void *data, struct xdg_surface *surface, uint32_t serial) {
	xdg_surface_ack_configure(surface, serial);
}

static const struct xdg_surface_listener xdg_surface_listener = {
	.configure = handle_configure,
};

static void handle_locked(void *data, struct zwp_locked_pointer_v1 *pointer) {
	((struct play *)data)->locked++;
}

static void handle_unlocked(void *data, struct zwp_locked_pointer_v1 *pointer) {
	((struct play *)data)->unlocked++;
}

static const struct zwp_locked_pointer_v1_listener locked_listener = {
	.locked = handle_locked,
	.unlocked = handle_unlocked,
};

static void handle_confined(void *data, struct zwp_confined_pointer_v1 *pointer) {
	((struct play *)data)->confined++;
}

static void handle_unconfined(void *data, struct zwp_confined_pointer_v1 *pointer) {
	((struct play *)data)->unconfined++;
}

static const struct zwp_confined_pointer_v1_listener confined_listener = {
	.confined = handle_confined,
	.unconfined = handle_unconfined,
};

static void sync_all(struct play *play) {
	desk_sync(play->desk);
	assert_int_equal(peer_sync(&play->game), 0);
	desk_sync(play->desk);
	assert_int_equal(peer_sync(&play->game), 0);
}

static void act(struct play *play, const char *command) {
	desk_do(play->desk, "%s", command);
	sync_all(play);
}

static int set_up(void **state) {
	struct play *play = calloc(1, sizeof(*play));
	*state = play;
	return play != NULL ? desk_setup((void **)&play->desk) : -1;
}

static int tear_down(void **state) {
	struct play *play = *state;
	if (play->shell != NULL) {
		xdg_toplevel_destroy(play->toplevel);
		xdg_surface_destroy(play->xdg_surface);
		xdg_wm_base_destroy(play->shell);
		zwp_pointer_constraints_v1_destroy(play->constraints);
	}
	peer_finish(&play->game);
	int result = desk_teardown((void **)&play->desk);
	free(play);
	return result;
}

/* The game's window has the keys and the pointer; it has not locked it. */
static struct play *begin(void **state) {
	struct play *play = *state;
	struct peer *game = &play->game;
	desk_show(play->desk, 0, WIDTH, HEIGHT, GREEN);
	assert_true(peer_connect(game, session_connect(&play->desk->session)));
	struct wl_registry *registry = wl_display_get_registry(game->display);
	wl_registry_add_listener(registry, &registry_listener, play);
	assert_int_equal(peer_sync(game), 0);
	wl_registry_destroy(registry);
	play->xdg_surface = xdg_wm_base_get_xdg_surface(play->shell, game->surface);
	xdg_surface_add_listener(play->xdg_surface, &xdg_surface_listener, play);
	play->toplevel = xdg_surface_get_toplevel(play->xdg_surface);
	wl_surface_commit(game->surface);
	assert_int_equal(peer_sync(game), 0);
	peer_take_pointer(game);
	wl_buffer_destroy(
		peer_fill(game, game->surface, WIDTH, HEIGHT, WL_SHM_FORMAT_XRGB8888, RED));
	sync_all(play);
	struct desk_picture picture = desk_picture(play->desk, NULL);
	struct desk_box box = desk_find(&picture, RED, NULL);
	free(picture.pixels);
	play->x = box.x;
	play->y = box.y;
	desk_do(play->desk, "move %d %d", box.x + 100, box.y + 100);
	sync_all(play);
	assert_ptr_equal(game->pointer.inside, game->surface);
	return play;
}

static struct zwp_locked_pointer_v1 *lock(struct play *play, uint32_t lifetime) {
	struct zwp_locked_pointer_v1 *pointer = zwp_pointer_constraints_v1_lock_pointer(
		play->constraints, play->game.surface, play->game.pointer.wl, NULL, lifetime);
	zwp_locked_pointer_v1_add_listener(pointer, &locked_listener, play);
	sync_all(play);
	return pointer;
}

static struct zwp_locked_pointer_v1 *lock_for_good(struct play *play) {
	return lock(play, ZWP_POINTER_CONSTRAINTS_V1_LIFETIME_PERSISTENT);
}

/* Whether motion is relative, and only that. */
static bool is_locked(struct play *play) {
	struct peer_pointer *pointer = &play->game.pointer;
	unsigned motions = pointer->motions, relative = pointer->relative_motions;
	act(play, "by 3 -2");
	assert_int_equal(pointer->relative_motions, relative + 1);
	return pointer->motions == motions;
}

static void locked_pointer_tells_motion_and_no_places(void **state) {
	struct play *play = begin(state);
	assert_false(is_locked(play));
	struct zwp_locked_pointer_v1 *pointer = lock_for_good(play);
	assert_int_equal(play->locked, 1);
	double dx = play->game.pointer.dx;
	for (int i = 0; i < 20; i++) {
		act(play, "by 50 0"); // far out of the window, were it free
	}
	assert_true(play->game.pointer.dx == dx + 1000);
	assert_true(is_locked(play));
	assert_ptr_equal(play->game.pointer.inside, play->game.surface);
	unsigned buttons = play->game.pointer.buttons;
	act(play, "button 272 1");
	act(play, "button 272 0");
	assert_int_equal(play->game.pointer.buttons, buttons + 2);
	zwp_locked_pointer_v1_destroy(pointer);
	sync_all(play);
	assert_false(is_locked(play));
	assert_true(play->game.pointer.x == 106); // it had stayed where it was
}

static void places_of_a_tablet_count_as_far_as_it_goes(void **state) {
	struct play *play = begin(state);
	struct zwp_locked_pointer_v1 *pointer = lock_for_good(play);
	double dx = play->game.pointer.dx;
	act(play, "move 10 10");
	act(play, "move 30 5");
	assert_true(play->game.pointer.dx == dx + 20);
	assert_true(is_locked(play));
	zwp_locked_pointer_v1_destroy(pointer);
}

static void the_key_frees_it_and_gives_it_back(void **state) {
	struct play *play = begin(state);
	struct zwp_locked_pointer_v1 *pointer = lock_for_good(play);
	assert_true(is_locked(play));
	act(play, "key 34 super");
	assert_int_equal(play->unlocked, 1);
	assert_false(is_locked(play));
	// The program cannot take it back by itself.
	zwp_locked_pointer_v1_destroy(pointer);
	pointer = lock_for_good(play);
	assert_false(is_locked(play));
	act(play, "key 34 super");
	assert_int_equal(play->locked, 2);
	assert_true(is_locked(play));
	zwp_locked_pointer_v1_destroy(pointer);
}

static void other_window_with_the_keys_frees_it(void **state) {
	struct play *play = begin(state);
	struct zwp_locked_pointer_v1 *pointer = lock_for_good(play);
	assert_true(is_locked(play));
	assert_int_equal(session_call(&play->desk->session, "Focus", "name", "work", NULL), 0);
	sync_all(play);
	assert_int_equal(play->unlocked, 1);
	assert_false(is_locked(play));
	// With the keys it gets the pointer again.
	act(play, "click 5 5");
	desk_do(play->desk, "click %d %d", play->x + 50, play->y + 50);
	sync_all(play);
	assert_int_equal(play->locked, 2);
	assert_true(is_locked(play));
	zwp_locked_pointer_v1_destroy(pointer);
}

static void window_without_the_pointer_has_nothing_to_lock(void **state) {
	struct play *play = begin(state);
	act(play, "move 1270 5");
	assert_null(play->game.pointer.inside);
	struct zwp_locked_pointer_v1 *pointer = lock_for_good(play);
	assert_int_equal(play->locked, 0);
	desk_do(play->desk, "move %d %d", play->x + 50, play->y + 50);
	sync_all(play);
	assert_int_equal(play->locked, 1);
	zwp_locked_pointer_v1_destroy(pointer);
}

static void lock_for_once_is_not_given_again(void **state) {
	struct play *play = begin(state);
	struct zwp_locked_pointer_v1 *pointer =
		lock(play, ZWP_POINTER_CONSTRAINTS_V1_LIFETIME_ONESHOT);
	assert_true(is_locked(play));
	act(play, "key 34 super");
	assert_int_equal(play->unlocked, 1);
	act(play, "key 34 super");
	assert_false(is_locked(play));
	assert_int_equal(play->locked, 1);
	zwp_locked_pointer_v1_destroy(pointer);
}

static void pointer_comes_back_where_the_program_says(void **state) {
	struct play *play = begin(state);
	struct zwp_locked_pointer_v1 *pointer = lock_for_good(play);
	zwp_locked_pointer_v1_set_cursor_position_hint(
		pointer, wl_fixed_from_int(200), wl_fixed_from_int(20));
	wl_surface_commit(play->game.surface);
	sync_all(play);
	act(play, "key 34 super");
	act(play, "by 1 1");
	assert_true(play->game.pointer.x == 201 && play->game.pointer.y == 21);
	zwp_locked_pointer_v1_destroy(pointer);
	// But not outside of its window.
	pointer = lock_for_good(play);
	act(play, "key 34 super");
	zwp_locked_pointer_v1_set_cursor_position_hint(
		pointer, wl_fixed_from_int(5000), wl_fixed_from_int(20));
	wl_surface_commit(play->game.surface);
	sync_all(play);
	assert_true(is_locked(play));
	zwp_locked_pointer_v1_destroy(pointer);
	sync_all(play);
	act(play, "by 1 1");
	assert_true(play->game.pointer.x == 202 && play->game.pointer.y == 22);
}

static void confined_pointer_stays_inside(void **state) {
	struct play *play = begin(state);
	struct wl_region *region = wl_compositor_create_region(play->game.compositor);
	wl_region_add(region, 50, 50, 100, 100);
	struct zwp_confined_pointer_v1 *pointer = zwp_pointer_constraints_v1_confine_pointer(
		play->constraints, play->game.surface, play->game.pointer.wl, region,
		ZWP_POINTER_CONSTRAINTS_V1_LIFETIME_PERSISTENT);
	wl_region_destroy(region);
	zwp_confined_pointer_v1_add_listener(pointer, &confined_listener, play);
	wl_surface_commit(play->game.surface);
	sync_all(play);
	assert_int_equal(play->confined, 1);
	act(play, "by 1000 10");
	assert_in_range(play->game.pointer.x * 256, 149 * 256, 150 * 256);
	act(play, "move 0 0");
	assert_true(play->game.pointer.x == 50);
	assert_ptr_equal(play->game.pointer.inside, play->game.surface);
	act(play, "key 34 super");
	assert_int_equal(play->unconfined, 1);
	act(play, "move 0 0");
	assert_null(play->game.pointer.inside);
	zwp_confined_pointer_v1_destroy(pointer);
}

static void window_can_be_dragged_although_it_has_locked_it(void **state) {
	struct play *play = begin(state);
	struct zwp_locked_pointer_v1 *pointer = lock_for_good(play);
	act(play, "press 125");
	act(play, "button 272 1");
	assert_int_equal(play->unlocked, 1);
	act(play, "by 40 0");
	act(play, "button 272 0");
	act(play, "release 125");
	struct desk_picture picture = desk_picture(play->desk, NULL);
	assert_int_equal(desk_find(&picture, RED, NULL).x, play->x + 40);
	free(picture.pixels);
	assert_int_equal(play->locked, 2);
	zwp_locked_pointer_v1_destroy(pointer);
}

static void program_that_goes_frees_it(void **state) {
	struct play *play = begin(state);
	lock_for_good(play);
	wl_display_disconnect(play->game.display);
	play->game = (struct peer){0};
	play->shell = NULL;
	session_run(&play->desk->session, 50);
	peer_take_pointer(&play->desk->peer);
	desk_expect(play->desk, "work", "focused", true);
	desk_do(play->desk, "move 1 1");
	desk_do(play->desk, "move %d %d",
		(int)session_window(&play->desk->session, "work", "x") + 9,
		(int)session_window(&play->desk->session, "work", "y") + 9);
	assert_non_null(play->desk->peer.pointer.inside);
}

#define play_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		play_test(locked_pointer_tells_motion_and_no_places),
		play_test(places_of_a_tablet_count_as_far_as_it_goes),
		play_test(the_key_frees_it_and_gives_it_back),
		play_test(other_window_with_the_keys_frees_it),
		play_test(window_without_the_pointer_has_nothing_to_lock),
		play_test(lock_for_once_is_not_given_again),
		play_test(pointer_comes_back_where_the_program_says),
		play_test(confined_pointer_stays_inside),
		play_test(window_can_be_dragged_although_it_has_locked_it),
		play_test(program_that_goes_frees_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
