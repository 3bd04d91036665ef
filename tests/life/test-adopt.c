/* Guests whose mulliond was killed, with stand-ins for mullion-device and QEMU. */
#include "guests.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "guest-socket.h"
#include "life.h"
#include "manager.h"
#include "memfd.h"

/* Where there is one, see with_manager(). */
static struct manager *manager;

/* What a mulliond knew of its guests. */
struct known {
	uint64_t base, limit;
	ino_t slice;
	pid_t device, vmm;
};

struct fixture {
	sd_event *event;
	struct guests guests;
};

static int prepare(void **state) {
	// What a killed mulliond leaves behind is reaped here, not by whoever runs the test.
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return life_prepare(state);
}

static void on_changed(void *data) {
}

/* Its input goes through functions of its device. */
static bool is_typed(const char *guest) {
	return strstr(guest, "typed") != NULL;
}

/* Names end with NULL. */
static void setup(struct fixture *fixture, const char *const *names) {
	struct config config = {.host.vram = 16 * MIB};
	*fixture = (struct fixture){0};
	while (names[config.guests_len] != NULL) {
		config.guests_len++;
	}
	config.guests = calloc(config.guests_len + 1, sizeof(config.guests[0]));
	for (size_t i = 0; i < config.guests_len; i++) {
		bool external = strncmp(names[i], "external", 8) == 0;
		config.guests[i] = life_guest(names[i], (uint32_t)i + 1,
			external ? CONFIG_VMM_EXTERNAL : CONFIG_VMM_QEMU);
		config.guests[i].input =
			is_typed(names[i]) ? CONFIG_INPUT_VIRTIO : CONFIG_INPUT_QMP;
	}
	life_start(&fixture->event, &fixture->guests, &config, on_changed, fixture);
	for (size_t i = 0; manager != NULL && i < manager->len; i++) {
		fd_store_give(&fixture->guests.store, manager->kept[i].name,
			fcntl(manager->kept[i].fd, F_DUPFD_CLOEXEC, 3));
	}
}

/* From here on a service manager keeps descriptors. */
static void with_manager(void) {
	static struct manager one;
	assert_int_equal(manager_init(&one, life_directory()), 0);
	manager = &one;
}

static void without_manager(void) {
	manager_finish(manager);
	manager = NULL;
}

/* So many descriptors of a guest are kept, now or soon. */
static void expect_kept(struct fixture *f, const char *guest, size_t n) {
	char prefix[128];
	snprintf(prefix, sizeof(prefix), "guest.%s.", guest);
	for (uint64_t end = clock_usec() + PATIENCE_US; clock_usec() < end;) {
		assert_true(manager_read(manager));
		if (manager_count(manager, prefix) == n) {
			return;
		}
		if (f != NULL) {
			sd_event_run(f->event, 10 * USEC_PER_MSEC);
		} else {
			usleep(1000);
		}
	}
	fail_msg("of '%s' %zu descriptors are kept, not %zu", guest, manager_count(manager, prefix),
		n);
}

static void teardown(struct fixture *fixture) {
	guests_finish(&fixture->guests);
	sd_event_unref(fixture->event);
	// Nothing of it runs, so all children are gone or about to.
	while (waitpid(-1, NULL, 0) > 0) {
	}
}

static void expect_state(
	struct fixture *fixture, const struct guest *guest, enum guest_state state) {
	if (!life_run_until(fixture->event, guest, state)) {
		fail_msg("'%s' is %s, not %s", guest->config->name, guest_state_name(guest->state),
			guest_state_name(state));
	}
}

static void know(const struct guest *guest, struct known *known) {
	struct stat status = {0};
	fstat(guest->gpu.fds[LINK_FD_SLICE], &status);
	*known = (struct known){
		.base = guest->gpu.base,
		.limit = guest->gpu.limit,
		.slice = status.st_ino,
		.device = guest->gpu.device.process.pid,
		.vmm = guest->machine.process.pid,
	};
}

