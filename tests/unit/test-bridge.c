#include "bridge-rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "convert.h"
#include "mullion-guest-v1-protocol.h"

static const struct fake_options usual;

static void assert_black(struct rig *rig) {
	for (uint32_t y = 0; y < RIG_HEIGHT; y++) {
		const uint32_t *row = (const uint32_t *)rig_shown_row(rig, y);
		for (uint32_t x = 0; x < RIG_WIDTH; x++) {
			assert_int_equal(row[x] & 0xffffff, 0);
		}
	}
}

static void the_slice_itself_is_shown(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	rig_set_mode(&rig, SCANOUT_XRGB8888, RIG_WIDTH * 4 + 64, 4096);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	rig_assert_picture(&rig, WL_SHM_FORMAT_XRGB8888, RIG_WIDTH * 4 + 64);
	rig_assert_damage(&rig, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	rig_assert_zero_copy(&rig);
	rig_finish(&rig);
}

static void an_unchanged_guest_causes_no_commit(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	rig_spin(&rig, 600);
	assert_int_equal(rig.fake.head->commits, 1);
	assert_int_equal(rig.committed, 1);
	assert_in_range(rig.looked, 2, 16);
	rig_finish(&rig);
}

static void a_changed_pixel_is_one_tile_of_the_same_buffer(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	*rig_guest_pixel(&rig, 100, 50) ^= 1;
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_assert_damage(&rig, 64, 48, 64, 16);
	assert_ptr_equal(rig.fake.head->buffer, rig.fake.head->last_buffer);
	rig_finish(&rig);
}

static void a_busy_guest_is_shown_once_a_frame(void **state) {
	struct fake_options options = {.hold_frames = true};
	struct rig rig;
	rig_init(&rig, &options);
	uint64_t start = clock_usec(), now = start, frames = 0;
	while ((now = clock_usec()) < start + 500 * USEC_PER_MSEC) {
		if (now - start > frames * 16667) {
			fake_frame(rig.fake.head);
			frames++;
		}
		++*rig_guest_pixel(&rig, 0, 0);
		bridge_drawn(rig.bridge, 0);
		rig_step(&rig);
	}
	assert_in_range(rig.fake.head->commits, 4, 32);
	rig_finish(&rig);
}

static void hints_without_a_change_are_looked_at_once_a_frame(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	uint64_t end = clock_usec() + 500 * USEC_PER_MSEC;
	while (clock_usec() < end) {
		bridge_drawn(rig.bridge, 0);
		rig_step(&rig);
	}
	assert_in_range(rig.looked, 4, 32);
	assert_int_equal(rig.fake.head->commits, 1);
	rig_finish(&rig);
}

static void no_commit_before_the_frame_callback(void **state) {
	struct fake_options options = {.hold_frames = true};
	struct rig rig;
	rig_init(&rig, &options);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	++*rig_guest_pixel(&rig, 0, 0);
	bridge_drawn(rig.bridge, 0);
	rig_spin(&rig, 100);
	assert_int_equal(rig.looked, 1);
	fake_frame(rig.fake.head);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_finish(&rig);
}

static void a_mode_set_is_shown_whole(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	assert_true(scanout_compute(&rig.slice, rig.slice.aperture, SCANOUT_XRGB8888, 640, 480,
		640 * 4, 0, &rig.head->scanout));
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_assert_damage(&rig, 0, 0, 640, 480);
	assert_int_equal(wl_shm_buffer_get_width(fake_picture(rig.fake.head)), 640);
	rig_finish(&rig);
}

static void a_flip_between_equal_pages_still_changes_the_buffer(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	uint64_t page = 1 << 20;
	memcpy(rig.slice.map + page, rig.slice.map, page);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	struct wl_resource *first = rig.fake.head->buffer;
	rig_set_mode(&rig, SCANOUT_XRGB8888, RIG_WIDTH * 4, page);
	bridge_drawn(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	assert_int_equal(rig.fake.head->boxes_len, 0);
	rig_assert_zero_copy(&rig);
	rig_set_mode(&rig, SCANOUT_XRGB8888, RIG_WIDTH * 4, 0);
	bridge_drawn(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 3);
	assert_ptr_equal(rig.fake.head->buffer, first);
	rig_finish(&rig);
}

static void formats_that_the_compositor_knows_are_not_copied(void **state) {
	static const struct {
		enum scanout_format format;
		uint32_t shm;
	} cases[] = {
		{SCANOUT_RGB565, WL_SHM_FORMAT_RGB565},
		{SCANOUT_XRGB1555, WL_SHM_FORMAT_XRGB1555},
		{SCANOUT_RGB888, WL_SHM_FORMAT_RGB888},
	};
	struct rig rig;
	rig_init(&rig, &usual);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t stride = RIG_WIDTH * scanout_format_bytes(cases[i].format) + 24;
		rig_set_mode(&rig, cases[i].format, stride, 64);
		bridge_scanout_changed(rig.bridge, 0);
		RIG_UNTIL(&rig, rig.fake.head->commits == i + 1);
		rig_assert_picture(&rig, cases[i].shm, stride);
		// The other row of 16 bits: what one test draws, the next look finds.
		assert_memory_equal(
			rig_shown_row(&rig, 7), rig_guest_pixel(&rig, 0, 7), 2 * RIG_WIDTH);
	}
	rig_finish(&rig);
}

static void other_formats_are_converted(void **state) {
	static const enum scanout_format formats[] = {
		SCANOUT_RGB565, SCANOUT_XRGB1555, SCANOUT_RGB888};
	struct fake_options options = {.few_formats = true};
	struct rig rig;
	rig_init(&rig, &options);
	for (unsigned i = 0; i < 3; i++) {
		rig_set_mode(&rig, formats[i], RIG_WIDTH * 4, 0);
		memset(rig_guest_pixel(&rig, 0, 0), 0xff, 4);
		memset(rig_guest_pixel(&rig, 5, 100), 0, 4);
		bridge_scanout_changed(rig.bridge, 0);
		RIG_UNTIL(&rig, rig.fake.head->commits == i + 1);
		rig_assert_picture(&rig, WL_SHM_FORMAT_XRGB8888, RIG_WIDTH * 4);
		assert_int_equal(((uint32_t *)rig_shown_row(&rig, 0))[0], 0xffffffff);
		assert_int_equal(((uint32_t *)rig_shown_row(&rig, 100))[5], 0xff000000);
	}
	rig_finish(&rig);
}

static void layouts_that_wl_shm_refuses_are_converted(void **state) {
	uint32_t row = RIG_WIDTH * 4;
	uint64_t last = RIG_SLICE_SIZE - (uint64_t)(row + 4096) * (RIG_HEIGHT - 1) - row;
	const struct {
		uint32_t stride;
		uint64_t offset;
	} cases[] = {{row + 2, 0}, {row + 1, 3}, {row, 2}, {row + 4096, last}};
	struct rig rig;
	rig_init(&rig, &usual);
	for (unsigned i = 0; i < 4; i++) {
		rig_set_mode(&rig, SCANOUT_XRGB8888, cases[i].stride, cases[i].offset);
		bridge_scanout_changed(rig.bridge, 0);
		RIG_UNTIL(&rig, rig.fake.head->commits == i + 1);
		rig_assert_picture(&rig, WL_SHM_FORMAT_XRGB8888, row);
		for (uint32_t y = 0; y < RIG_HEIGHT; y++) {
			for (uint32_t x = 0; x < RIG_WIDTH; x++) {
				uint32_t pixel;
				memcpy(&pixel, rig_guest_pixel(&rig, x, y), 4);
				assert_int_equal(((uint32_t *)rig_shown_row(&rig, y))[x],
					pixel | 0xff000000);
			}
		}
	}
	rig_finish(&rig);
}

static void a_palette_change_shows_everything_again(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	rig_set_mode(&rig, SCANOUT_C8, RIG_WIDTH, 0);
	uint8_t index = *rig_guest_pixel(&rig, 9, 9);
	rig.palette[index] = 0x123456;
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	assert_int_equal(((uint32_t *)rig_shown_row(&rig, 9))[9], 0xff123456);
	rig.palette[index] = 0xabcdef;
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_assert_damage(&rig, 0, 0, RIG_WIDTH, RIG_HEIGHT);
	assert_int_equal(((uint32_t *)rig_shown_row(&rig, 9))[9], 0xffabcdef);
	rig_finish(&rig);
}

static void converted_pictures_stay_whole_over_many_changes(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	for (uint32_t i = 0; i < 256; i++) {
		rig.palette[i] = i * 0x010203;
	}
	rig_set_mode(&rig, SCANOUT_C8, RIG_WIDTH, 0);
	srand(3);
	for (unsigned round = 1; round <= 10; round++) {
		RIG_UNTIL(&rig, rig.fake.head->commits == round);
		for (uint32_t y = 0; y < RIG_HEIGHT; y++) {
			for (uint32_t x = 0; x < RIG_WIDTH; x++) {
				assert_int_equal(((uint32_t *)rig_shown_row(&rig, y))[x],
					0xff000000 | *rig_guest_pixel(&rig, x, y) * 0x010203u);
			}
		}
		for (int i = 0; i < 5; i++) {
			++*rig_guest_pixel(
				&rig, (uint32_t)rand() % RIG_WIDTH, (uint32_t)rand() % RIG_HEIGHT);
		}
	}
	rig_finish(&rig);
}

static void a_buffer_that_is_not_released_is_not_written(void **state) {
	struct fake_options options = {.hold_buffers = true};
	struct rig rig;
	rig_init(&rig, &options);
	rig_set_mode(&rig, SCANOUT_C8, RIG_WIDTH, 0);
	rig.palette[1] = 0x00ff00;
	memset(rig.slice.map, 0, RIG_WIDTH * RIG_HEIGHT);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	struct wl_shm_buffer *first = fake_picture(rig.fake.head);
	struct wl_resource *first_resource = rig.fake.head->buffer;
	memset(rig.slice.map, 1, RIG_WIDTH * RIG_HEIGHT);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	memset(rig.slice.map, 0, RIG_WIDTH * RIG_HEIGHT);
	rig_spin(&rig, 100);
	assert_int_equal(rig.fake.head->commits, 2);
	assert_int_equal(*(uint32_t *)wl_shm_buffer_get_data(first), 0xff000000);
	assert_int_equal(*(uint32_t *)rig_shown_row(&rig, 0), 0xff00ff00);
	wl_buffer_send_release(first_resource);
	RIG_UNTIL(&rig, rig.fake.head->commits == 3);
	assert_ptr_equal(rig.fake.head->buffer, first_resource);
	rig_finish(&rig);
}

static void a_display_that_is_off_is_black_in_its_last_size(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	rig.head->scanout = (struct scanout){.format = SCANOUT_NONE};
	rig_spin(&rig, 50);
	assert_int_equal(rig.fake.head->commits, 0);
	rig_set_mode(&rig, SCANOUT_XRGB8888, RIG_WIDTH * 4, 0);
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	rig.head->scanout = (struct scanout){.format = SCANOUT_NONE};
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_assert_picture(&rig, WL_SHM_FORMAT_XRGB8888, RIG_WIDTH * 4);
	assert_black(&rig);
	rig_spin(&rig, 50);
	assert_int_equal(rig.fake.head->commits, 2);
	rig_set_mode(&rig, SCANOUT_XRGB8888, RIG_WIDTH * 4, 0);
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 3);
	rig_assert_zero_copy(&rig);
	rig_finish(&rig);
}

