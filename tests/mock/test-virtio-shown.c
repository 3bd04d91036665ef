/*
 * From the guest's virtio-gpu commands to the Wayland surface: what is shown when, what is not,
 * and what stays on the screen whatever becomes of the resource.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "guest-bochs.h"
#include "guest-gpu.h"
#include "mock.h"
#include "recorder.h"
#include "shown.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define FORMAT VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define SHOWN_MSEC 3000
#define WIDTH 400
#define HEIGHT 300

static int setup(void **state) {
	return shown_start(state, NULL, SHOWN_MSEC);
}

static int call_cursor(struct shown *p, struct guest_gpu_request request) {
	shown_send(p, GUEST_GPU_CURSOR, request);
	return shown_await(p, GUEST_GPU_CURSOR);
}

static int update(struct shown *p, struct guest_gpu_picture *picture, struct guest_gpu_rect rect) {
	int answer = shown_call(p, guest_gpu_picture_transfer(picture, rect));
	return answer == OK ? shown_call(p, guest_gpu_flush(picture->id, rect)) : answer;
}

/* A picture on the screen. */
static void show(struct shown *p, struct guest_gpu_picture *picture, uint32_t id) {
	assert_int_equal(
		guest_gpu_picture_create(picture, &p->guest, id, FORMAT, WIDTH, HEIGHT, true), OK);
	struct guest_gpu_rect all = guest_gpu_picture_rect(picture);
	shown_draw(picture);
	assert_int_equal(shown_call(p, guest_gpu_picture_transfer(picture, all)), OK);
	assert_int_equal(shown_call(p, guest_gpu_set_scanout(0, id, all)), OK);
	assert_int_equal(shown_call(p, guest_gpu_flush(id, all)), OK);
	shown_assert(p, picture);
}

static void a_flush_shows_what_was_transferred(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	show(p, &picture, 1);
	recorder_run(p->recorder, 100);
	// A whole frame is flushed for one small change: only that is damage.
	struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
	guest_gpu_picture_fill(&picture, (struct guest_gpu_rect){100, 50, 10, 10}, 0x123456);
	uint64_t commits = p->recorder->commits;
	assert_int_equal(update(p, &picture, all), OK);
	shown_assert(p, &picture);
	assert_int_equal(p->recorder->commits, commits + 1);
	assert_in_range(recorder_damage_pixels(p->recorder), 100, 64 * 64);
	assert_int_equal(p->recorder->out_of_box, 0);
}

static void an_unchanged_picture_is_not_committed(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	show(p, &picture, 1);
	recorder_run(p->recorder, 100);
	uint64_t commits = p->recorder->commits;
	for (unsigned i = 0; i < 20; i++) {
		shown_draw(&picture);
		assert_int_equal(update(p, &picture, guest_gpu_picture_rect(&picture)), OK);
	}
	assert_int_equal(p->recorder->commits, commits);
}

/* 100,000 flushes of one pixel each: as many commits as frames, and each is answered. */
static void a_flood_of_flushes_is_coalesced(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	show(p, &picture, 1);
	const struct guest_gpu_rect pixel = {5, 5, 1, 1};
	struct guest_gpu_request requests[] = {
		guest_gpu_picture_transfer(&picture, pixel), guest_gpu_flush(1, pixel)};
	uint64_t commits = p->recorder->commits, before = clock_usec(), sent = 0, answered = 0;
	struct virtio_guest_response response;
	while (clock_usec() - before < USEC_PER_SEC) {
		guest_gpu_picture_fill(&picture, pixel, (uint32_t)sent);
		while (guest_gpu_submit(&p->guest, GUEST_GPU_CONTROL, &requests[sent % 2]) >= 0) {
			sent++;
		}
		assert_int_equal(virtio_guest_kick(&p->guest, GUEST_GPU_CONTROL), 0);
		recorder_run(p->recorder, 1);
		while (virtio_guest_take(&p->guest, GUEST_GPU_CONTROL, &response) == 1) {
			answered++;
		}
	}
	uint64_t frames = (clock_usec() - before) * 60 / USEC_PER_SEC;
	commits = p->recorder->commits - commits;
	print_message("# %llu commands, %llu commits in %llu frames\n", (unsigned long long)sent,
		(unsigned long long)commits, (unsigned long long)frames);
	assert_in_range(commits, 1, frames + frames / 8 + 2);
	while (answered < sent) {
		assert_int_equal(shown_await(p, GUEST_GPU_CONTROL), OK);
		answered++;
	}
	assert_int_equal(update(p, &picture, pixel), OK);
	shown_assert(p, &picture);
}

