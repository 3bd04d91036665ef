/*
 * A guest's virtio-gpu driver and the real device: every way to have queues and interrupts, and
 * what becomes of the commands. Nobody looks: what is shown where is test-picture's to say.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "guest-gpu.h"
#include "mock.h"
#include "virtio-storage.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define FORMAT VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM

/* Half of the slice is aperture, half is heap. */
static int set_up(void **state) {
	const struct device_options options = {
		.slice_size = 64 << 20,
		.aperture_size = 16 << 20,
		.personality = LINK_PERSONALITY_VIRTIO_VGA,
		.heads = 2,
		.hidden_refresh = 60000,
	};
	return mock_setup_device(state, &options);
}

static void start(
	struct mock *mock, struct virtio_guest *guest, const struct virtio_guest_options *options) {
	int error = virtio_guest_start(guest, &mock->vmm, options);
	if (error < 0) {
		fail_msg("the driver does not start: %s: %s", strerror(-error),
			guest->complaint != NULL ? guest->complaint : "no complaint");
	}
}

static void a_driver_finds_what_it_needs(void **state) {
	struct mock *mock = *state;
	struct virtio_guest guest;
	struct virtio_gpu_resp_display_info info;
	struct virtio_gpu_resp_edid edid;
	const struct virtio_guest_options options = {
		.features = UINT64_C(1) << VIRTIO_GPU_F_EDID,
	};
	start(mock, &guest, &options);
	const uint64_t offered = UINT64_C(1) << VIRTIO_GPU_F_EDID |
		UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC |
		UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX | UINT64_C(1) << VIRTIO_F_VERSION_1 |
		UINT64_C(1) << VIRTIO_F_RING_RESET;
	assert_int_equal(guest.offered, offered);
	assert_int_equal(guest_gpu_num_scanouts(&guest), 2);
	assert_int_equal(
		guest_gpu_get_display_info(&guest, &info), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
	assert_int_equal(info.pmodes[0].enabled, 1);
	assert_int_equal(info.pmodes[0].r.width, 1024);
	assert_int_equal(info.pmodes[0].r.height, 768);
	assert_int_equal(info.pmodes[2].enabled, 0);
	assert_int_equal(guest_gpu_read_edid(&guest, 1, &edid), VIRTIO_GPU_RESP_OK_EDID);
	assert_memory_equal(edid.edid, "\0\xff\xff\xff\xff\xff\xff\0", 8);
	assert_int_equal(
		guest_gpu_read_edid(&guest, 2, &edid), VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID);
	virtio_guest_finish(&guest);
}

/* Draws, shows, and draws again; what the device then has is what was drawn. */
static void draw_and_check(
	struct mock *mock, struct virtio_guest *guest, uint32_t id, bool scattered) {
	struct guest_gpu_picture picture;
	const struct guest_gpu_rect part = {100, 20, 150, 33};
	assert_int_equal(
		guest_gpu_picture_create(&picture, guest, id, FORMAT, 333, 77, scattered), OK);
	struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
	guest_gpu_picture_fill(&picture, all, 0x00112233 + id);
	assert_int_equal(guest_gpu_call(guest, guest_gpu_set_scanout(0, id, all)), OK);
	assert_int_equal(guest_gpu_picture_update(&picture, all), OK);
	virtio_storage_assert(mock, &picture);
	guest_gpu_picture_fill(&picture, part, 0x00445566);
	assert_int_equal(guest_gpu_picture_update(&picture, part), OK);
	virtio_storage_assert(mock, &picture);
	assert_int_equal(guest_gpu_call(guest, guest_gpu_set_scanout(0, 0, part)), OK);
	assert_int_equal(guest_gpu_call(guest, guest_gpu_unref(id)), OK);
	assert_null(virtio_storage_find(mock, id));
}

static void pictures_come_through_every_kind_of_queue(void **state) {
	static const struct {
		const char *name;
		struct virtio_guest_options options;
	} cases[] = {
		{"plain", {.no_features = true}},
		{"indirect", {.features = UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC}},
		{"event index", {.features = UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX}},
		{"all", {0}},
		{"plain, polled", {.no_features = true, .poll = true}},
		{"all, polled, posted", {.poll = true, .posted = true}},
		{"INTx", {.intx = true}},
		{"INTx, plain", {.intx = true, .no_features = true}},
		{"four descriptors", {.queue_size = 4, .posted = true}},
	};
	struct mock *mock = *state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct virtio_guest guest;
		start(mock, &guest, &cases[i].options);
		draw_and_check(mock, &guest, 7, false);
		draw_and_check(mock, &guest, 8, true);
		virtio_guest_finish(&guest);
		mock_reconnect(mock);
	}
}

/* Submits as many as there is room for, and takes what comes; fences come back in order. */
static void run_deep(
	struct virtio_guest *guest, struct guest_gpu_picture *picture, unsigned depth, unsigned n) {
	unsigned sent = 0, done = 0;
	uint64_t last = 0;
	while (done < n) {
		while (sent < n && guest->queues[0].in_flight < depth) {
			struct guest_gpu_rect rect = {sent % 100, sent % 50, 16, 16};
			struct guest_gpu_request request =
				guest_gpu_fenced(guest_gpu_picture_transfer(picture, rect), ++sent);
			assert_true(guest_gpu_submit(guest, GUEST_GPU_CONTROL, &request) >= 0);
		}
		assert_int_equal(virtio_guest_kick(guest, GUEST_GPU_CONTROL), 0);
		struct virtio_guest_response response;
		struct virtio_gpu_ctrl_hdr hdr;
		assert_int_equal(virtio_guest_wait(guest, GUEST_GPU_CONTROL, &response), 0);
		assert_int_equal(guest_gpu_answer(&response, &hdr), OK);
		assert_int_equal(hdr.fence_id, last + 1);
		last = hdr.fence_id;
		done++;
	}
}

