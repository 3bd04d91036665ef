/* A guest's life, with stand-ins for mullion-device and QEMU that misbehave as told. */
#include "guests.h"

#include <errno.h>
#include <libgen.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fd.h"
#include "guest-json.h"
#include "life.h"

struct fixture {
	sd_event *event;
	struct guests guests;
	struct guest *guest; // the first
	unsigned changes;
};

static void on_changed(void *data) {
	struct fixture *fixture = data;
	fixture->changes++;
}

static void setup(
	struct fixture *fixture, const char *first, const char *second, enum config_vmm vmm) {
	struct config config = {.host.vram = 8 * MIB};
	*fixture = (struct fixture){0};
	config.guests_len = second != NULL ? 2 : 1;
	config.guests = calloc(config.guests_len, sizeof(config.guests[0]));
	config.guests[0] = life_guest(first, 1, vmm);
	if (second != NULL) {
		config.guests[1] = life_guest(second, 1, vmm);
	}
	life_start(&fixture->event, &fixture->guests, &config, on_changed, fixture);
	fixture->guest = fixture->guests.list[0];
}

static void teardown(struct fixture *fixture) {
	guests_finish(&fixture->guests);
	sd_event_unref(fixture->event);
}

static void run_until(struct fixture *fixture, const struct guest *guest, enum guest_state state) {
	assert_true(life_run_until(fixture->event, guest, state));
}

static void start(struct fixture *fixture) {
	guest_start(fixture->guest);
	run_until(fixture, fixture->guest, GUEST_RUNNING);
}

static void assert_nothing_left(const struct fixture *fixture) {
	const struct guest *guest = fixture->guest;
	assert_int_equal(guest->gpu.device.process.pid, 0);
	assert_int_equal(guest->machine.process.pid, 0);
	assert_int_equal(guest->gpu.limit, 0);
	assert_int_equal(fixture->guests.vram.len, 0);
	char path[128];
	snprintf(
		path, sizeof(path), "%s/guests/%s/gpu.sock", life_directory(), guest->config->name);
	assert_int_equal(access(path, F_OK), -1);
}

static void assert_reason(const struct fixture *fixture, const char *words) {
	assert_non_null(fixture->guest->reason);
	if (strstr(fixture->guest->reason, words) == NULL) {
		fail_msg("'%s' does not say '%s'", fixture->guest->reason, words);
	}
}