/* The life of a mulliond until its guests run; adopts those of an earlier one. */
static void live(const char *const *names, struct known *known, int done) {
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	for (size_t i = 0; i < f.guests.len; i++) {
		guest_start(f.guests.list[i]);
		if (!life_run_until(f.event, f.guests.list[i], GUEST_RUNNING)) {
			_exit(1);
		}
		// The device has heard all that it needs once it has told of its VMM.
		while (!f.guests.list[i]->gpu.device.connected) {
			sd_event_run(f.event, 10 * USEC_PER_MSEC);
		}
		know(f.guests.list[i], &known[i]);
	}
	close(done);
	sd_event_loop(f.event);
	_exit(1);
}

static size_t functions_of(const char *guest) {
	return is_typed(guest) ? LINK_FUNCTIONS : 1;
}

/* What each device of one that "keeps" stores: connections and files of memory, and an interrupt. */
static size_t stored_of(const char *guest) {
	return 2 * functions_of(guest) + 1;
}

/* Likewise, with what mulliond gave it, and QEMU's standard error. */
static size_t all_of(const char *guest) {
	return LINK_FDS_OF(functions_of(guest)) + stored_of(guest) +
		(strncmp(guest, "external", 8) != 0);
}

/* Until a mulliond says that it is done; the service manager's work goes on meanwhile. */
static void wait_done(int done) {
	char end;
	struct pollfd poll_fd = {.fd = done, .events = POLLIN};
	while (manager != NULL && poll(&poll_fd, 1, 1) == 0) {
		assert_true(manager_read(manager));
	}
	assert_int_equal(read(done, &end, 1), 0);
}

/*
 * A mulliond starts these guests, or goes on with them, and is killed, and the devices with it if
 * so wanted; where a service manager is to keep something of each guest, when it has all.
 */
static struct known *live_and_die_with(const char *const *names, bool kept, bool devices) {
	static struct known *known;
	int done[2];
	if (known == NULL) {
		known = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	}
	assert_int_equal(pipe(done), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(done[0]);
		// Its guests must not hold the end open.
		fcntl(done[1], F_SETFD, FD_CLOEXEC);
		live(names, known, done[1]);
	}
	close(done[1]);
	wait_done(done[0]);
	close(done[0]);
	for (size_t i = 0; kept && names[i] != NULL; i++) {
		expect_kept(NULL, names[i], all_of(names[i]));
	}
	kill(pid, SIGKILL);
	for (size_t i = 0; devices && names[i] != NULL; i++) {
		kill(known[i].device, SIGKILL);
		waitpid(known[i].device, NULL, 0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return known;
}

static struct known *live_and_die(const char *const *names) {
	return live_and_die_with(names, false, false);
}

static void assert_same(const struct guest *guest, const struct known *before) {
	struct known now;
	know(guest, &now);
	assert_int_equal(now.base, before->base);
	assert_int_equal(now.limit, before->limit);
	assert_int_equal(now.slice, before->slice);
	assert_int_equal(now.device, before->device);
	assert_int_equal(now.vmm, before->vmm);
}

static void assert_nothing_left(struct fixture *f, const char *name) {
	char path[128];
	snprintf(path, sizeof(path), "%s/guests/%s", life_directory(), name);
	assert_int_equal(access(path, F_OK), -1);
	assert_null(vram_find(&f->guests.vram, name));
}

static void assert_reason(const struct guest *guest, const char *words) {
	assert_non_null(guest->reason);
	if (strstr(guest->reason, words) == NULL) {
		fail_msg("'%s' does not say '%s'", guest->reason, words);
	}
}

static void guests_outlive_mulliond_with_the_same_slices(void **state) {
	static const char *const names[] = {"external", "obeys", "typed", NULL};
	struct known *before = live_and_die(names);
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(f.guests.list[i]->state, GUEST_RUNNING);
		assert_true(f.guests.list[i]->gpu.device.connected);
		assert_same(f.guests.list[i], &before[i]);
		assert_int_equal(f.guests.list[i]->gpu.base, i * 4 * MIB);
	}
	// A stop that comes before QEMU has greeted is still one in order.
	guest_stop(f.guests.list[1]);
	expect_state(&f, f.guests.list[1], GUEST_OFF);
	assert_int_equal(f.guests.list[1]->step, 0);
	assert_nothing_left(&f, "obeys");
	// And starts again where it was.
	guest_start(f.guests.list[1]);
	expect_state(&f, f.guests.list[1], GUEST_RUNNING);
	assert_int_equal(f.guests.list[1]->gpu.base, 4 * MIB);
	while (f.guests.list[2]->machine.pci_address[0] == '\0') {
		assert_return_code(sd_event_run(f.event, PATIENCE_US), 0);
	}
	guests_kill_all(&f.guests);
	for (size_t i = 0; i < 3; i++) {
		expect_state(&f, f.guests.list[i], GUEST_OFF);
	}
	teardown(&f);
}

static size_t count_fds(pid_t pid) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *fds = opendir(path);
	size_t n = 0;
	while (fds != NULL && readdir(fds) != NULL) {
		n++;
	}
	closedir(fds);
	return n;
}

