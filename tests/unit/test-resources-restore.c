#include "resources.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine-rig.h"

/*
 * What the next process makes of the records: of those of one that died between any two of its
 * instructions, and of some that no process can have written.
 */

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define XRGB VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define PAGE RIG_PAGE
#define APERTURE (4 * PAGE)
#define HEAP (16 * PAGE)
#define WATCHED 8 // records that the commands here use

static struct engine_rig rig;

/* Resources 1 to 3, of which 2 and 3 have a backing of two entries. */
static int setup(void **state) {
	engine_rig_init(&rig, APERTURE, HEAP, 16 * PAGE);
	const struct virtio_gpu_mem_entry entries[] = {
		{RIG_GUEST_BASE + 4 * PAGE, PAGE, 0},
		{RIG_GUEST_BASE, PAGE, 0},
	};
	for (uint32_t id = 1; id <= 3; id++) {
		assert_int_equal(resources_create_2d(rig.resources, id, XRGB, 32, 32), OK);
		engine_rig_commit(&rig);
		if (id > 1) {
			assert_int_equal(engine_rig_attach(&rig, id, entries, 2), OK);
		}
	}
	return 0;
}

static int teardown(void **state) {
	engine_rig_finish(&rig);
	return 0;
}

static struct device_state_resource *record(uint32_t id) {
	return (struct device_state_resource *)engine_rig_record(&rig, id);
}

static struct device_state_backing *entry(uint32_t id, uint32_t i) {
	return &rig.file->store.backing[record(id)->backing_first + i];
}

static uint32_t count(void) {
	uint32_t count;
	uint64_t bytes;
	resources_usage(rig.resources, &count, &bytes);
	return count;
}

/* Commands, as a device carries them out. */

static void command_create(void) {
	resources_create_2d(rig.resources, 4, XRGB, 16, 16);
}

static void command_create_refused(void) {
	resources_create_2d(rig.resources, 4, XRGB, 16384, 16384);
}

static void command_unref(void) {
	resources_unref(rig.resources, 2);
}

static void command_attach(void) {
	const struct virtio_gpu_mem_entry entries[] = {
		{RIG_GUEST_BASE, PAGE, 0},
		{RIG_GUEST_BASE + PAGE, PAGE, 0},
		{RIG_GUEST_BASE + 9 * PAGE, PAGE, 0},
	};
	struct virtio_gpu_mem_entry *room;
	if (resources_reserve(rig.resources, 1, 3, &room) == OK) {
		memcpy(room, entries, sizeof(entries));
		resources_attach(rig.resources, 1);
	}
}

static void command_detach(void) {
	resources_detach(rig.resources, 3);
}

static void command_clear(void) {
	resources_clear(rig.resources);
}

/* The records in force and their entries, in the order of their ids. */
struct picture {
	unsigned count;
	struct device_state_resource records[WATCHED];
	struct device_state_backing entries[WATCHED][4];
};

static struct picture take_picture(const struct device_state_store *store, uint32_t epoch) {
	struct picture picture;
	memset(&picture, 0, sizeof(picture));
	for (uint32_t id = 1; id <= 4; id++) {
		for (uint32_t i = 0; i < DEVICE_STATE_RESOURCES_MAX; i++) {
			const struct device_state_resource *record = &store->resources[i];
			if (record->id == id && record->epoch == epoch) {
				memcpy(picture.entries[picture.count],
					&store->backing[record->backing_first],
					record->backing_count * sizeof(store->backing[0]));
				picture.records[picture.count++] = *record;
			}
		}
	}
	return picture;
}

/* What a next process would have now. */
static struct picture take_over(void) {
	struct engine_rig next = rig;
	next.file = malloc(sizeof(*next.file));
	next.state = malloc(sizeof(*next.state));
	assert_non_null(next.file);
	assert_non_null(next.state);
	memcpy(next.file, rig.file, sizeof(*next.file));
	*next.state = next.file->slots[next.file->commit % 2].state;
	assert_int_equal(resources_create(&next.resources, next.file, next.state, &next.slice), 0);
	struct picture picture = take_picture(&next.file->store, next.state->gpu.epoch);
	uint32_t count;
	uint64_t bytes;
	resources_usage(next.resources, &count, &bytes);
	assert_int_equal(count, picture.count);
	// All that is left is free, and nothing else.
	assert_int_equal(resources_create_2d(next.resources, 99, XRGB, 1024,
				 (uint32_t)(HEAP - bytes) / 4096 + 1),
		VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
	resources_destroy(next.resources);
	free(next.state);
	free(next.file);
	return picture;
}

/* Stops at its first instruction; then the command, and its commit. */
static pid_t start(void (*command)(void)) {
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) {
			_exit(77);
		}
		raise(SIGSTOP);
		command();
		engine_rig_commit(&rig);
		_exit(0);
	}
	return pid;
}