static void a_mode_too_large_to_convert_keeps_the_last_picture(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	// 32 MiB in the slice, 128 MiB as XRGB8888.
	assert_true(scanout_compute(&rig.slice, rig.slice.aperture, SCANOUT_C8, 16384, 2048, 16384,
		0, &rig.head->scanout));
	bridge_scanout_changed(rig.bridge, 0);
	unsigned looked = rig.looked;
	RIG_UNTIL(&rig, rig.looked > looked);
	rig_spin(&rig, 20);
	assert_int_equal(rig.fake.head->commits, 1);
	rig_assert_picture(&rig, WL_SHM_FORMAT_XRGB8888, RIG_WIDTH * 4);
	rig_set_mode(&rig, SCANOUT_C8, RIG_WIDTH, 0);
	bridge_scanout_changed(rig.bridge, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	rig_finish(&rig);
}

static void a_hidden_guest_is_shown_at_once_when_it_is_seen_again(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	mullion_desktop_v1_send_visibility(
		rig.fake.head->desktop, MULLION_DESKTOP_V1_VISIBILITY_HIDDEN);
	rig_spin(&rig, 20);
	unsigned looked = rig.looked;
	++*rig_guest_pixel(&rig, 0, 0);
	bridge_drawn(rig.bridge, 0);
	rig_spin(&rig, 300);
	assert_int_equal(rig.looked, looked);
	mullion_desktop_v1_send_visibility(
		rig.fake.head->desktop, MULLION_DESKTOP_V1_VISIBILITY_FULLSCREEN);
	uint64_t start = clock_usec();
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	assert_true(clock_usec() - start < 500 * USEC_PER_MSEC);
	rig_finish(&rig);
}

static void a_hidden_guest_is_kept_up_to_date_with_one_frame_callback(void **state) {
	struct fake_options options = {.hold_frames = true};
	struct rig rig;
	rig_init(&rig, &options);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	struct wl_resource *frame = rig.fake.head->frame;
	mullion_desktop_v1_send_visibility(
		rig.fake.head->desktop, MULLION_DESKTOP_V1_VISIBILITY_HIDDEN);
	++*rig_guest_pixel(&rig, 0, 0);
	RIG_UNTIL(&rig, rig.fake.head->commits == 2);
	assert_ptr_equal(rig.fake.head->frame, frame);
	rig_finish(&rig);
}

/* Every pixel that the compositor can read is the guest's, or its conversion. */
static void assert_same_picture(struct rig *rig) {
	const struct scanout *scanout = &rig->head->scanout;
	struct wl_shm_buffer *picture = fake_picture(rig->fake.head);
	assert_int_equal(wl_shm_buffer_get_width(picture), scanout->width);
	assert_int_equal(wl_shm_buffer_get_height(picture), scanout->height);
	uint32_t format = wl_shm_buffer_get_format(picture);
	bool direct = format != WL_SHM_FORMAT_XRGB8888 ||
		wl_shm_buffer_get_stride(picture) == (int32_t)scanout->stride;
	size_t row = (size_t)scanout->width *
		(format == WL_SHM_FORMAT_XRGB8888 ? 4 : scanout_format_bytes(scanout->format));
	uint32_t converted[512];
	for (uint32_t y = 0; y < scanout->height; y++) {
		const uint8_t *guest = rig_guest_pixel(rig, 0, y), *shown = rig_shown_row(rig, y);
		convert_row(scanout->format, rig->palette, guest, converted, scanout->width);
		if (memcmp(shown, converted, row) != 0 &&
			(!direct || memcmp(shown, guest, row) != 0)) {
			fail_msg("%ux%u, format %d, stride %u, offset %llu: row %u", scanout->width,
				scanout->height, scanout->format, scanout->stride,
				(unsigned long long)scanout->offset, y);
		}
	}
}

static void any_mode_is_shown_as_it_is(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	srand(11);
	for (uint32_t i = 0; i < 256; i++) {
		rig.palette[i] = (uint32_t)rand() & 0xffffff;
	}
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	for (int round = 0; round < 40; round++) {
		enum scanout_format format = SCANOUT_C8 + (enum scanout_format)(rand() % 5);
		uint32_t width = 1 + (uint32_t)rand() % 512, height = 1 + (uint32_t)rand() % 300;
		uint32_t stride = width * scanout_format_bytes(format) + (uint32_t)rand() % 9;
		assert_true(scanout_compute(&rig.slice, rig.slice.aperture, format, width, height,
			stride, (uint64_t)rand() % (1 << 20), &rig.head->scanout));
		unsigned commits = rig.fake.head->commits;
		bridge_scanout_changed(rig.bridge, 0);
		RIG_UNTIL(&rig, rig.fake.head->commits > commits);
		assert_same_picture(&rig);
		commits = rig.fake.head->commits;
		++*rig_guest_pixel(&rig, width - 1, height - 1);
		RIG_UNTIL(&rig, rig.fake.head->commits > commits);
		assert_same_picture(&rig);
	}
	rig_finish(&rig);
}

static void a_flush_is_answered_once(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	RIG_UNTIL(&rig, rig.fake.head->commits == 1);
	const struct damage_boxes none = {0};
	for (int i = 0; i < 5; i++) {
		bridge_flushed(rig.bridge, 0, &none);
	}
	assert_int_equal(rig.head->frames, 0);
	RIG_UNTIL(&rig, rig.head->frames == 1);
	rig_spin(&rig, 50);
	assert_int_equal(rig.head->frames, 1);
	rig_finish(&rig);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_slice_itself_is_shown),
		cmocka_unit_test(an_unchanged_guest_causes_no_commit),
		cmocka_unit_test(a_changed_pixel_is_one_tile_of_the_same_buffer),
		cmocka_unit_test(a_busy_guest_is_shown_once_a_frame),
		cmocka_unit_test(hints_without_a_change_are_looked_at_once_a_frame),
		cmocka_unit_test(no_commit_before_the_frame_callback),
		cmocka_unit_test(a_mode_set_is_shown_whole),
		cmocka_unit_test(a_flip_between_equal_pages_still_changes_the_buffer),
		cmocka_unit_test(formats_that_the_compositor_knows_are_not_copied),
		cmocka_unit_test(other_formats_are_converted),
		cmocka_unit_test(layouts_that_wl_shm_refuses_are_converted),
		cmocka_unit_test(a_palette_change_shows_everything_again),
		cmocka_unit_test(converted_pictures_stay_whole_over_many_changes),
		cmocka_unit_test(a_buffer_that_is_not_released_is_not_written),
		cmocka_unit_test(a_display_that_is_off_is_black_in_its_last_size),
		cmocka_unit_test(a_mode_too_large_to_convert_keeps_the_last_picture),
		cmocka_unit_test(any_mode_is_shown_as_it_is),
		cmocka_unit_test(a_hidden_guest_is_shown_at_once_when_it_is_seen_again),
		cmocka_unit_test(a_flush_is_answered_once),
		cmocka_unit_test(a_hidden_guest_is_kept_up_to_date_with_one_frame_callback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
