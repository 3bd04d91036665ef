/*
 * Pictures in the guest's own memory (virtio 1.3, 5.7.6.10), from its driver's commands to the
 * screen. Where the kernel has no udmabuf they are not offered, and that is all that is tried
 * here: tests/e2e/test-zerocopy.py runs this on a kernel that has.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "guest-gpu.h"
#include "mock.h"
#include "recorder.h"
#include "shown.h"

#define OK VIRTIO_GPU_RESP_OK_NODATA
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define BAD_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define FORMAT VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM
#define BLOBS (UINT64_C(1) << VIRTIO_GPU_F_RESOURCE_BLOB)
#define SHOWN_MSEC 10000
#define WIDTH 400
#define HEIGHT 300

static bool has_udmabuf(void) {
	return access("/dev/udmabuf", R_OK | W_OK) == 0;
}

static int setup(void **state) {
	const struct virtio_guest_options driver = {.features = BLOBS};
	return shown_start(state, &driver, SHOWN_MSEC);
}

static bool is_dark(struct recorder *recorder, void *data) {
	for (uint32_t i = 0; i < recorder->width * recorder->height; i++) {
		if (recorder->pixels[i] != 0) {
			return false;
		}
	}
	return true;
}

static int set(struct shown *p, const struct guest_gpu_picture *picture) {
	return shown_call(p,
		guest_gpu_set_scanout_blob(0, picture->id, guest_gpu_picture_rect(picture),
			picture->width, picture->height, FORMAT));
}

static void create(
	struct shown *p, struct guest_gpu_picture *picture, uint32_t id, bool scattered) {
	assert_int_equal(
		guest_gpu_picture_create_blob(picture, &p->guest, id, WIDTH, HEIGHT, scattered),
		OK);
	shown_draw(picture);
}

/* A picture on the screen. */
static void show(struct shown *p, struct guest_gpu_picture *picture, uint32_t id) {
	create(p, picture, id, true);
	assert_int_equal(set(p, picture), OK);
	assert_int_equal(shown_call(p, guest_gpu_flush(id, guest_gpu_picture_rect(picture))), OK);
	shown_assert(p, picture);
}

/* How many descriptors of the device are named like that. */
static unsigned count_fds(struct shown *p, const char *part) {
	char folder[64], path[PATH_MAX], target[PATH_MAX];
	snprintf(folder, sizeof(folder), "/proc/%d/fd", (int)p->mock.host.process.pid);
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	unsigned found = 0;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		ssize_t length = readlink(path, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		found += strstr(target, part) != NULL;
	}
	closedir(dir);
	return found;
}

static void blobs_are_offered_where_they_need_no_copy(void **state) {
	struct shown *p = *state;
	assert_int_equal((p->guest.offered & BLOBS) != 0, has_udmabuf());
	assert_int_equal(device_host_state(&p->mock.host)->gpu.blobs, has_udmabuf());
	if (!has_udmabuf()) {
		struct guest_gpu_picture picture;
		assert_int_equal(
			guest_gpu_picture_create_blob(&picture, &p->guest, 1, WIDTH, HEIGHT, false),
			VIRTIO_GPU_RESP_ERR_UNSPEC);
		picture.id = 1;
		assert_int_equal(set(p, &picture), VIRTIO_GPU_RESP_ERR_UNSPEC);
	}
}

static void a_driver_that_did_not_ask_has_no_blobs(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	p->guest.options.features = UINT64_C(1) << VIRTIO_GPU_F_EDID;
	assert_int_equal(virtio_guest_drive(&p->guest), 0);
	assert_int_equal(
		guest_gpu_picture_create_blob(&picture, &p->guest, 1, WIDTH, HEIGHT, false),
		VIRTIO_GPU_RESP_ERR_UNSPEC);
}