static void many_commands_at_once_are_each_answered_once(void **state) {
	struct mock *mock = *state;
	struct virtio_guest guest;
	struct guest_gpu_picture picture;
	const unsigned depths[] = {1, 2, 16, 64};
	start(mock, &guest, NULL);
	assert_int_equal(guest_gpu_picture_create(&picture, &guest, 1, FORMAT, 256, 256, true), OK);
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		uint64_t notifies = guest.queues[0].notifies;
		uint64_t before = clock_usec();
		run_deep(&guest, &picture, depths[i], 2000);
		print_message("# depth %2u: %.1f us a command, %llu notifications of 2000\n",
			depths[i], (double)(clock_usec() - before) / 2000,
			(unsigned long long)(guest.queues[0].notifies - notifies));
	}
	assert_int_equal(guest.queues[0].submitted, 4 * 2000 + 2);
	assert_int_equal(device_host_state(&mock->host)->traps[TRAP_COMMAND_DRAW], 4 * 2000);
	virtio_guest_finish(&guest);
}

static void the_cursor_has_a_queue_of_its_own(void **state) {
	struct mock *mock = *state;
	struct virtio_guest guest;
	struct guest_gpu_picture picture;
	start(mock, &guest, NULL);
	assert_int_equal(guest_gpu_picture_create(&picture, &guest, 5,
				 VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64, true),
		OK);
	struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
	guest_gpu_picture_fill(&picture, all, 0x80ff0000);
	assert_int_equal(guest_gpu_call(&guest, guest_gpu_picture_transfer(&picture, all)), OK);
	assert_int_equal(
		guest_gpu_call_cursor(&guest, guest_gpu_update_cursor(0, 5, 10, 20, 3, 4)), OK);
	assert_int_equal(guest_gpu_call_cursor(&guest, guest_gpu_move_cursor(0, 30, 40)), OK);
	const struct device_state_cursor *cursor = &device_host_state(&mock->host)->gpu.cursor;
	assert_int_equal(cursor->resource, 5);
	assert_int_equal(cursor->x, 30);
	assert_int_equal(cursor->hot_y, 4);
	assert_int_equal(mock->host.state_file->store.cursor[64 * 64 - 1], 0x80ff0000);
	virtio_guest_finish(&guest);
}

static void a_driver_can_be_loaded_again(void **state) {
	struct mock *mock = *state;
	struct virtio_guest guest;
	start(mock, &guest, NULL);
	for (unsigned i = 0; i < 20; i++) {
		draw_and_check(mock, &guest, 1, i % 2 == 0);
		struct guest_gpu_picture left;
		assert_int_equal(
			guest_gpu_picture_create(&left, &guest, 9, FORMAT, 64, 64, false), OK);
		struct guest_gpu_rect all = guest_gpu_picture_rect(&left);
		assert_int_equal(guest_gpu_call(&guest, guest_gpu_set_scanout(0, 9, all)), OK);
		assert_int_equal(device_host_state(&mock->host)->gpu.took_over, 1);
		assert_int_equal(virtio_guest_drive(&guest), 0);
		assert_int_equal(device_host_state(&mock->host)->gpu.took_over, 0);
		assert_null(virtio_storage_find(mock, 9));
	}
	virtio_guest_finish(&guest);
}

/* With flushes whose answers wait for a frame: none of them comes into the new rings. */
static void a_queue_can_be_reset_by_itself(void **state) {
	struct mock *mock = *state;
	struct virtio_guest guest;
	struct guest_gpu_picture picture;
	struct virtio_guest_response response;
	start(mock, &guest, NULL);
	assert_int_equal(guest_gpu_picture_create(&picture, &guest, 1, FORMAT, 64, 64, true), OK);
	struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
	assert_int_equal(guest_gpu_call(&guest, guest_gpu_set_scanout(0, 1, all)), OK);
	for (unsigned i = 0; i < 50; i++) {
		volatile struct vring_used *old = guest.queues[0].used;
		for (unsigned k = 0; k < 4; k++) {
			struct guest_gpu_request flush = guest_gpu_flush(1, all);
			assert_true(guest_gpu_submit(&guest, GUEST_GPU_CONTROL, &flush) >= 0);
		}
		assert_int_equal(virtio_guest_kick(&guest, GUEST_GPU_CONTROL), 0);
		if (virtio_guest_reset_queue(&guest, GUEST_GPU_CONTROL) < 0) {
			fail_msg("%s", guest.complaint);
		}
		uint16_t answered = old->idx;
		assert_int_equal(guest_gpu_picture_update(&picture, all), OK);
		assert_int_equal(virtio_guest_take(&guest, GUEST_GPU_CONTROL, &response), 0);
		assert_int_equal(old->idx, answered);
	}
	assert_int_equal(virtio_guest_reset_queue(&guest, GUEST_GPU_CURSOR), 0);
	assert_int_equal(guest_gpu_call_cursor(&guest, guest_gpu_move_cursor(0, 1, 2)), OK);
	virtio_storage_assert(mock, &picture);
	assert_int_equal(device_host_state(&mock->host)->gpu.took_over, 1);
	virtio_guest_finish(&guest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, mock_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(a_driver_finds_what_it_needs),
		TEST(pictures_come_through_every_kind_of_queue),
		TEST(many_commands_at_once_are_each_answered_once),
		TEST(the_cursor_has_a_queue_of_its_own),
		TEST(a_driver_can_be_loaded_again),
		TEST(a_queue_can_be_reset_by_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
