/*
 * A device that is killed at any moment while its guest's driver keeps sixteen commands in
 * flight. Another goes on in its place: every command is carried out once and answered once,
 * in order, no interrupt is lost, and the picture is what was drawn.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "guest-gpu.h"
#include "mock.h"
#include "recorder.h"
#include "virtio-storage.h"

#define ROUNDS 70
#define SHOWN_ROUNDS 25
#define SHOWN_MSEC 3000
#define DEPTH 16
#define WIDTH 320
#define HEIGHT 200
#define SHOWN 1 // resources
#define CURSOR 2
#define PASSING 3 // comes and goes
#define OK VIRTIO_GPU_RESP_OK_NODATA

struct survivor {
	struct mock *mock;
	struct virtio_guest guest;
	struct guest_gpu_picture shown, cursor;
	uint64_t entries; // guest address of one, for the resource that comes and goes
	atomic_bool stop, stopped;
	const char *wrong; // what went wrong first
	int error;
	uint64_t fence, last;                     // given, and answered in order
	uint64_t draws, memories, cursors, modes; // commands, by class
	unsigned seed;
};

/* Remembers the first thing that goes wrong, and says whether something has. */
static bool expect(struct survivor *survivor, bool good, const char *what, int error) {
	if (!good && survivor->wrong == NULL) {
		survivor->wrong = what;
		survivor->error = error;
	}
	return survivor->wrong == NULL;
}

static uint32_t pick(struct survivor *survivor, uint32_t n) {
	return (uint32_t)rand_r(&survivor->seed) % n;
}

/* Takes one answer of the control queue. Flushes wait for frames: only the others, which are
 * fenced, keep their order. */
static void take_answer(struct survivor *survivor) {
	struct virtio_guest_response response;
	struct virtio_gpu_ctrl_hdr hdr;
	int error = virtio_guest_wait(&survivor->guest, GUEST_GPU_CONTROL, &response);
	if (!expect(survivor, error == 0, "an answer does not come", error)) {
		return;
	}
	int type = guest_gpu_answer(&response, &hdr);
	if (!expect(survivor, type == OK, "an answer is an error", type)) {
		return;
	}
	if ((hdr.flags & VIRTIO_GPU_FLAG_FENCE) != 0) {
		expect(survivor, hdr.fence_id == survivor->last + 1, "a fence is out of order",
			(int)(hdr.fence_id - survivor->last));
		survivor->last = hdr.fence_id;
	}
}

/* Makes it available; where there is no room, once there is. */
static void submit(struct survivor *survivor, struct guest_gpu_request request, bool fenced) {
	struct virtio_guest *guest = &survivor->guest;
	if (fenced) {
		request = guest_gpu_fenced(request, ++survivor->fence);
	}
	while (survivor->wrong == NULL && guest->queues[GUEST_GPU_CONTROL].in_flight >= DEPTH) {
		virtio_guest_kick(guest, GUEST_GPU_CONTROL);
		take_answer(survivor);
	}
	int slot = guest_gpu_submit(guest, GUEST_GPU_CONTROL, &request);
	expect(survivor, slot >= 0, "a command has no room", slot);
	if (pick(survivor, 3) == 0) {
		int error = virtio_guest_kick(guest, GUEST_GPU_CONTROL);
		expect(survivor, error == 0, "a notification", error);
	}
}

/* Most are small, so that what is lost is not soon covered by others. */
static struct guest_gpu_rect pick_rect(struct survivor *survivor) {
	uint32_t x = pick(survivor, WIDTH), y = pick(survivor, HEIGHT);
	if (pick(survivor, 10) != 0) {
		return (struct guest_gpu_rect){x / 2, y / 2, 1 + x % 12, 1 + y % 12};
	}
	return (struct guest_gpu_rect){
		x, y, 1 + pick(survivor, WIDTH - x), 1 + pick(survivor, HEIGHT - y)};
}

static void turn_draw(struct survivor *survivor) {
	struct guest_gpu_rect rect = pick_rect(survivor);
	guest_gpu_picture_fill(&survivor->shown, rect, (uint32_t)rand_r(&survivor->seed));
	submit(survivor, guest_gpu_picture_transfer(&survivor->shown, rect), true);
	survivor->draws++;
}

/* Few: each takes room until a frame is over. */
static void turn_flush(struct survivor *survivor) {
	if (pick(survivor, 5) != 0) {
		return;
	}
	submit(survivor, guest_gpu_flush(SHOWN, pick_rect(survivor)), false);
	survivor->draws++;
}

/* A life of a resource: were one of its commands done twice, that would be an error. */
static void turn_resource(struct survivor *survivor) {
	struct guest_gpu_rect rect = {0, 0, 16, 16};
	submit(survivor, guest_gpu_create_2d(PASSING, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 16, 16),
		true);
	submit(survivor, guest_gpu_attach(PASSING, survivor->entries, 1), true);
	submit(survivor, guest_gpu_transfer(PASSING, rect, 0), true);
	submit(survivor, guest_gpu_detach(PASSING), true);
	submit(survivor, guest_gpu_unref(PASSING), true);
	survivor->memories += 4;
	survivor->draws++;
}