static bool is_dark(struct recorder *recorder, void *data) {
	for (uint32_t i = 0; i < recorder->width * recorder->height; i++) {
		if (recorder->pixels[i] != 0) {
			return false;
		}
	}
	return true;
}

/* Without its pages, and without itself, the picture stays. */
static void a_resource_that_goes_while_it_is_shown_harms_nobody(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture first, second;
	show(p, &first, 1);
	uint64_t commits = p->recorder->commits;
	struct guest_gpu_rect all = guest_gpu_picture_rect(&first);
	assert_int_equal(shown_call(p, guest_gpu_detach(1)), OK);
	assert_int_equal(shown_call(p, guest_gpu_detach(1)), VIRTIO_GPU_RESP_ERR_UNSPEC);
	assert_int_equal(shown_call(p, guest_gpu_transfer(1, all, 0)),
		VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	assert_int_equal(shown_call(p, guest_gpu_flush(1, all)), OK);
	recorder_run(p->recorder, 100);
	assert_true(shown_is(p->recorder, &first));
	assert_int_equal(p->recorder->commits, commits);
	assert_int_equal(shown_call(p, guest_gpu_unref(1)), OK);
	assert_int_equal(
		shown_call(p, guest_gpu_unref(1)), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	assert_int_equal(
		shown_call(p, guest_gpu_flush(1, all)), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
	// Whoever gets its memory shows nothing of it there.
	assert_int_equal(
		guest_gpu_picture_create(&second, &p->guest, 2, FORMAT, WIDTH, HEIGHT, false), OK);
	guest_gpu_picture_fill(&second, all, 0x00ff00ff);
	assert_int_equal(shown_call(p, guest_gpu_picture_transfer(&second, all)), OK);
	recorder_run(p->recorder, 200);
	assert_true(shown_is(p->recorder, &first));
	assert_int_equal(shown_call(p, guest_gpu_set_scanout(0, 2, all)), OK);
	shown_assert(p, &second);
	assert_int_equal(shown_call(p, guest_gpu_set_scanout(0, 0, all)), OK);
	assert_true(recorder_wait(p->recorder, is_dark, NULL, SHOWN_MSEC));
	assert_int_equal(shown_call(p, guest_gpu_unref(2)), OK);
	recorder_run(p->recorder, 100);
	assert_true(is_dark(p->recorder, NULL));
}

static void impossible_scanouts_leave_the_picture(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	show(p, &picture, 1);
	const struct {
		uint32_t scanout, id;
		struct guest_gpu_rect rect;
	} cases[] = {
		{16, 1, {0, 0, WIDTH, HEIGHT}},
		{UINT32_MAX, 1, {0, 0, WIDTH, HEIGHT}},
		{1, 1, {0, 0, WIDTH, HEIGHT}}, // this guest has one head
		{0, 9, {0, 0, WIDTH, HEIGHT}},
		{0, 1, {0, 0, WIDTH + 1, HEIGHT}},
		{0, 1, {1, 0, WIDTH, HEIGHT}},
		{0, 1, {UINT32_MAX, 0, 2, HEIGHT}},
		{0, 1, {0, UINT32_MAX - 1, WIDTH, 4}},
		{0, 1, {0, 0, 0, 0}},
	};
	uint64_t commits = p->recorder->commits;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int answer = shown_call(
			p, guest_gpu_set_scanout(cases[i].scanout, cases[i].id, cases[i].rect));
		assert_in_range(
			answer, VIRTIO_GPU_RESP_ERR_UNSPEC, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
	}
	recorder_run(p->recorder, 100);
	assert_int_equal(p->recorder->commits, commits);
	assert_true(shown_is(p->recorder, &picture));
}

/* Firmware's picture until the driver shows its own, and again after it was unloaded. */
static void dispi_and_virtio_take_turns(void **state) {
	struct shown *p = *state;
	struct bochs_guest bochs;
	struct guest_gpu_picture picture;
	assert_int_equal(bochs_start(&bochs, &p->mock.vmm), 0);
	assert_int_equal(bochs_set_mode(&bochs, 320, 200, 32), 0);
	bochs_fill(&bochs, 0, 0, 320, 200, 0x00c0ffee);
	bochs_hint(&bochs);
	for (unsigned i = 0; i < 3; i++) {
		while (p->recorder->width != 320 ||
			recorder_pixel(p->recorder, 160, 100) != 0xc0ffee) {
			assert_true(recorder_wait_commit(p->recorder, SHOWN_MSEC));
		}
		show(p, &picture, 7);
		bochs_fill(&bochs, 0, 0, 320, 200, i);
		bochs_hint(&bochs);
		recorder_run(p->recorder, 100);
		assert_true(shown_is(p->recorder, &picture));
		bochs_fill(&bochs, 0, 0, 320, 200, 0x00c0ffee);
		assert_int_equal(virtio_guest_drive(&p->guest), 0);
	}
	bochs_finish(&bochs);
}

static void cursors_that_cannot_be_are_refused(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture, small;
	show(p, &picture, 1);
	assert_int_equal(guest_gpu_picture_create(&small, &p->guest, 2,
				 VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 32, 32, true),
		OK);
	const struct {
		struct guest_gpu_request request;
		bool good;
	} cases[] = {
		{guest_gpu_update_cursor(0, 1, 0, 0, 0, 0), false}, // not 64x64
		{guest_gpu_update_cursor(0, 2, 0, 0, 0, 0), false},
		{guest_gpu_update_cursor(0, 3, 0, 0, 0, 0), false},
		{guest_gpu_update_cursor(16, 0, 0, 0, 0, 0), false},
		{guest_gpu_update_cursor(UINT32_MAX, 0, 0, 0, 0, 0), false},
		{guest_gpu_move_cursor(1, 0, 0), false},
		{guest_gpu_move_cursor(0, UINT32_MAX, UINT32_MAX), true},
		{guest_gpu_update_cursor(0, 0, UINT32_MAX, 1u << 31, UINT32_MAX, UINT32_MAX), true},
		{guest_gpu_flush(1, (struct guest_gpu_rect){0, 0, 1, 1}), false}, // wrong queue
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int answer = call_cursor(p, cases[i].request);
		assert_int_equal(answer == OK, cases[i].good);
		assert_true(cases[i].good || answer >= VIRTIO_GPU_RESP_ERR_UNSPEC);
	}
	assert_int_equal(shown_call(p, guest_gpu_move_cursor(0, 1, 1)), VIRTIO_GPU_RESP_ERR_UNSPEC);
	assert_true(shown_is(p->recorder, &picture));
}

/* One command after the other, from a driver that does nothing else. Returns how many went
 * without a notification, as the device was awake. */
static uint64_t hurry(struct virtio_guest *guest, unsigned commands) {
	struct virtio_guest_queue *queue = &guest->queues[GUEST_GPU_CONTROL];
	struct virtio_gpu_resp_display_info info;
	uint64_t before = queue->notifies;
	guest->options.poll = true;
	for (unsigned i = 0; i < commands; i++) {
		assert_int_equal(
			guest_gpu_get_display_info(guest, &info), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	}
	guest->options.poll = false;
	return commands - (queue->notifies - before);
}

static void a_device_stays_awake_only_for_a_guest_that_is_seen(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	struct virtio_gpu_resp_display_info info;
	show(p, &picture, 1);
	uint64_t end = clock_usec() + 60 * USEC_PER_SEC, unasked = 0;
	while (unasked == 0 && clock_usec() < end) {
		unasked = hurry(&p->guest, 100);
	}
	assert_true(unasked > 0);
	recorder_set_visible(p->recorder, false);
	recorder_run(p->recorder, 100);
	hurry(&p->guest, 1); // one vigil may still have been kept
	usleep(10000);
	assert_int_equal(hurry(&p->guest, 1000), 0);
	// Whoever sleeps meanwhile wakes it.
	usleep(10000);
	assert_int_equal(
		guest_gpu_get_display_info(&p->guest, &info), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, shown_end)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_flush_shows_what_was_transferred),
		TEST(an_unchanged_picture_is_not_committed),
		TEST(a_flood_of_flushes_is_coalesced),
		TEST(a_resource_that_goes_while_it_is_shown_harms_nobody),
		TEST(impossible_scanouts_leave_the_picture),
		TEST(dispi_and_virtio_take_turns),
		TEST(cursors_that_cannot_be_are_refused),
		TEST(a_device_stays_awake_only_for_a_guest_that_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