static void dies_anywhere(void (*command)(void)) {
	const struct picture before = take_over();
	struct picture after = before;
	struct device_state_undo undo = rig.file->store.undo;
	struct device_state_resource seen[WATCHED];
	memcpy(seen, rig.file->store.resources, sizeof(seen));
	uint64_t commit = rig.file->commit, last = commit;
	unsigned stops = 0;
	int status;
	pid_t pid = start(command);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (memcmp(&undo, &rig.file->store.undo, sizeof(undo)) != 0 ||
			memcmp(seen, rig.file->store.resources, sizeof(seen)) != 0 ||
			last != rig.file->commit) {
			undo = rig.file->store.undo;
			memcpy(seen, rig.file->store.resources, sizeof(seen));
			last = rig.file->commit;
			stops++;
			struct picture now = take_over();
			if (last == commit) {
				assert_memory_equal(&now, &before, sizeof(now));
			}
			after = now;
		}
		int signal = WSTOPSIG(status);
		bool ours = signal == SIGTRAP || signal == SIGSTOP;
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, (void *)(intptr_t)(ours ? 0 : signal)) <
			0) {
			break;
		}
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		skip(); // no process may be traced here
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(stops > 0 && rig.file->commit == commit + 1);
	// From the commit on it is all there.
	const struct picture now = take_over();
	assert_memory_equal(&now, &after, sizeof(now));
}

static void dying_in_a_create_leaves_all_or_nothing(void **state) {
	dies_anywhere(command_create);
	engine_rig_restart(&rig);
	assert_int_equal(count(), 4);
}

static void dying_in_a_refused_create_leaves_nothing(void **state) {
	dies_anywhere(command_create_refused);
	engine_rig_restart(&rig);
	assert_int_equal(count(), 3);
}

static void dying_in_an_unref_leaves_all_or_nothing(void **state) {
	dies_anywhere(command_unref);
	engine_rig_restart(&rig);
	assert_int_equal(count(), 2);
}

static void dying_in_an_attach_leaves_all_or_nothing(void **state) {
	dies_anywhere(command_attach);
	assert_int_equal(record(1)->backing_count, 2);
}

static void dying_in_a_detach_leaves_all_or_nothing(void **state) {
	dies_anywhere(command_detach);
	assert_int_equal(record(3)->backing_count, 0);
}

static void dying_in_a_reset_leaves_all_or_nothing(void **state) {
	dies_anywhere(command_clear);
	engine_rig_restart(&rig);
	assert_int_equal(count(), 0);
}

static void a_command_of_a_process_that_died_can_be_done_again(void **state) {
	for (int i = 0; i < 5; i++) {
		assert_int_equal(resources_unref(rig.resources, 2), OK);
		engine_rig_restart(&rig);
	}
	assert_int_equal(resources_unref(rig.resources, 2), OK);
	engine_rig_commit(&rig);
	engine_rig_restart(&rig);
	assert_int_equal(count(), 2);
}

static void an_undo_of_another_commit_is_none(void **state) {
	rig.file->store.undo = (struct device_state_undo){.commit = rig.file->commit - 1};
	engine_rig_restart(&rig);
	assert_int_equal(count(), 3);
	rig.file->store.undo = (struct device_state_undo){
		.commit = rig.file->commit,
		.index = DEVICE_STATE_RESOURCES_MAX,
	};
	engine_rig_restart(&rig);
	assert_int_equal(count(), 3);
}