static void turn_scanout(struct survivor *survivor) {
	submit(survivor, guest_gpu_set_scanout(0, SHOWN, guest_gpu_picture_rect(&survivor->shown)),
		true);
	survivor->modes++;
}

static void turn_cursor(struct survivor *survivor) {
	uint32_t x = pick(survivor, WIDTH), y = pick(survivor, HEIGHT);
	struct guest_gpu_request request = pick(survivor, 2) == 0
		? guest_gpu_update_cursor(0, CURSOR, x, y, 1, 2)
		: guest_gpu_move_cursor(0, x, y);
	int answer = guest_gpu_call_cursor(&survivor->guest, request);
	expect(survivor, answer == OK, "the cursor", answer);
	survivor->cursors++;
}

static void drain(struct survivor *survivor) {
	struct virtio_guest_queue *queue = &survivor->guest.queues[GUEST_GPU_CONTROL];
	while (survivor->wrong == NULL && queue->in_flight > 0) {
		virtio_guest_kick(&survivor->guest, GUEST_GPU_CONTROL);
		take_answer(survivor);
	}
}

static void *run_driver(void *data) {
	static void (*const kinds[])(struct survivor *survivor) = {turn_draw, turn_draw, turn_draw,
		turn_draw, turn_flush, turn_resource, turn_scanout, turn_cursor};
	struct survivor *survivor = data;
	while (!atomic_load(&survivor->stop) && survivor->wrong == NULL) {
		kinds[pick(survivor, ARRAY_SIZE(kinds))](survivor);
	}
	drain(survivor);
	atomic_store(&survivor->stopped, true);
	return NULL;
}

static void survivor_init(
	struct survivor *survivor, struct mock *mock, const struct virtio_guest_options *options) {
	*survivor = (struct survivor){.mock = mock, .seed = (unsigned)clock_usec()};
	struct virtio_guest *guest = &survivor->guest;
	assert_int_equal(virtio_guest_start(guest, &mock->vmm, options), 0);
	assert_int_equal(guest_gpu_picture_create(&survivor->shown, guest, SHOWN,
				 VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, WIDTH, HEIGHT, true),
		OK);
	assert_int_equal(guest_gpu_picture_create(&survivor->cursor, guest, CURSOR,
				 VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64, false),
		OK);
	survivor->memories = 4;
	turn_scanout(survivor);
	drain(survivor);
	survivor->entries = virtio_guest_alloc(guest, sizeof(struct virtio_gpu_mem_entry), 16);
	struct virtio_gpu_mem_entry *entry = virtio_guest_at(guest, survivor->entries, 16);
	*entry = (struct virtio_gpu_mem_entry){.addr = survivor->shown.address, .length = 1024};
}

/* As if no device had ever died. */
static void assert_nothing_lost(struct survivor *survivor) {
	struct mock *mock = survivor->mock;
	const struct device_state *shown = device_host_state(&mock->host);
	assert_int_equal(survivor->last, survivor->fence);
	assert_int_equal(shown->traps[TRAP_COMMAND_DRAW], survivor->draws);
	assert_int_equal(shown->traps[TRAP_COMMAND_MEMORY], survivor->memories);
	assert_int_equal(shown->traps[TRAP_COMMAND_CURSOR], survivor->cursors);
	assert_int_equal(shown->traps[TRAP_COMMAND_MODE_SET], survivor->modes);
	assert_int_equal(shown->traps[TRAP_COMMAND_REFUSED], 0);
	assert_int_equal(shown->virtio.device_status, 0xf);
	assert_int_equal(shown->gpu.held_count, 0);
	virtio_storage_assert(mock, &survivor->shown);
	virtio_storage_assert(mock, &survivor->cursor);
	assert_null(virtio_storage_find(mock, PASSING));
}

/* Kills the device, while it works or, now and then, while it starts. */
static void kill_once(struct survivor *survivor, bool starting, unsigned *seed) {
	struct device_host *host = &survivor->mock->host;
	uint64_t end = clock_usec() + 5 * USEC_PER_SEC;
	uint64_t commands = device_host_state(host)->traps[TRAP_COMMAND_DRAW];
	while (!starting && survivor->wrong == NULL && clock_usec() < end &&
		device_host_state(host)->traps[TRAP_COMMAND_DRAW] == commands) {
		usleep(100);
	}
	usleep((useconds_t)rand_r(seed) % 3000);
	int error = device_host_replace(host);
	expect(survivor, error == 0, "the next device", error);
}

static void assert_all_went_well(struct survivor *survivor) {
	const char *complaint = survivor->guest.complaint;
	if (survivor->wrong != NULL) {
		fail_msg("%s (%d, %s)", survivor->wrong, survivor->error,
			complaint != NULL ? complaint : "no complaint");
	}
}