/* The compositor reads the guest's pages: nothing of a picture is anywhere else. */
static void a_flush_shows_the_guests_own_pages(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	show(p, &picture, 1);
	assert_int_equal(count_fds(p, "/dmabuf:"), 1);
	assert_int_equal(count_fds(p, "mullion-canvas"), 0);
	const struct device_state *now = device_host_state(&p->mock.host);
	assert_int_equal(now->gpu.heap_used, 0);
	assert_int_equal(now->gpu.resources, 1);
	for (uint64_t i = 0; i < p->mock.host.slice_size; i++) {
		if (p->mock.host.slice[i] != 0) {
			fail_msg("something lies in the slice");
		}
	}
	// A whole frame is flushed for one small change: only that is damage.
	recorder_run(p->recorder, 100);
	uint64_t commits = p->recorder->commits;
	guest_gpu_picture_fill(&picture, (struct guest_gpu_rect){100, 50, 10, 10}, 0x123456);
	assert_int_equal(shown_call(p, guest_gpu_flush(1, guest_gpu_picture_rect(&picture))), OK);
	shown_assert(p, &picture);
	assert_int_equal(p->recorder->commits, commits + 1);
	assert_in_range(recorder_damage_pixels(p->recorder), 100, 64 * 32);
	assert_int_equal(p->recorder->out_of_box, 0);
}

static void an_unchanged_picture_is_not_committed(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	show(p, &picture, 1);
	recorder_run(p->recorder, 100);
	uint64_t commits = p->recorder->commits;
	for (unsigned i = 0; i < 10; i++) {
		shown_draw(&picture);
		assert_int_equal(
			shown_call(p, guest_gpu_flush(1, guest_gpu_picture_rect(&picture))), OK);
	}
	assert_int_equal(p->recorder->commits, commits);
}

/* What was not flushed is found by the flush that has it. */
static void a_flush_of_a_part_shows_that_part(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	show(p, &picture, 1);
	recorder_run(p->recorder, 100);
	uint64_t commits = p->recorder->commits;
	guest_gpu_picture_fill(&picture, (struct guest_gpu_rect){300, 200, 4, 4}, 0xabcdef);
	assert_int_equal(
		shown_call(p, guest_gpu_flush(1, (struct guest_gpu_rect){0, 0, 64, 64})), OK);
	assert_int_equal(p->recorder->commits, commits);
	assert_int_equal(
		shown_call(p, guest_gpu_flush(1, (struct guest_gpu_rect){300, 200, 4, 4})), OK);
	shown_assert(p, &picture);
	assert_int_equal(p->recorder->commits, commits + 1);
}

static void flips_show_each_picture(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture pictures[6];
	for (uint32_t i = 0; i < ARRAY_SIZE(pictures); i++) {
		show(p, &pictures[i], i + 1);
	}
	for (uint32_t i = 0; i < 24; i++) {
		struct guest_gpu_picture *picture = &pictures[i * 5 % ARRAY_SIZE(pictures)];
		guest_gpu_picture_fill(picture, (struct guest_gpu_rect){i * 8, 9, 40, 50}, i * 99);
		assert_int_equal(set(p, picture), OK);
		assert_int_equal(
			shown_call(
				p, guest_gpu_flush(picture->id, guest_gpu_picture_rect(picture))),
			OK);
		shown_assert(p, picture);
	}
	assert_int_equal(p->recorder->out_of_box, 0);
}

/* A copy is what stays: the pages are the guest's for something else now. */
static void a_blob_that_goes_while_it_is_shown_harms_nobody(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture first, second;
	show(p, &first, 1);
	assert_int_equal(shown_call(p, guest_gpu_detach(1)), OK);
	guest_gpu_picture_fill(&first, guest_gpu_picture_rect(&first), 0xff00ff);
	recorder_run(p->recorder, 100);
	shown_draw(&first);
	assert_true(shown_is(p->recorder, &first));
	assert_int_equal(set(p, &first), BAD_PARAMETER);
	assert_int_equal(shown_call(p, guest_gpu_unref(1)), OK);
	assert_int_equal(count_fds(p, "/dmabuf:"), 0);
	show(p, &second, 1);
	assert_int_equal(shown_call(p, guest_gpu_unref(1)), OK);
	assert_int_equal(shown_call(p, guest_gpu_unref(1)), BAD_RESOURCE);
	assert_int_equal(
		shown_call(p, guest_gpu_flush(1, guest_gpu_picture_rect(&second))), BAD_RESOURCE);
	recorder_run(p->recorder, 100);
	assert_true(shown_is(p->recorder, &second));
	show(p, &first, 1);
	assert_int_equal(virtio_guest_reset(&p->guest), 0);
	assert_int_equal(count_fds(p, "/dmabuf:"), 0);
}