static void a_guest_starts_and_is_killed_at_once(void **state) {
	struct fixture f;
	setup(&f, "obeys", NULL, CONFIG_VMM_QEMU);
	start(&f);
	assert_int_equal(f.guests.vram.len, 1);
	guest_kill(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	assert_null(f.guest->reason);
	assert_nothing_left(&f);
	assert_true(f.changes > 0);
	start(&f);
	teardown(&f);
}

static void power_down_is_enough_for_a_guest_that_obeys(void **state) {
	struct fixture f;
	setup(&f, "obeys", NULL, CONFIG_VMM_QEMU);
	start(&f);
	guest_stop(f.guest);
	assert_int_equal(f.guest->state, GUEST_STOPPING);
	run_until(&f, f.guest, GUEST_OFF);
	assert_int_equal(f.guest->step, 0);
	assert_nothing_left(&f);
	teardown(&f);
}

/* How long stopping takes, in steps of the guest's time-out. */
static uint64_t stopping_steps(const char *name) {
	struct fixture f;
	setup(&f, name, NULL, CONFIG_VMM_QEMU);
	start(&f);
	uint64_t begin = clock_usec();
	guest_stop(f.guest);
	guest_stop(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	uint64_t took = clock_usec() - begin;
	assert_null(f.guest->reason);
	assert_nothing_left(&f);
	teardown(&f);
	return took / (100 * USEC_PER_MSEC);
}

static void a_guest_without_a_power_button_is_told_to_quit(void **state) {
	assert_in_range(stopping_steps("stubborn"), 1, 20);
}

static void a_guest_that_does_not_quit_is_killed(void **state) {
	assert_in_range(stopping_steps("hung"), 2, 30);
}

static void a_power_off_from_inside_is_no_failure(void **state) {
	struct fixture f;
	setup(&f, "powers-off", NULL, CONFIG_VMM_QEMU);
	start(&f);
	run_until(&f, f.guest, GUEST_OFF);
	assert_null(f.guest->reason);
	assert_nothing_left(&f);
	teardown(&f);
}

static void what_fails_says_why_and_leaves_nothing(void **state) {
	static const struct {
		const char *name;
		enum config_vmm vmm;
		const char *words;
	} cases[] = {
		{"never-starts", CONFIG_VMM_QEMU, "status 1: qemu: no such machine"},
		{"breaks", CONFIG_VMM_QEMU, "status 1: it broke"},
		{"raves", CONFIG_VMM_QEMU, "no QMP message"},
		{"dies", CONFIG_VMM_QEMU, "(mullion-device) exited with status 3"},
		{"dies", CONFIG_VMM_EXTERNAL, "(mullion-device) exited with status 3"},
		{"crashes", CONFIG_VMM_QEMU, "(mullion-device) was killed by signal 9"},
		{"garbage", CONFIG_VMM_QEMU, "broke the link's protocol"},
		{"hangs-up", CONFIG_VMM_EXTERNAL, "closed the link"},
		{"is-not-shut-in", CONFIG_VMM_EXTERNAL,
			"landlock: Operation not supported (EOPNOTSUPP): boot with landlock"},
		{"lies-about-it", CONFIG_VMM_EXTERNAL, "seccomp: use a kernel"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		setup(&f, cases[i].name, NULL, cases[i].vmm);
		guest_start(f.guest);
		run_until(&f, f.guest, GUEST_FAILED);
		assert_reason(&f, cases[i].words);
		assert_nothing_left(&f);
		teardown(&f);
	}
}

static void a_refused_start_is_off_with_its_reason(void **state) {
	struct fixture f;
	setup(&f, "obeys", NULL, CONFIG_VMM_QEMU);
	struct config_guest *config = &f.guests.config.guests[0];
	config->disk = strdup("/nowhere/disk");
	guest_start(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	assert_reason(&f, "/nowhere/disk");
	config->disk[0] = '\0';
	config->vram = 9 * MIB;
	guest_start(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	assert_reason(&f, "does not fit into the VRAM map (8 MiB: free 0 to 8 MiB)");
	config->vram = 4 * MIB;
	config->extra = strdup("'");
	guest_start(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	assert_reason(&f, "quote");
	assert_nothing_left(&f);
	config->extra[0] = '\0';
	// No ROM lies beside this program.
	config->personality = CONFIG_PERSONALITY_VIRTIO_VGA;
	guest_start(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	assert_reason(&f, "vgabios-virtio-vga.bin");
	assert_nothing_left(&f);
	config->personality = CONFIG_PERSONALITY_BOCHS;
	start(&f);
	assert_null(f.guest->reason);
	teardown(&f);
}

static void a_start_can_be_killed_in_the_middle(void **state) {
	for (unsigned turns = 0; turns < 12; turns++) {
		struct fixture f;
		setup(&f, "obeys", NULL, CONFIG_VMM_QEMU);
		guest_start(f.guest);
		for (unsigned i = 0; i < turns; i++) {
			sd_event_run(f.event, 10 * USEC_PER_MSEC);
		}
		guest_kill(f.guest);
		run_until(&f, f.guest, GUEST_OFF);
		assert_nothing_left(&f);
		teardown(&f);
	}
}

static void each_device_gets_memory_of_its_own(void **state) {
	struct fixture f;
	struct device_state_view first, second;
	setup(&f, "one", "two", CONFIG_VMM_EXTERNAL);
	guest_start(f.guest);
	guest_start(f.guests.list[1]);
	for (uint64_t end = clock_usec() + PATIENCE_US; !gpu_read_state(&f.guest->gpu, &first) ||
		!gpu_read_state(&f.guests.list[1]->gpu, &second);) {
		assert_true(clock_usec() < end);
		sd_event_run(f.event, USEC_PER_MSEC);
	}
	// The device says in these counters what it was given.
	assert_int_equal(first.looks, 4 * MIB);
	assert_int_equal(first.state.resets, 0);
	assert_int_equal(second.state.resets, 4 * MIB);
	assert_int_not_equal(first.commits, second.commits);
	teardown(&f);
}

static void hostile_counters_become_json(void **state) {
	struct fixture f;
	struct device_state_view device;
	sd_json_variant *json = NULL;
	setup(&f, "one", NULL, CONFIG_VMM_EXTERNAL);
	assert_int_equal(guest_traps_to_json(f.guest, &json), -ENODATA);
	guest_start(f.guest);
	for (uint64_t end = clock_usec() + PATIENCE_US; !gpu_read_state(&f.guest->gpu, &device);) {
		assert_true(clock_usec() < end);
		sd_event_run(f.event, USEC_PER_MSEC);
	}
	assert_int_equal(guest_traps_to_json(f.guest, &json), 0);
	sd_json_variant *trap =
		sd_json_variant_by_index(sd_json_variant_by_key(json, "traps"), TRAP_VRAM);
	assert_int_equal(
		sd_json_variant_unsigned(sd_json_variant_by_key(trap, "count")), INT64_MAX);
	sd_json_variant_unref(json);
	teardown(&f);
}

static void a_flooding_device_delays_nobody(void **state) {
	struct fixture f;
	setup(&f, "floods", "obeys", CONFIG_VMM_EXTERNAL);
	guest_start(f.guest);
	guest_start(f.guests.list[1]);
	uint64_t begin = clock_usec();
	unsigned turns = 0;
	for (; clock_usec() < begin + 500 * USEC_PER_MSEC; turns++) {
		sd_event_run(f.event, 10 * USEC_PER_MSEC);
	}
	assert_true(turns < 5000);
	assert_true(f.changes < 100);
	assert_true(f.guests.list[1]->gpu.device.connected);
	guest_kill(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	teardown(&f);
}

static void a_device_that_ignores_its_end_is_killed(void **state) {
	struct fixture f;
	setup(&f, "deaf", NULL, CONFIG_VMM_EXTERNAL);
	start(&f);
	while (!f.guest->gpu.device.connected) {
		sd_event_run(f.event, USEC_PER_MSEC);
	}
	guest_stop(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	assert_nothing_left(&f);
	teardown(&f);
}

/* Shows the guest to a viewer; returns this end of the display. */
static int show(struct fixture *f, pid_t viewer) {
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(guest_show(f->guest, pair[1], pidfd_open(viewer, 0)), 0);
	close(pair[1]);
	return pair[0];
}

static void a_display_is_passed_on_now_or_when_there_is_a_gpu(void **state) {
	for (unsigned early = 0; early < 2; early++) {
		struct fixture f;
		char text[8] = "";
		setup(&f, "obeys", NULL, CONFIG_VMM_QEMU);
		guest_start(f.guest);
		int display = early ? show(&f, getpid()) : -1;
		run_until(&f, f.guest, GUEST_RUNNING);
		display = early ? display : show(&f, getpid());
		assert_int_equal(read(display, text, 5), 5);
		assert_string_equal(text, "shown");
		assert_true(gpu_shown(&f.guest->gpu));
		close(display);
		teardown(&f);
	}
}

static void a_display_is_gone_with_its_viewer(void **state) {
	struct fixture f;
	setup(&f, "obeys", NULL, CONFIG_VMM_QEMU);
	start(&f);
	pid_t viewer = fork();
	if (viewer == 0) {
		pause();
		_exit(0);
	}
	close(show(&f, viewer));
	assert_true(gpu_shown(&f.guest->gpu));
	kill(viewer, SIGKILL);
	for (uint64_t end = clock_usec() + PATIENCE_US; gpu_shown(&f.guest->gpu);) {
		assert_true(clock_usec() < end);
		sd_event_run(f.event, USEC_PER_MSEC);
	}
	assert_int_equal(f.guest->state, GUEST_RUNNING);
	teardown(&f);
}

static void run_until_generation(struct fixture *f, uint32_t generation) {
	struct device_state_view device;
	for (uint64_t end = clock_usec() + PATIENCE_US;
		!gpu_read_state(&f->guest->gpu, &device) || device.state.generation < generation;) {
		assert_true(clock_usec() < end);
		sd_event_run(f->event, USEC_PER_MSEC);
	}
}

static void a_device_that_dies_or_hangs_is_replaced(void **state) {
	static const char *const names[] = {
		"dies-once", "babbles-once", "hangs-once", "hangs-up-once"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct fixture f;
		setup(&f, names[i], NULL, CONFIG_VMM_QEMU);
		start(&f);
		pid_t vmm = f.guest->machine.process.pid;
		run_until_generation(&f, 2);
		assert_int_equal(f.guest->state, GUEST_RUNNING);
		assert_int_equal(f.guest->machine.process.pid, vmm);
		assert_int_equal(f.guest->gpu.device.restarts, 1);
		guest_kill(f.guest);
		run_until(&f, f.guest, GUEST_OFF);
		assert_nothing_left(&f);
		teardown(&f);
	}
}

static void what_a_device_stored_is_given_to_the_next(void **state) {
	struct fixture f;
	setup(&f, "dies-once", NULL, CONFIG_VMM_EXTERNAL);
	start(&f);
	run_until_generation(&f, 2);
	const struct device_state_live *live = &f.guest->gpu.state->live;
	for (uint64_t end = clock_usec() + PATIENCE_US; live->partial == 0;) {
		assert_true(clock_usec() < end);
		sd_event_run(f.event, USEC_PER_MSEC);
	}
	// The one that was not dropped, with what was in it.
	assert_int_equal(live->partial, 1);
	assert_int_equal(live->replying, 7);
	teardown(&f);
}

static void a_viewer_presents_itself_again_to_a_new_device(void **state) {
	struct fixture f;
	setup(&f, "one", NULL, CONFIG_VMM_EXTERNAL);
	start(&f);
	run_until_generation(&f, 1);
	close(show(&f, getpid()));
	while (!f.guest->gpu.device.ready) {
		sd_event_run(f.event, USEC_PER_MSEC);
	}
	kill(f.guest->gpu.device.process.pid, SIGKILL);
	run_until_generation(&f, 2);
	assert_false(gpu_shown(&f.guest->gpu));
	char text[8] = "";
	int display = show(&f, getpid());
	assert_int_equal(read(display, text, 5), 5);
	close(display);
	teardown(&f);
}

static void a_device_that_keeps_dying_is_started_more_slowly(void **state) {
	struct fixture f;
	setup(&f, "keeps-dying", NULL, CONFIG_VMM_EXTERNAL);
	uint64_t begin = clock_usec();
	start(&f);
	while (f.guest->gpu.device.restarts < 8) {
		assert_true(clock_usec() < begin + PATIENCE_US);
		sd_event_run(f.event, 100 * USEC_PER_MSEC);
	}
	// 5 at once, then after 0.1 and 0.2 s.
	assert_true(clock_usec() - begin > 300 * USEC_PER_MSEC);
	assert_int_equal(f.guest->state, GUEST_RUNNING);
	// Waiting for the next one, it can be stopped.
	guest_stop(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	assert_nothing_left(&f);
	teardown(&f);
}

static void a_device_that_has_died_too_often_takes_its_guest_down(void **state) {
	struct fixture f;
	setup(&f, "dies-once", NULL, CONFIG_VMM_QEMU);
	start(&f);
	run_until_generation(&f, 2);
	for (unsigned i = 0; i < BACKOFF_DEATHS_MAX; i++) {
		f.guest->gpu.device.backoff.deaths[i] = clock_usec();
	}
	kill(f.guest->gpu.device.process.pid, SIGKILL);
	run_until(&f, f.guest, GUEST_FAILED);
	assert_reason(&f, "was killed by signal 9 (Killed), after more than 20 others in a minute");
	assert_nothing_left(&f);
	teardown(&f);
}

static void a_slice_is_zero_for_whoever_gets_it_next(void **state) {
	struct fixture f;
	struct stat first, second;
	char bytes[4096], zeros[4096] = {0};
	setup(&f, "one", NULL, CONFIG_VMM_EXTERNAL);
	start(&f);
	int slice = f.guest->gpu.fds[LINK_FD_SLICE];
	memset(bytes, 0x5a, sizeof(bytes));
	assert_int_equal(pwrite(slice, bytes, sizeof(bytes), MIB), sizeof(bytes));
	assert_int_equal(fstat(slice, &first), 0);
	guest_kill(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	start(&f);
	slice = f.guest->gpu.fds[LINK_FD_SLICE];
	assert_int_equal(f.guest->gpu.base, 0);
	assert_int_equal(fstat(slice, &second), 0);
	assert_int_not_equal(first.st_ino, second.st_ino);
	for (uint64_t at = 0; at < 4 * MIB; at += sizeof(bytes)) {
		assert_int_equal(pread(slice, bytes, sizeof(bytes), (off_t)at), sizeof(bytes));
		assert_memory_equal(bytes, zeros, sizeof(bytes));
	}
	teardown(&f);
}

static void run_for(struct fixture *f, uint64_t usec) {
	for (uint64_t end = clock_usec() + usec; clock_usec() < end;) {
		sd_event_run(f->event, 10 * USEC_PER_MSEC);
	}
}

static void who_ends_by_itself_starts_again_as_its_file_says(void **state) {
	static const struct {
		const char *name;
		enum config_restart restart;
		bool again;
	} cases[] = {
		{"powers-off", CONFIG_RESTART_NEVER, false},
		{"powers-off", CONFIG_RESTART_ON_FAILURE, false},
		{"powers-off", CONFIG_RESTART_ALWAYS, true},
		{"breaks", CONFIG_RESTART_NEVER, false},
		{"breaks", CONFIG_RESTART_ON_FAILURE, true},
		{"breaks", CONFIG_RESTART_ALWAYS, true},
		{"never-starts", CONFIG_RESTART_ALWAYS, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		setup(&f, cases[i].name, NULL, CONFIG_VMM_QEMU);
		f.guests.config.guests[0].restart = cases[i].restart;
		guest_start(f.guest);
		while (!guest_is_off(f.guest)) {
			sd_event_run(f.event, 10 * USEC_PER_MSEC);
		}
		bool again = f.guest->again != NULL;
		if (again != cases[i].again) {
			fail_msg("case %zu (%s) does the wrong thing", i, cases[i].name);
		}
		if (again) {
			run_until(&f, f.guest, GUEST_STARTING);
			guest_kill(f.guest);
			run_until(&f, f.guest, GUEST_OFF);
		}
		teardown(&f);
	}
}

static void who_ends_too_often_stays_off(void **state) {
	for (unsigned deaths = BACKOFF_DEATHS_MAX - 1; deaths <= BACKOFF_DEATHS_MAX; deaths++) {
		struct fixture f;
		setup(&f, "obeys", NULL, CONFIG_VMM_QEMU);
		f.guests.config.guests[0].restart = CONFIG_RESTART_ALWAYS;
		uint64_t wait, now = clock_usec() - 30 * USEC_PER_SEC;
		for (unsigned i = 0; i < deaths; i++) {
			assert_true(backoff_died(&f.guest->backoff, now, &wait));
		}
		start(&f);
		kill(f.guest->machine.process.pid, SIGKILL);
		run_until(&f, f.guest, GUEST_FAILED);
		assert_int_equal(f.guest->again != NULL, deaths < BACKOFF_DEATHS_MAX);
		// Its reason is that of its last end, and whoever wants it again may start it.
		assert_non_null(strstr(f.guest->reason, "killed by signal 9"));
		start(&f);
		teardown(&f);
	}
}

static void whoever_is_stopped_does_not_start_again(void **state) {
	struct fixture f;
	setup(&f, "obeys", NULL, CONFIG_VMM_QEMU);
	f.guests.config.guests[0].restart = CONFIG_RESTART_ALWAYS;
	start(&f);
	guest_stop(f.guest);
	run_until(&f, f.guest, GUEST_OFF);
	assert_null(f.guest->again);
	start(&f);
	kill(f.guest->machine.process.pid, SIGKILL);
	run_until(&f, f.guest, GUEST_FAILED);
	assert_non_null(f.guest->again);
	guest_stop(f.guest);
	run_for(&f, 100 * USEC_PER_MSEC);
	assert_int_equal(f.guest->state, GUEST_FAILED);
	teardown(&f);
}

static void guests_that_start_together_lie_in_their_order(void **state) {
	struct fixture f;
	setup(&f, "a", "b", CONFIG_VMM_QEMU);
	f.guests.config.guests[0].autostart = f.guests.config.guests[1].autostart = true;
	guests_autostart(&f.guests);
	run_until(&f, f.guest, GUEST_RUNNING);
	run_until(&f, f.guests.list[1], GUEST_RUNNING);
	assert_int_equal(f.guest->gpu.base, 0);
	assert_int_equal(f.guests.list[1]->gpu.base, 4 * MIB);
	assert_string_equal(f.guest->machine.pci_address, "00:10.0");
	guests_stop_all(&f.guests);
	while (!guests_are_off(&f.guests)) {
		sd_event_run(f.event, 100 * USEC_PER_MSEC);
	}
	assert_int_equal(f.guests.vram.len, 0);
	teardown(&f);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_starts_and_is_killed_at_once),
		cmocka_unit_test(power_down_is_enough_for_a_guest_that_obeys),
		cmocka_unit_test(a_guest_without_a_power_button_is_told_to_quit),
		cmocka_unit_test(a_guest_that_does_not_quit_is_killed),
		cmocka_unit_test(a_power_off_from_inside_is_no_failure),
		cmocka_unit_test(what_fails_says_why_and_leaves_nothing),
		cmocka_unit_test(a_refused_start_is_off_with_its_reason),
		cmocka_unit_test(a_start_can_be_killed_in_the_middle),
		cmocka_unit_test(each_device_gets_memory_of_its_own),
		cmocka_unit_test(hostile_counters_become_json),
		cmocka_unit_test(a_flooding_device_delays_nobody),
		cmocka_unit_test(a_device_that_ignores_its_end_is_killed),
		cmocka_unit_test(a_display_is_passed_on_now_or_when_there_is_a_gpu),
		cmocka_unit_test(a_display_is_gone_with_its_viewer),
		cmocka_unit_test(a_device_that_dies_or_hangs_is_replaced),
		cmocka_unit_test(what_a_device_stored_is_given_to_the_next),
		cmocka_unit_test(a_viewer_presents_itself_again_to_a_new_device),
		cmocka_unit_test(a_device_that_keeps_dying_is_started_more_slowly),
		cmocka_unit_test(a_device_that_has_died_too_often_takes_its_guest_down),
		cmocka_unit_test(a_slice_is_zero_for_whoever_gets_it_next),
		cmocka_unit_test(who_ends_by_itself_starts_again_as_its_file_says),
		cmocka_unit_test(who_ends_too_often_stays_off),
		cmocka_unit_test(whoever_is_stopped_does_not_start_again),
		cmocka_unit_test(guests_that_start_together_lie_in_their_order),
	};
	return cmocka_run_group_tests(tests, life_prepare, life_clean_up);
}