static void kill_and_kill(struct mock *mock, const struct virtio_guest_options *options) {
	struct survivor survivor;
	pthread_t thread;
	unsigned seed = (unsigned)clock_usec();
	survivor_init(&survivor, mock, options);
	assert_int_equal(pthread_create(&thread, NULL, run_driver, &survivor), 0);
	for (unsigned i = 0; i < ROUNDS && survivor.wrong == NULL; i++) {
		kill_once(&survivor, i % 4 == 0, &seed);
	}
	atomic_store(&survivor.stop, true);
	pthread_join(thread, NULL);
	assert_all_went_well(&survivor);
	print_message("# %llu commands in %d rounds\n",
		(unsigned long long)survivor.guest.queues[0].submitted, ROUNDS);
	assert_nothing_lost(&survivor);
	virtio_guest_finish(&survivor.guest);
}

/* What a compositor has that takes only damage from a buffer: HEIGHT rows of WIDTH. */
static uint32_t screen[WIDTH * HEIGHT];

static void upload(struct recorder *recorder, void *data) {
	for (size_t i = 0; i < recorder->damage_len; i++) {
		const struct recorder_box *box = &recorder->damage[i];
		for (int32_t y = box->y; y < box->y + box->height; y++) {
			for (int32_t x = box->x; x < box->x + box->width; x++) {
				if (x < WIDTH && y < HEIGHT && (uint32_t)x < recorder->width &&
					(uint32_t)y < recorder->height) {
					screen[y * WIDTH + x] =
						recorder_pixel(recorder, (uint32_t)x, (uint32_t)y);
				}
			}
		}
	}
}

static bool shows(struct recorder *recorder, void *data) {
	struct guest_gpu_picture *picture = data;
	for (uint32_t i = 0; i < WIDTH * HEIGHT; i++) {
		uint32_t pixel = *guest_gpu_picture_pixel(picture, i % WIDTH, i / WIDTH);
		if (screen[i] != (pixel & 0xffffff)) {
			return false;
		}
	}
	return true;
}

/* As mulliond does it: each device that comes gets a connection to the compositor. */
static void give_display(struct survivor *survivor, struct recorder *recorder, int fd) {
	fd = fd >= 0 ? fd : recorder_connect(recorder);
	memset(screen, 0xff, sizeof(screen));
	int error = device_host_display(&survivor->mock->host, fd);
	expect(survivor, error == 0, "a connection to the compositor", error);
	close(fd);
}

/* Also where the last thing that a device did was a transfer that it never showed. */
static void what_is_shown_in_the_end_is_what_was_drawn(void **state) {
	struct mock *mock = *state;
	struct survivor survivor;
	pthread_t thread;
	int fd;
	struct recorder *recorder = recorder_create(0, &fd);
	assert_non_null(recorder);
	recorder->on_commit = upload;
	survivor_init(&survivor, mock, NULL);
	unsigned seed = survivor.seed;
	give_display(&survivor, recorder, fd);
	assert_int_equal(pthread_create(&thread, NULL, run_driver, &survivor), 0);
	for (unsigned i = 0; i < SHOWN_ROUNDS && survivor.wrong == NULL; i++) {
		recorder_run(recorder, 1 + rand_r(&seed) % 60);
		kill_once(&survivor, false, &seed);
		give_display(&survivor, recorder, -1);
	}
	recorder_run(recorder, 300);
	atomic_store(&survivor.stop, true);
	while (!atomic_load(&survivor.stopped)) {
		recorder_run(recorder, 10);
	}
	pthread_join(thread, NULL);
	assert_all_went_well(&survivor);
	struct guest_gpu_request flush =
		guest_gpu_flush(SHOWN, guest_gpu_picture_rect(&survivor.shown));
	assert_true(guest_gpu_submit(&survivor.guest, GUEST_GPU_CONTROL, &flush) >= 0);
	assert_int_equal(virtio_guest_kick(&survivor.guest, GUEST_GPU_CONTROL), 0);
	assert_true(recorder_wait(recorder, shows, &survivor.shown, SHOWN_MSEC));
	recorder_destroy(recorder);
	assert_int_equal(device_host_replace(&mock->host), 0); // by one without a compositor
	virtio_guest_finish(&survivor.guest);
}

static void killed_at_any_moment_every_command_is_answered_once(void **state) {
	kill_and_kill(*state, NULL);
}

static void so_with_plain_rings(void **state) {
	const struct virtio_guest_options options = {.no_features = true};
	kill_and_kill(*state, &options);
}

static void so_with_a_pin(void **state) {
	const struct virtio_guest_options options = {.intx = true};
	kill_and_kill(*state, &options);
}

static int set_up(void **state) {
	const struct device_options options = {
		.slice_size = 32 << 20,
		.aperture_size = 16 << 20,
		.personality = LINK_PERSONALITY_VIRTIO_VGA,
		.hidden_refresh = 240000,
	};
	return mock_setup_device(state, &options);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, mock_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(killed_at_any_moment_every_command_is_answered_once),
		TEST(so_with_plain_rings),
		TEST(so_with_a_pin),
		TEST(what_is_shown_in_the_end_is_what_was_drawn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