/* More pieces than the kernel joins in one dma-buf: copied, and shown all the same. */
static void a_blob_of_too_many_pieces_is_copied(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	assert_int_equal(
		guest_gpu_picture_create_blob(&picture, &p->guest, 1, 1920, 1080, true), OK);
	shown_draw(&picture);
	assert_int_equal(set(p, &picture), OK);
	assert_int_equal(shown_call(p, guest_gpu_flush(1, guest_gpu_picture_rect(&picture))), OK);
	shown_assert(p, &picture);
	assert_int_equal(count_fds(p, "/dmabuf:"), 0);
	assert_true(device_host_state(&p->mock.host)->gpu.heap_used >= 1920 * 1080 * 4);
	guest_gpu_picture_fill(&picture, (struct guest_gpu_rect){1000, 500, 10, 10}, 0x123456);
	assert_int_equal(shown_call(p, guest_gpu_flush(1, guest_gpu_picture_rect(&picture))), OK);
	shown_assert(p, &picture);
	assert_in_range(recorder_damage_pixels(p->recorder), 100, 64 * 32);
}

static void layouts_that_cannot_be_leave_the_picture(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture;
	show(p, &picture, 1);
	const struct {
		uint32_t scanout, id, width, height, format, stride, offset;
		struct guest_gpu_rect rect;
	} cases[] = {
		{16, 1, WIDTH, HEIGHT, FORMAT, WIDTH * 4, 0, {0, 0, WIDTH, HEIGHT}},
		{1, 1, WIDTH, HEIGHT, FORMAT, WIDTH * 4, 0, {0, 0, WIDTH, HEIGHT}},
		{0, 9, WIDTH, HEIGHT, FORMAT, WIDTH * 4, 0, {0, 0, WIDTH, HEIGHT}},
		{0, 1, WIDTH, HEIGHT, 0, WIDTH * 4, 0, {0, 0, WIDTH, HEIGHT}},
		{0, 1, 0, HEIGHT, FORMAT, WIDTH * 4, 0, {0, 0, 1, 1}},
		{0, 1, WIDTH, 0x40000001, FORMAT, WIDTH * 4, 0, {0, 0, 1, 1}},
		{0, 1, WIDTH, HEIGHT, FORMAT, WIDTH * 4 - 4, 0, {0, 0, 1, 1}},
		{0, 1, WIDTH, HEIGHT, FORMAT, WIDTH * 4 + 2, 0, {0, 0, 1, 1}},
		{0, 1, WIDTH, HEIGHT, FORMAT, UINT32_MAX - 3, 0, {0, 0, 1, 1}},
		{0, 1, WIDTH, HEIGHT, FORMAT, WIDTH * 4, UINT32_MAX - 3, {0, 0, 1, 1}},
		{0, 1, WIDTH, HEIGHT, FORMAT, WIDTH * 4, 2, {0, 0, 1, 1}},
		{0, 1, WIDTH, HEIGHT, FORMAT, WIDTH * 4, 4096, {0, 0, 1, 1}}, // beyond the blob
		{0, 1, WIDTH, HEIGHT, FORMAT, WIDTH * 4, 0, {1, 0, WIDTH, 1}},
		{0, 1, WIDTH, HEIGHT, FORMAT, WIDTH * 4, 0, {0, UINT32_MAX, 1, 2}},
		{0, 1, WIDTH, HEIGHT, FORMAT, WIDTH * 4, 0, {0, 0, 0, 0}},
	};
	uint64_t commits = p->recorder->commits;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guest_gpu_request request =
			guest_gpu_set_scanout_blob(cases[i].scanout, cases[i].id, cases[i].rect,
				cases[i].width, cases[i].height, cases[i].format);
		request.set_scanout_blob.strides[0] = cases[i].stride;
		request.set_scanout_blob.offsets[0] = cases[i].offset;
		assert_in_range(shown_call(p, request), VIRTIO_GPU_RESP_ERR_UNSPEC, BAD_PARAMETER);
	}
	// Commands that are not a blob's.
	struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
	assert_int_equal(shown_call(p, guest_gpu_set_scanout(0, 1, all)), BAD_PARAMETER);
	assert_int_equal(shown_call(p, guest_gpu_transfer(1, all, 0)), OK); // as Linux does
	assert_int_equal(
		shown_call(p, guest_gpu_flush(1, (struct guest_gpu_rect){0, 0, WIDTH + 1, 1})),
		BAD_PARAMETER);
	recorder_run(p->recorder, 100);
	assert_int_equal(p->recorder->commits, commits);
	assert_true(shown_is(p->recorder, &picture));
}

