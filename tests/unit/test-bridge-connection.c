#include "bridge-rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "xdg-shell-protocol.h"

static const struct fake_options usual;

static void a_compositor_that_stops_reading_stops_the_commits(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	rig.deaf = true;
	unsigned committed = rig.committed;
	for (int i = 0; i < 200; i++) {
		++*rig_guest_pixel(&rig, 0, 0);
		bridge_scanout_changed(rig.bridge, 0);
		uint64_t start = clock_usec();
		rig_step(&rig);
		assert_true(clock_usec() - start < USEC_PER_SEC);
	}
	assert_in_range(rig.committed, committed, committed + 1);
	rig.deaf = false;
	RIG_UNTIL(&rig, rig.committed > committed + 1);
	rig_finish(&rig);
}

static void questions_from_one_that_does_not_read_answers_cost_no_memory(void **state) {
	struct fake_options options = {.no_guest_role = true};
	struct rig rig;
	rig_init(&rig, &options);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	// Twice what the socket and the bridge's buffer can hold of answers.
	rig.deaf = true;
	for (uint32_t ping = 0; ping < 60000; ping++) {
		xdg_wm_base_send_ping(rig.fake.wm_base, ping);
		if (ping % 100 == 0) {
			wl_client_flush(rig.fake.client);
			sd_event_run(rig.event, 0);
		}
	}
	rig.deaf = false;
	RIG_UNTIL(&rig, rig.fake.client == NULL);
	rig_finish(&rig);
}

static void a_new_compositor_shows_the_guest_again(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	for (int i = 0; i < 3; i++) {
		RIG_UNTIL(&rig, rig.fake.head->commits == 1);
		rig_assert_damage(&rig, 0, 0, RIG_WIDTH, RIG_HEIGHT);
		wl_client_destroy(rig.fake.client);
		unsigned looked = rig.looked;
		bridge_drawn(rig.bridge, 0);
		rig_spin(&rig, 50);
		assert_in_range(rig.looked, looked, looked + 1);
		assert_int_equal(bridge_connect(rig.bridge, fake_connect(&rig.fake)), 0);
	}
	rig_finish(&rig);
}

static void a_second_connection_replaces_the_first(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	struct fake second;
	fake_init(&second, &usual);
	assert_int_equal(bridge_connect(rig.bridge, fake_connect(&second)), 0);
	RIG_UNTIL(&rig, rig.fake.client == NULL);
	uint64_t end = clock_usec() + USEC_PER_SEC;
	while (second.head->commits == 0 && clock_usec() < end) {
		fake_run(&second);
		rig_step(&rig);
	}
	assert_int_equal(second.head->commits, 1);
	fake_finish(&second);
	rig_finish(&rig);
}

static void an_error_from_the_compositor_ends_only_the_connection(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	wl_resource_post_error(rig.fake.head->resource, 1, "no");
	RIG_UNTIL(&rig, rig.fake.client == NULL);
	rig_spin(&rig, 20);
	assert_int_equal(bridge_connect(rig.bridge, fake_connect(&rig.fake)), 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	rig_finish(&rig);
}

static void a_peer_that_is_no_compositor_does_no_harm(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(bridge_connect(rig.bridge, pair[1]), 0);
	static const char junk[16384] = "HTTP/1.1 200 OK\r\n\r\n<html>";
	assert_int_equal(write(pair[0], junk, sizeof(junk)), sizeof(junk));
	rig_spin(&rig, 20);
	close(pair[0]);
	RIG_UNTIL(&rig, rig.fake.client == NULL);
	assert_int_equal(bridge_connect(rig.bridge, fake_connect(&rig.fake)), 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	rig_finish(&rig);
}

static void without_the_role_an_ordinary_window_is_shown(void **state) {
	struct fake_options options = {.no_guest_role = true, .no_presentation = true};
	struct rig rig;
	rig_init(&rig, &options);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	assert_int_equal(rig.fake.head->empty_commits, 1);
	assert_string_equal(rig.fake.head->title, "mullion guest");
	rig_assert_zero_copy(&rig);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	xdg_toplevel_send_close(rig.fake.head->toplevel);
	RIG_UNTIL(&rig, rig.fake.client == NULL);
	rig_finish(&rig);
}

/* Found by fuzzing: libwayland ends the process where an event has no function. */
static void events_of_versions_that_were_not_bound_do_no_harm(void **state) {
	struct fake_options options = {.no_guest_role = true, .no_presentation = true};
	struct rig rig;
	rig_init(&rig, &options);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	struct wl_array capabilities;
	wl_array_init(&capabilities);
	xdg_toplevel_send_configure_bounds(rig.fake.head->toplevel, 640, 480);
	xdg_toplevel_send_wm_capabilities(rig.fake.head->toplevel, &capabilities);
	wl_array_release(&capabilities);
	rig_guest_pixel(&rig, 0, 0)[0] ^= 1;
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_finish(&rig);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_compositor_that_stops_reading_stops_the_commits),
		cmocka_unit_test(questions_from_one_that_does_not_read_answers_cost_no_memory),
		cmocka_unit_test(a_new_compositor_shows_the_guest_again),
		cmocka_unit_test(a_second_connection_replaces_the_first),
		cmocka_unit_test(an_error_from_the_compositor_ends_only_the_connection),
		cmocka_unit_test(a_peer_that_is_no_compositor_does_no_harm),
		cmocka_unit_test(without_the_role_an_ordinary_window_is_shown),
		cmocka_unit_test(events_of_versions_that_were_not_bound_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