static void nothing_is_leaked_however_often_mulliond_dies(void **state) {
	static const char *const names[] = {"external", "obeys", NULL};
	struct known first[2], *last = live_and_die(names);
	memcpy(first, last, sizeof(first));
	live_and_die(names);
	size_t device = count_fds(first[1].device), vmm = count_fds(first[1].vmm);
	for (unsigned i = 0; i < 20; i++) {
		last = live_and_die(names);
		assert_memory_equal(last, first, sizeof(first));
	}
	// One more or less: whether they have seen yet that the last mulliond is gone.
	assert_in_range(count_fds(first[1].device), device - 1, device + 1);
	assert_in_range(count_fds(first[1].vmm), vmm - 1, vmm + 1);
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	assert_same(f.guests.list[0], &first[0]);
	assert_same(f.guests.list[1], &first[1]);
	teardown(&f);
}

static void a_device_that_lies_is_killed_with_its_guest(void **state) {
	static const struct {
		const char *name, *words;
	} cases[] = {
		{"hides", "it is another guest's"},
		{"moves", "its slice lies elsewhere"},
		{"grows", "its slice lies elsewhere"},
		{"changes-its-card", "another card"},
		{"grows-heads", "another card"},
		{"wants-more", "another card"},
		{"swaps", "other memory"},
		{"swaps-state", "other memory"},
		{"swaps-socket", "other sockets"},
		{"typed-hides", "other functions"},
		{"typed-swaps-state", "other memory"},
		{"typed-swaps-socket", "other sockets"},
		{"breaks-off", "broke off"},
		{"mute", "does not answer"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const names[] = {cases[i].name, "obeys", NULL};
		struct known *before = live_and_die(names);
		struct fixture f;
		setup(&f, names);
		guests_adopt(&f.guests);
		expect_state(&f, f.guests.list[0], GUEST_FAILED);
		assert_reason(f.guests.list[0], cases[i].words);
		assert_nothing_left(&f, cases[i].name);
		// The others are none the worse for it.
		assert_int_equal(f.guests.list[1]->state, GUEST_RUNNING);
		assert_same(f.guests.list[1], &before[1]);
		teardown(&f);
		assert_int_equal(kill(before[0].device, 0), -1);
		assert_int_equal(kill(before[0].vmm, 0), -1);
	}
}

static void half_a_guest_is_ended_in_order(void **state) {
	static const char *const names[] = {"obeys", "stubborn", NULL};
	struct known *before = live_and_die(names);
	kill(before[0].device, SIGKILL);
	kill(before[1].vmm, SIGKILL);
	waitpid(before[0].device, NULL, 0);
	waitpid(before[1].vmm, NULL, 0);
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	assert_int_equal(f.guests.list[0]->state, GUEST_STOPPING);
	expect_state(&f, f.guests.list[0], GUEST_FAILED);
	assert_reason(f.guests.list[0], "mullion-device) ended while no mulliond ran");
	assert_int_equal(f.guests.list[0]->step, 0);
	expect_state(&f, f.guests.list[1], GUEST_FAILED);
	assert_reason(f.guests.list[1], "QEMU ended while no mulliond ran");
	assert_nothing_left(&f, "obeys");
	assert_nothing_left(&f, "stubborn");
	guest_start(f.guests.list[0]);
	expect_state(&f, f.guests.list[0], GUEST_RUNNING);
	teardown(&f);
}

static void a_guest_without_a_file_runs_until_it_is_stopped(void **state) {
	static const char *const names[] = {"external", "obeys", NULL};
	struct known *before = live_and_die(names);
	struct fixture f;
	setup(&f, (const char *const[]){"new", NULL});
	guests_adopt(&f.guests);
	struct guest *external = guests_find(&f.guests, "external");
	struct guest *obeys = guests_find(&f.guests, "obeys");
	assert_non_null(external);
	assert_non_null(obeys);
	assert_same(external, &before[0]);
	assert_same(obeys, &before[1]);
	assert_string_equal(obeys->config->title, "obeys");
	assert_int_not_equal(external->config->number, obeys->config->number);
	guest_stop(obeys);
	expect_state(&f, obeys, GUEST_OFF);
	assert_nothing_left(&f, "obeys");
	guest_start(obeys);
	expect_state(&f, obeys, GUEST_OFF);
	assert_reason(obeys, "guests/obeys.ini was removed");
	// A new guest does not get the place of one that runs.
	guest_start(f.guests.list[0]);
	expect_state(&f, f.guests.list[0], GUEST_RUNNING);
	assert_int_equal(f.guests.list[0]->gpu.base, 4 * MIB);
	teardown(&f);
}

static void what_is_stale_is_removed(void **state) {
	static const char *const names[] = {"obeys", NULL};
	struct known *before = live_and_die(names);
	kill(before[0].device, SIGKILL);
	kill(before[0].vmm, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0) {
	}
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	assert_int_equal(f.guests.list[0]->state, GUEST_FAILED);
	assert_reason(f.guests.list[0], "it ended while no mulliond ran");
	assert_nothing_left(&f, "obeys");
	teardown(&f);
	// Of one without a file nothing is shown.
	live_and_die(names);
	kill(before[0].device, SIGKILL);
	kill(before[0].vmm, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0) {
	}
	setup(&f, (const char *const[]){"new", NULL});
	guests_adopt(&f.guests);
	assert_int_equal(f.guests.len, 1);
	assert_nothing_left(&f, "obeys");
	teardown(&f);
}

static void who_ended_meanwhile_starts_again_as_its_file_says(void **state) {
	static const char *const names[] = {"obeys", NULL};
	for (unsigned i = 0; i < 2; i++) {
		struct known *before = live_and_die(names);
		kill(before[0].device, SIGKILL);
		kill(before[0].vmm, SIGKILL);
		while (waitpid(-1, NULL, 0) > 0) {
		}
		struct fixture f;
		setup(&f, names);
		f.guests.config.guests[0].restart =
			i == 0 ? CONFIG_RESTART_NEVER : CONFIG_RESTART_ON_FAILURE;
		guests_adopt(&f.guests);
		assert_int_equal(f.guests.list[0]->state, GUEST_FAILED);
		assert_int_equal(f.guests.list[0]->again != NULL, i == 1);
		if (i == 1) {
			expect_state(&f, f.guests.list[0], GUEST_RUNNING);
		}
		teardown(&f);
	}
}

static void an_external_guest_that_lost_its_device_meanwhile_says_so(void **state) {
	static const char *const names[] = {"external", NULL};
	struct known *before = live_and_die(names);
	kill(before[0].device, SIGKILL);
	waitpid(before[0].device, NULL, 0);
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	assert_int_equal(f.guests.list[0]->state, GUEST_FAILED);
	assert_reason(f.guests.list[0], "mullion-device) ended while no mulliond ran");
	assert_nothing_left(&f, "external");
	guest_start(f.guests.list[0]);
	expect_state(&f, f.guests.list[0], GUEST_RUNNING);
	teardown(&f);
}

static void assert_goes_on(struct fixture *f, size_t i, const struct known *before) {
	struct guest *guest = f->guests.list[i];
	struct device_state_view view;
	struct known now;
	assert_int_equal(guest->state, GUEST_RUNNING);
	while (!guest->gpu.device.connected) {
		assert_return_code(sd_event_run(f->event, PATIENCE_US), 0);
	}
	know(guest, &now);
	assert_int_equal(now.base, before->base);
	assert_int_equal(now.slice, before->slice);
	assert_int_equal(now.vmm, before->vmm);
	assert_int_not_equal(now.device, before->device);
	assert_true(gpu_read_state(&guest->gpu, &view));
	assert_true(view.state.generation > 1);
}

static size_t count_open(const int fds[LINK_SLOTS]) {
	size_t n = 0;
	for (unsigned i = 0; i < LINK_SLOTS; i++) {
		n += fds[i] >= 0;
	}
	return n;
}

static void guests_outlive_mulliond_and_their_devices_together(void **state) {
	static const char *const names[] = {
		"external-keeps-vmm", "keeps-vmm", "typed-keeps-vmm", NULL};
	with_manager();
	struct known first[3];
	memcpy(first, live_and_die_with(names, true, true), sizeof(first));
	for (unsigned round = 0; round < 3; round++) {
		live_and_die_with(names, true, true);
	}
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	for (size_t i = 0; i < 3; i++) {
		assert_goes_on(&f, i, &first[i]);
		// The interrupt that the first device stored, and all else.
		assert_int_equal(f.guests.list[i]->gpu.state->live.replying, 7);
		assert_int_equal(
			count_open(f.guests.list[i]->gpu.device.keeper.fds), stored_of(names[i]));
		assert_int_equal(f.guests.list[i]->gpu.device.restarts, 1);
	}
	assert_true(f.guests.list[1]->machine.errors >= 0);
	assert_int_equal(f.guests.list[0]->machine.errors, 0);
	// It is watched and replaced as any other.
	pid_t device = f.guests.list[0]->gpu.device.process.pid;
	kill(device, SIGKILL);
	while (f.guests.list[0]->gpu.device.process.pid == device ||
		!f.guests.list[0]->gpu.device.connected) {
		assert_return_code(sd_event_run(f.event, PATIENCE_US), 0);
	}
	assert_int_equal(f.guests.list[0]->gpu.device.restarts, 2);
	expect_kept(&f, names[0], all_of(names[0]));
	// What QEMU complains of is still heard.
	guest_stop(f.guests.list[1]);
	while (strstr(f.guests.list[1]->machine.last_error, "no button") == NULL) {
		assert_return_code(sd_event_run(f.event, PATIENCE_US), 0);
	}
	for (size_t i = 0; i < 3; i++) {
		guest_kill(f.guests.list[i]);
		expect_state(&f, f.guests.list[i], GUEST_OFF);
		expect_kept(&f, names[i], 0);
		assert_nothing_left(&f, names[i]);
	}
	teardown(&f);
	without_manager();
}

static void what_is_kept_follows_the_device_that_goes_on(void **state) {
	static const char *const names[] = {"external-keeps-vmm", NULL};
	with_manager();
	live_and_die_with(names, true, false);
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	assert_int_equal(f.guests.list[0]->state, GUEST_RUNNING);
	// What this device does not have any more is kept no longer.
	expect_kept(&f, names[0], LINK_FDS_OF(1));
	teardown(&f);
	expect_kept(NULL, names[0], 0);
	without_manager();
}

static void *read_until_done(void *data) {
	bool done;
	do {
		done = __atomic_load_n((bool *)data, __ATOMIC_ACQUIRE);
		manager_read(manager);
		usleep(100);
	} while (!done);
	return NULL;
}

static void a_mulliond_that_ends_leaves_nothing_with_the_manager(void **state) {
	static const char *const names[] = {"external-keeps-vmm", "keeps-vmm", NULL};
	with_manager();
	live_and_die_with(names, true, false);
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	guests_kill_all(&f.guests);
	expect_state(&f, f.guests.list[0], GUEST_OFF);
	expect_state(&f, f.guests.list[1], GUEST_OFF);
	// At once, as mulliond does, and the manager reads meanwhile.
	bool done = false;
	pthread_t reader;
	assert_int_equal(pthread_create(&reader, NULL, read_until_done, &done), 0);
	teardown(&f);
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	assert_int_equal(manager->len, 0);
	without_manager();
}

static void a_guest_of_which_not_all_was_kept_ends_and_says_so(void **state) {
	static const struct {
		const char *guest, *missing, *words;
	} cases[] = {
		{"external-keeps-vmm", "slice", "ended while no mulliond ran"},
		{"external-keeps-vmm", "replies-write", "ended while no mulliond ran"},
		{"keeps-vmm", "vmm", "ended while no mulliond ran"},
		{"typed-keeps-vmm", "mouse-vmm", "ended while no mulliond ran"},
		{"typed-keeps-vmm", "touch-state", "ended while no mulliond ran"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const names[] = {cases[i].guest, NULL};
		char name[128];
		with_manager();
		live_and_die_with(names, true, true);
		snprintf(name, sizeof(name), "guest.%s.%s", cases[i].guest, cases[i].missing);
		for (size_t k = 0; k < manager->len; k++) {
			if (strcmp(manager->kept[k].name, name) == 0) {
				snprintf(manager->kept[k].name, sizeof(name), "guest.none.slice");
			}
		}
		struct fixture f;
		setup(&f, names);
		guests_adopt(&f.guests);
		expect_state(&f, f.guests.list[0], GUEST_FAILED);
		assert_reason(f.guests.list[0], cases[i].words);
		assert_nothing_left(&f, cases[i].guest);
		expect_kept(&f, cases[i].guest, 0);
		expect_kept(&f, "none", 0);
		teardown(&f);
		without_manager();
	}
}

static void what_was_kept_of_another_life_is_not_used(void **state) {
	static const char *const names[] = {"external-keeps-vmm", NULL};
	with_manager();
	live_and_die_with(names, true, true);
	int slice = manager_find(manager, "guest.external-keeps-vmm.slice");
	int other = memfd_create_sealed("other", 4 * MIB);
	assert_int_equal(dup3(other, slice, O_CLOEXEC), slice);
	close(other);
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	expect_state(&f, f.guests.list[0], GUEST_FAILED);
	assert_reason(f.guests.list[0], "other memory");
	assert_nothing_left(&f, names[0]);
	expect_kept(&f, names[0], 0);
	teardown(&f);
	without_manager();
}

static void a_guest_without_a_record_is_killed(void **state) {
	static const char *const names[] = {"obeys", NULL};
	live_and_die(names);
	guest_record_remove("obeys");
	struct fixture f;
	setup(&f, names);
	guests_adopt(&f.guests);
	assert_int_equal(f.guests.list[0]->state, GUEST_OFF);
	assert_nothing_left(&f, "obeys");
	teardown(&f);
}

static void a_pool_that_was_made_smaller_keeps_who_lies_there(void **state) {
	static const char *const names[] = {"external", "external-2", NULL};
	struct known *before = live_and_die(names);
	struct fixture f;
	setup(&f, names);
	f.guests.vram.size = 4 * MIB;
	guests_adopt(&f.guests);
	assert_same(f.guests.list[0], &before[0]);
	assert_same(f.guests.list[1], &before[1]);
	assert_int_equal(f.guests.vram.size, 8 * MIB);
	teardown(&f);
}

static void records_come_back_as_they_were(void **state) {
	struct guest_record record = {
		.base = 65536,
		.limit = UINT64_MAX,
		.aperture = 4096,
		.slice = 7,
		.states = {8, 18, 28, 38, 48},
		.stop_timeout = 9,
		.vmm = CONFIG_VMM_EXTERNAL,
		.colour = {0x12, 0x34, 0xff},
		.setup =
			{
				.version = LINK_VERSION,
				.personality = LINK_PERSONALITY_BOCHS,
				.heads = 1,
				.hidden_refresh = 1000,
				.functions = LINK_FUNCTIONS,
				.slice_base = UINT64_MAX - 1,
				.name = "r",
			},
		.title = (char *)"A title: with words",
		.sockets = {(char *)"/tmp/x y", (char *)"b", (char *)"c", (char *)"d", (char *)"e"},
	};
	struct guest_record back;
	char path[128];
	snprintf(path, sizeof(path), "%s/guests", life_directory());
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/guests/r", life_directory());
	mkdir(path, 0700);
	assert_int_equal(guest_record_load("r", &back), -ENOENT);
	assert_int_equal(guest_record_save("r", &record), 0);
	assert_int_equal(guest_record_load("r", &back), 0);
	assert_int_equal(back.base, record.base);
	assert_int_equal(back.limit, record.limit);
	assert_int_equal(back.aperture, record.aperture);
	assert_int_equal(back.slice, 7);
	assert_memory_equal(back.states, record.states, sizeof(back.states));
	assert_int_equal(back.stop_timeout, 9);
	assert_int_equal(back.vmm, CONFIG_VMM_EXTERNAL);
	assert_memory_equal(&back.colour, &record.colour, sizeof(back.colour));
	assert_memory_equal(&back.setup, &record.setup, sizeof(back.setup));
	assert_string_equal(back.title, record.title);
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		assert_string_equal(back.sockets[i], record.sockets[i]);
	}
	guest_record_finish(&back);
	// Cut off anywhere, it is refused.
	snprintf(path, sizeof(path), "%s/guests/r/record", life_directory());
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	for (off_t size = status.st_size; size-- > 0;) {
		assert_int_equal(truncate(path, size), 0);
		assert_int_equal(guest_record_load("r", &back), -EBADMSG);
		assert_null(back.title);
	}
	guest_socket_clean("r");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guests_outlive_mulliond_with_the_same_slices),
		cmocka_unit_test(nothing_is_leaked_however_often_mulliond_dies),
		cmocka_unit_test(a_device_that_lies_is_killed_with_its_guest),
		cmocka_unit_test(half_a_guest_is_ended_in_order),
		cmocka_unit_test(a_guest_without_a_file_runs_until_it_is_stopped),
		cmocka_unit_test(what_is_stale_is_removed),
		cmocka_unit_test(who_ended_meanwhile_starts_again_as_its_file_says),
		cmocka_unit_test(an_external_guest_that_lost_its_device_meanwhile_says_so),
		cmocka_unit_test(guests_outlive_mulliond_and_their_devices_together),
		cmocka_unit_test(what_is_kept_follows_the_device_that_goes_on),
		cmocka_unit_test(a_mulliond_that_ends_leaves_nothing_with_the_manager),
		cmocka_unit_test(a_guest_of_which_not_all_was_kept_ends_and_says_so),
		cmocka_unit_test(what_was_kept_of_another_life_is_not_used),
		cmocka_unit_test(a_guest_without_a_record_is_killed),
		cmocka_unit_test(a_pool_that_was_made_smaller_keeps_who_lies_there),
		cmocka_unit_test(records_come_back_as_they_were),
	};
	return cmocka_run_group_tests(tests, prepare, life_clean_up);
}