static void blobs_that_cannot_be_are_refused(void **state) {
	struct shown *p = *state;
	uint64_t address = virtio_guest_alloc(&p->guest, 4096, 4096);
	struct virtio_gpu_mem_entry *entry = virtio_guest_at(&p->guest, address, sizeof(*entry));
	const struct {
		uint64_t size, address;
		uint32_t length, id, n, memory, flags;
	} cases[] = {
		{4096, VIRTIO_GUEST_RAM, 4096, 0, 1, VIRTIO_GPU_BLOB_MEM_GUEST, 0},
		{0, VIRTIO_GUEST_RAM, 4096, 1, 1, VIRTIO_GPU_BLOB_MEM_GUEST, 0},
		{4097, VIRTIO_GUEST_RAM, 4096, 1, 1, VIRTIO_GPU_BLOB_MEM_GUEST, 0},
		{UINT64_C(1) << 32, VIRTIO_GUEST_RAM, 4096, 1, 1, VIRTIO_GPU_BLOB_MEM_GUEST, 0},
		{UINT64_MAX, VIRTIO_GUEST_RAM, 4096, 1, 1, VIRTIO_GPU_BLOB_MEM_GUEST, 0},
		{4096, VIRTIO_GUEST_RAM, 0, 1, 1, VIRTIO_GPU_BLOB_MEM_GUEST, 0},
		{4096, UINT64_MAX - 4094, 4096, 1, 1, VIRTIO_GPU_BLOB_MEM_GUEST, 0},
		{4096, VIRTIO_GUEST_RAM, 4096, 1, 0, VIRTIO_GPU_BLOB_MEM_GUEST, 0},
		{4096, VIRTIO_GUEST_RAM, 4096, 1, 1, VIRTIO_GPU_BLOB_MEM_HOST3D, 0},
		{4096, VIRTIO_GUEST_RAM, 4096, 1, 1, VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST, 0},
		{4096, VIRTIO_GUEST_RAM, 4096, 1, 1, 0, 0},
		{4096, VIRTIO_GUEST_RAM, 4096, 1, 1, VIRTIO_GPU_BLOB_MEM_GUEST, 4},
		{4096, VIRTIO_GUEST_RAM, 4096, 1, 1, VIRTIO_GPU_BLOB_MEM_GUEST, UINT32_MAX},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		*entry = (struct virtio_gpu_mem_entry){
			.addr = cases[i].address, .length = cases[i].length};
		struct guest_gpu_request request =
			guest_gpu_create_blob(cases[i].id, cases[i].size, address, cases[i].n);
		request.create_blob.blob_mem = cases[i].memory;
		request.create_blob.blob_flags = cases[i].flags;
		assert_in_range(shown_call(p, request), VIRTIO_GPU_RESP_ERR_UNSPEC, BAD_PARAMETER);
	}
	struct guest_gpu_request request = guest_gpu_create_blob(1, 4096, address, 1);
	request.create_blob.nr_entries = UINT32_MAX;
	assert_int_equal(shown_call(p, request), BAD_PARAMETER);
	assert_int_equal(device_host_state(&p->mock.host)->gpu.resources, 0);
	// Outside of memory: it is there, and shows nothing.
	*entry = (struct virtio_gpu_mem_entry){.addr = 4096, .length = 4096};
	assert_int_equal(shown_call(p, guest_gpu_create_blob(1, 4096, address, 1)), OK);
	assert_int_equal(shown_call(p, guest_gpu_create_blob(1, 4096, address, 1)), BAD_RESOURCE);
	assert_int_equal(shown_call(p,
				 guest_gpu_set_scanout_blob(0, 1,
					 (struct guest_gpu_rect){0, 0, 32, 32}, 32, 32, FORMAT)),
		OK);
	assert_int_equal(
		shown_call(p, guest_gpu_flush(1, (struct guest_gpu_rect){0, 0, 32, 32})), OK);
	assert_true(recorder_wait(p->recorder, is_dark, NULL, SHOWN_MSEC));
	assert_int_equal(count_fds(p, "/dmabuf:"), 0);
}