static void records_that_make_no_sense_are_dropped(void **state) {
	const struct device_state_resource good = *record(3);
	struct device_state_resource bad[18];
	unsigned n = 0;
	for (unsigned i = 0; i < 18; i++) {
		bad[i] = good;
	}
	bad[n++].id = 0;
	bad[n++].id = 1; // twice
	bad[n++].epoch++;
	bad[n++].format = 5;
	bad[n++].width = 0;
	bad[n++].height = 0;
	bad[n++].width = GPU_RESOURCE_SIZE_MAX + 1;
	bad[n++].height = UINT32_MAX;
	bad[n++].storage = 0; // the aperture
	bad[n++].storage += 1;
	bad[n++].storage = APERTURE; // somebody else's
	bad[n++].storage = APERTURE + HEAP;
	bad[n++].storage = UINT64_MAX - PAGE + 1;
	bad[n++].backing_first = DEVICE_STATE_BACKING_MAX - 1;
	bad[n++].backing_first = UINT32_MAX;
	bad[n++].backing_first = record(2)->backing_first; // somebody else's
	bad[n++].backing_count = GPU_BACKING_ENTRIES_MAX + 1;
	bad[n++].backing_count = UINT32_MAX;
	assert_int_equal(n, 18);
	for (unsigned i = 0; i < n; i++) {
		// Later than the others: they are in force.
		struct device_state_resource *at = &rig.file->store.resources[WATCHED];
		*record(3) = (struct device_state_resource){0};
		*at = bad[i];
		engine_rig_restart(&rig);
		if (i == 1 || i == 10 || i == 15) {
			assert_int_equal(count(), 2); // which of the two is dropped is open
			engine_rig_finish(&rig);
			setup(state);
			continue;
		}
		assert_int_equal(count(), 2);
		assert_int_equal(at->id, 0);
		*at = good;
		engine_rig_restart(&rig);
		assert_int_equal(count(), 3);
	}
}

static void entries_that_make_no_sense_drop_their_resource(void **state) {
	entry(2, 0)->length = 0;
	entry(3, 1)->address = UINT64_MAX;
	engine_rig_restart(&rig);
	assert_int_equal(count(), 1);
	assert_non_null(record(1));
}

static void a_state_of_noise_has_no_two_pictures_in_one_place(void **state) {
	srand(5);
	for (int round = 0; round < 300; round++) {
		struct device_state_store *store = &rig.file->store;
		for (unsigned i = 0; i < 200; i++) {
			store->resources[i] = (struct device_state_resource){
				.epoch = (uint32_t)rand() % 2,
				.id = (uint32_t)rand() % 100,
				.format = (uint32_t)rand() % 6,
				.width = (uint32_t)rand() % 70,
				.height = (uint32_t)rand() % 70,
				.backing_count = (uint32_t)rand() % 3,
				.backing_first = (uint32_t)rand() % 20,
				.storage = (uint32_t)rand() % 24 * PAGE + (rand() % 9 == 0),
			};
			store->backing[i].length = rand() % 10 == 0 ? 0 : 64;
		}
		store->undo.commit = (uint64_t)(rand() % 2) * rig.file->commit;
		store->undo.index = (uint32_t)rand() % 3000;
		engine_rig_restart(&rig);
		uint64_t used[HEAP / PAGE] = {0};
		for (unsigned i = 0; i < DEVICE_STATE_RESOURCES_MAX; i++) {
			const struct device_state_resource *at = &store->resources[i];
			for (uint64_t n = 0; at->id != 0 && n < at->width * at->height * 4;
				n += PAGE) {
				assert_in_range(at->storage + n, APERTURE, APERTURE + HEAP - PAGE);
				used[(at->storage + n - APERTURE) / PAGE]++;
			}
		}
		for (unsigned i = 0; i < HEAP / PAGE; i++) {
			assert_true(used[i] <= 1);
		}
		assert_true(count() <= HEAP / PAGE);
	}
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(dying_in_a_create_leaves_all_or_nothing),
		TEST(dying_in_a_refused_create_leaves_nothing),
		TEST(dying_in_an_unref_leaves_all_or_nothing),
		TEST(dying_in_an_attach_leaves_all_or_nothing),
		TEST(dying_in_a_detach_leaves_all_or_nothing),
		TEST(dying_in_a_reset_leaves_all_or_nothing),
		TEST(a_command_of_a_process_that_died_can_be_done_again),
		TEST(an_undo_of_another_commit_is_none),
		TEST(records_that_make_no_sense_are_dropped),
		TEST(entries_that_make_no_sense_drop_their_resource),
		TEST(a_state_of_noise_has_no_two_pictures_in_one_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