/* Kills the device; another comes, and is shown. */
static void replace(struct shown *p) {
	assert_int_equal(device_host_replace(&p->mock.host), 0);
	int fd = recorder_connect(p->recorder);
	assert_true(fd >= 0);
	assert_int_equal(device_host_display(&p->mock.host, fd), 0);
	close(fd);
	assert_true(recorder_wait_commit(p->recorder, SHOWN_MSEC));
}

/* Each of another device's, made of what the last one has kept. */
static void a_device_that_dies_finds_its_blobs_again(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture picture, other;
	show(p, &picture, 1);
	create(p, &other, 2, false);
	for (unsigned i = 0; i < 6; i++) {
		replace(p);
		struct guest_gpu_picture *shown = i % 2 == 0 ? &picture : &other;
		guest_gpu_picture_fill(shown, (struct guest_gpu_rect){10 * i, 20, 30, 40}, i * 77);
		assert_int_equal(set(p, shown), OK);
		assert_int_equal(
			shown_call(p, guest_gpu_flush(shown->id, guest_gpu_picture_rect(shown))),
			OK);
		shown_assert(p, shown);
		assert_int_equal(device_host_state(&p->mock.host)->gpu.heap_used, 0);
	}
	// And without a word from the guest.
	replace(p);
	shown_assert(p, &other);
	assert_int_equal(count_fds(p, "/dmabuf:"), 1);
}

/* A copied cursor is the guest's, whatever becomes of the blob. */
static void a_cursor_may_be_a_blob(void **state) {
	struct shown *p = *state;
	struct guest_gpu_picture cursor, small;
	assert_int_equal(guest_gpu_picture_create_blob(&cursor, &p->guest, 1, 64, 64, true), OK);
	assert_int_equal(guest_gpu_picture_create_blob(&small, &p->guest, 2, 16, 16, true), OK);
	shown_draw(&cursor);
	assert_int_equal(
		guest_gpu_call_cursor(&p->guest, guest_gpu_update_cursor(0, 2, 0, 0, 0, 0)),
		BAD_PARAMETER);
	assert_int_equal(
		guest_gpu_call_cursor(&p->guest, guest_gpu_update_cursor(0, 1, 5, 5, 1, 2)), OK);
	assert_int_equal(shown_call(p, guest_gpu_unref(1)), OK);
	const uint32_t *kept = p->mock.host.state_file->store.cursor;
	for (uint32_t y = 0; y < 64; y++) {
		for (uint32_t x = 0; x < 64; x++) {
			assert_int_equal(kept[y * 64 + x], *guest_gpu_picture_pixel(&cursor, x, y));
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, shown_end)

int main(void) {
	const struct CMUnitTest anywhere[] = {
		TEST(blobs_are_offered_where_they_need_no_copy),
		TEST(a_driver_that_did_not_ask_has_no_blobs),
	};
	const struct CMUnitTest with_udmabuf[] = {
		TEST(blobs_are_offered_where_they_need_no_copy),
		TEST(a_driver_that_did_not_ask_has_no_blobs),
		TEST(a_flush_shows_the_guests_own_pages),
		TEST(an_unchanged_picture_is_not_committed),
		TEST(a_flush_of_a_part_shows_that_part),
		TEST(flips_show_each_picture),
		TEST(a_blob_that_goes_while_it_is_shown_harms_nobody),
		TEST(a_blob_of_too_many_pieces_is_copied),
		TEST(layouts_that_cannot_be_leave_the_picture),
		TEST(blobs_that_cannot_be_are_refused),
		TEST(a_device_that_dies_finds_its_blobs_again),
		TEST(a_cursor_may_be_a_blob),
	};
	return has_udmabuf() ? cmocka_run_group_tests(with_udmabuf, NULL, NULL)
			     : cmocka_run_group_tests(anywhere, NULL, NULL);
}
