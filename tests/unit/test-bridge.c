#include "bridge.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fake-compositor.h"
#include "fd.h"
#include "memfd.h"
#include "mullion-guest-v1-protocol.h"
#include "xdg-shell-protocol.h"

#define SLICE_SIZE (32u << 20)
#define WIDTH 320u
#define HEIGHT 200u

/* A bridge and a compositor in one thread: each does what it can, in turn. */
struct rig {
	sd_event *event;
	struct slice slice;
	struct bridge *bridge;
	struct fake fake;
	struct scanout scanout;
	uint32_t palette[256];
	unsigned looked, committed, inputs;
	struct link_input input; // the last
	bool deaf;               // the compositor does nothing
};

static void get_scanout(void *data, struct scanout *ret) {
	*ret = ((struct rig *)data)->scanout;
}

static void get_palette(void *data, uint32_t palette[256]) {
	memcpy(palette, ((struct rig *)data)->palette, 256 * sizeof(*palette));
}

static void take_input(void *data, const struct link_input *input) {
	struct rig *rig = data;
	rig->input = *input;
	rig->inputs++;
}

static void count_look(void *data) {
	((struct rig *)data)->looked++;
}

static void count_commit(void *data) {
	((struct rig *)data)->committed++;
}

static const struct bridge_ops ops = {
	.get_scanout = get_scanout,
	.get_palette = get_palette,
	.input = take_input,
	.looked = count_look,
	.committed = count_commit,
};

static void step(struct rig *rig) {
	if (!rig->deaf) {
		fake_run(&rig->fake);
	}
	assert_true(sd_event_run(rig->event, 500) >= 0);
}

static void spin(struct rig *rig, unsigned msec) {
	uint64_t end = clock_usec() + msec * USEC_PER_MSEC;
	while (clock_usec() < end) {
		step(rig);
	}
}

/* Waits until a condition holds, ten seconds at most: the machine may be busy. */
#define UNTIL(rig, condition)                                                                      \
	do {                                                                                       \
		uint64_t end = clock_usec() + 10 * USEC_PER_SEC;                                   \
		while (!(condition) && clock_usec() < end) {                                       \
			step(rig);                                                                 \
		}                                                                                  \
		assert_true(condition);                                                            \
	} while (0)

static void set_mode(
	struct rig *rig, enum scanout_format format, uint32_t stride, uint64_t offset) {
	assert_true(
		scanout_compute(&rig->slice, format, WIDTH, HEIGHT, stride, offset, &rig->scanout));
}

static void rig_init(struct rig *rig, const struct fake_options *options) {
	*rig = (struct rig){0};
	assert_true(sd_event_new(&rig->event) >= 0);
	int fd = memfd_create_sealed("slice", SLICE_SIZE);
	assert_int_equal(slice_init(&rig->slice, fd, 0, SLICE_SIZE, SLICE_SIZE), 0);
	for (uint32_t i = 0; i < 2u << 20; i++) {
		rig->slice.map[i] = (uint8_t)(i * 2654435761u >> 24);
	}
	set_mode(rig, SCANOUT_XRGB8888, WIDTH * 4, 0);
	fake_init(&rig->fake, options);
	assert_int_equal(bridge_create(&rig->bridge, rig->event, &rig->slice, &ops, rig), 0);
	assert_int_equal(bridge_connect(rig->bridge, fake_connect(&rig->fake)), 0);
}

static void rig_finish(struct rig *rig) {
	bridge_destroy(rig->bridge);
	fake_finish(&rig->fake);
	slice_finish(&rig->slice);
	sd_event_unref(rig->event);
}

static const struct fake_options usual;

static uint8_t *guest_pixel(struct rig *rig, uint32_t x, uint32_t y) {
	return rig->slice.map + rig->scanout.offset + (uint64_t)y * rig->scanout.stride +
		x * scanout_format_bytes(rig->scanout.format);
}

static uint8_t *shown_row(struct rig *rig, uint32_t y) {
	struct wl_shm_buffer *picture = fake_picture(&rig->fake);
	return (uint8_t *)wl_shm_buffer_get_data(picture) +
		(int64_t)y * wl_shm_buffer_get_stride(picture);
}

static void assert_picture(struct rig *rig, uint32_t format, uint32_t stride) {
	struct wl_shm_buffer *picture = fake_picture(&rig->fake);
	assert_non_null(picture);
	assert_int_equal(wl_shm_buffer_get_format(picture), format);
	assert_int_equal(wl_shm_buffer_get_width(picture), WIDTH);
	assert_int_equal(wl_shm_buffer_get_height(picture), HEIGHT);
	assert_int_equal(wl_shm_buffer_get_stride(picture), stride);
}

static void assert_damage(struct rig *rig, int32_t x, int32_t y, int32_t width, int32_t height) {
	assert_int_equal(rig->fake.boxes_len, 1);
	assert_int_equal(rig->fake.boxes[0].x, x);
	assert_int_equal(rig->fake.boxes[0].y, y);
	assert_int_equal(rig->fake.boxes[0].width, width);
	assert_int_equal(rig->fake.boxes[0].height, height);
}

/* The compositor reads what the guest writes, before any look. */
static void assert_zero_copy(struct rig *rig) {
	uint32_t last = HEIGHT - 1;
	size_t row = WIDTH * scanout_format_bytes(rig->scanout.format);
	for (uint32_t y = 0; y < HEIGHT; y += last) {
		memset(guest_pixel(rig, 0, y), (int)(y + 3), row);
		assert_memory_equal(shown_row(rig, y), guest_pixel(rig, 0, y), row);
	}
}

static void assert_black(struct rig *rig) {
	for (uint32_t y = 0; y < HEIGHT; y++) {
		const uint32_t *row = (const uint32_t *)shown_row(rig, y);
		for (uint32_t x = 0; x < WIDTH; x++) {
			assert_int_equal(row[x] & 0xffffff, 0);
		}
	}
}

static void the_slice_itself_is_shown(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	set_mode(&rig, SCANOUT_XRGB8888, WIDTH * 4 + 64, 4096);
	UNTIL(&rig, rig.fake.commits == 1);
	assert_picture(&rig, WL_SHM_FORMAT_XRGB8888, WIDTH * 4 + 64);
	assert_damage(&rig, 0, 0, WIDTH, HEIGHT);
	assert_zero_copy(&rig);
	rig_finish(&rig);
}

static void an_unchanged_guest_causes_no_commit(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	UNTIL(&rig, rig.fake.commits == 1);
	spin(&rig, 600);
	assert_int_equal(rig.fake.commits, 1);
	assert_int_equal(rig.committed, 1);
	assert_in_range(rig.looked, 2, 16);
	rig_finish(&rig);
}

static void a_changed_pixel_is_one_tile_of_the_same_buffer(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	UNTIL(&rig, rig.fake.commits == 1);
	*guest_pixel(&rig, 100, 50) ^= 1;
	UNTIL(&rig, rig.fake.commits == 2);
	assert_damage(&rig, 64, 48, 64, 16);
	assert_ptr_equal(rig.fake.buffer, rig.fake.last_buffer);
	rig_finish(&rig);
}

static void a_busy_guest_is_shown_once_a_frame(void **state) {
	struct fake_options options = {.hold_frames = true};
	struct rig rig;
	rig_init(&rig, &options);
	uint64_t start = clock_usec(), now = start, frames = 0;
	while ((now = clock_usec()) < start + 500 * USEC_PER_MSEC) {
		if (now - start > frames * 16667) {
			fake_frame(&rig.fake);
			frames++;
		}
		++*guest_pixel(&rig, 0, 0);
		bridge_drawn(rig.bridge);
		step(&rig);
	}
	assert_in_range(rig.fake.commits, 4, 32);
	rig_finish(&rig);
}

static void hints_without_a_change_are_looked_at_once_a_frame(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	UNTIL(&rig, rig.fake.commits == 1);
	uint64_t end = clock_usec() + 500 * USEC_PER_MSEC;
	while (clock_usec() < end) {
		bridge_drawn(rig.bridge);
		step(&rig);
	}
	assert_in_range(rig.looked, 4, 32);
	assert_int_equal(rig.fake.commits, 1);
	rig_finish(&rig);
}

static void no_commit_before_the_frame_callback(void **state) {
	struct fake_options options = {.hold_frames = true};
	struct rig rig;
	rig_init(&rig, &options);
	UNTIL(&rig, rig.fake.commits == 1);
	++*guest_pixel(&rig, 0, 0);
	bridge_drawn(rig.bridge);
	spin(&rig, 100);
	assert_int_equal(rig.looked, 1);
	fake_frame(&rig.fake);
	UNTIL(&rig, rig.fake.commits == 2);
	rig_finish(&rig);
}

static void a_mode_set_is_shown_whole(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	UNTIL(&rig, rig.fake.commits == 1);
	assert_true(
		scanout_compute(&rig.slice, SCANOUT_XRGB8888, 640, 480, 640 * 4, 0, &rig.scanout));
	bridge_scanout_changed(rig.bridge);
	UNTIL(&rig, rig.fake.commits == 2);
	assert_damage(&rig, 0, 0, 640, 480);
	assert_int_equal(wl_shm_buffer_get_width(fake_picture(&rig.fake)), 640);
	rig_finish(&rig);
}

static void a_flip_between_equal_pages_still_changes_the_buffer(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	uint64_t page = 1 << 20;
	memcpy(rig.slice.map + page, rig.slice.map, page);
	UNTIL(&rig, rig.fake.commits == 1);
	struct wl_resource *first = rig.fake.buffer;
	set_mode(&rig, SCANOUT_XRGB8888, WIDTH * 4, page);
	bridge_drawn(rig.bridge);
	UNTIL(&rig, rig.fake.commits == 2);
	assert_int_equal(rig.fake.boxes_len, 0);
	assert_zero_copy(&rig);
	set_mode(&rig, SCANOUT_XRGB8888, WIDTH * 4, 0);
	bridge_drawn(rig.bridge);
	UNTIL(&rig, rig.fake.commits == 3);
	assert_ptr_equal(rig.fake.buffer, first);
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
		uint32_t stride = WIDTH * scanout_format_bytes(cases[i].format) + 24;
		set_mode(&rig, cases[i].format, stride, 64);
		bridge_scanout_changed(rig.bridge);
		UNTIL(&rig, rig.fake.commits == i + 1);
		assert_picture(&rig, cases[i].shm, stride);
		// The other row of 16 bits: what one test draws, the next look finds.
		assert_memory_equal(shown_row(&rig, 7), guest_pixel(&rig, 0, 7), 2 * WIDTH);
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
		set_mode(&rig, formats[i], WIDTH * 4, 0);
		memset(guest_pixel(&rig, 0, 0), 0xff, 4);
		memset(guest_pixel(&rig, 5, 100), 0, 4);
		bridge_scanout_changed(rig.bridge);
		UNTIL(&rig, rig.fake.commits == i + 1);
		assert_picture(&rig, WL_SHM_FORMAT_XRGB8888, WIDTH * 4);
		assert_int_equal(((uint32_t *)shown_row(&rig, 0))[0], 0xffffffff);
		assert_int_equal(((uint32_t *)shown_row(&rig, 100))[5], 0xff000000);
	}
	rig_finish(&rig);
}

static void layouts_that_wl_shm_refuses_are_converted(void **state) {
	uint32_t row = WIDTH * 4;
	uint64_t last = SLICE_SIZE - (uint64_t)(row + 4096) * (HEIGHT - 1) - row;
	const struct {
		uint32_t stride;
		uint64_t offset;
	} cases[] = {{row + 2, 0}, {row + 1, 3}, {row, 2}, {row + 4096, last}};
	struct rig rig;
	rig_init(&rig, &usual);
	for (unsigned i = 0; i < 4; i++) {
		set_mode(&rig, SCANOUT_XRGB8888, cases[i].stride, cases[i].offset);
		bridge_scanout_changed(rig.bridge);
		UNTIL(&rig, rig.fake.commits == i + 1);
		assert_picture(&rig, WL_SHM_FORMAT_XRGB8888, row);
		for (uint32_t y = 0; y < HEIGHT; y++) {
			for (uint32_t x = 0; x < WIDTH; x++) {
				uint32_t pixel;
				memcpy(&pixel, guest_pixel(&rig, x, y), 4);
				assert_int_equal(
					((uint32_t *)shown_row(&rig, y))[x], pixel | 0xff000000);
			}
		}
	}
	rig_finish(&rig);
}

static void a_palette_change_shows_everything_again(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	set_mode(&rig, SCANOUT_C8, WIDTH, 0);
	uint8_t index = *guest_pixel(&rig, 9, 9);
	rig.palette[index] = 0x123456;
	UNTIL(&rig, rig.fake.commits == 1);
	assert_int_equal(((uint32_t *)shown_row(&rig, 9))[9], 0xff123456);
	rig.palette[index] = 0xabcdef;
	UNTIL(&rig, rig.fake.commits == 2);
	assert_damage(&rig, 0, 0, WIDTH, HEIGHT);
	assert_int_equal(((uint32_t *)shown_row(&rig, 9))[9], 0xffabcdef);
	rig_finish(&rig);
}

static void converted_pictures_stay_whole_over_many_changes(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	for (uint32_t i = 0; i < 256; i++) {
		rig.palette[i] = i * 0x010203;
	}
	set_mode(&rig, SCANOUT_C8, WIDTH, 0);
	srand(3);
	for (unsigned round = 1; round <= 10; round++) {
		UNTIL(&rig, rig.fake.commits == round);
		for (uint32_t y = 0; y < HEIGHT; y++) {
			for (uint32_t x = 0; x < WIDTH; x++) {
				assert_int_equal(((uint32_t *)shown_row(&rig, y))[x],
					0xff000000 | *guest_pixel(&rig, x, y) * 0x010203u);
			}
		}
		for (int i = 0; i < 5; i++) {
			++*guest_pixel(&rig, (uint32_t)rand() % WIDTH, (uint32_t)rand() % HEIGHT);
		}
	}
	rig_finish(&rig);
}

static void a_buffer_that_is_not_released_is_not_written(void **state) {
	struct fake_options options = {.hold_buffers = true};
	struct rig rig;
	rig_init(&rig, &options);
	set_mode(&rig, SCANOUT_C8, WIDTH, 0);
	rig.palette[1] = 0x00ff00;
	memset(rig.slice.map, 0, WIDTH * HEIGHT);
	UNTIL(&rig, rig.fake.commits == 1);
	struct wl_shm_buffer *first = fake_picture(&rig.fake);
	struct wl_resource *first_resource = rig.fake.buffer;
	memset(rig.slice.map, 1, WIDTH * HEIGHT);
	UNTIL(&rig, rig.fake.commits == 2);
	memset(rig.slice.map, 0, WIDTH * HEIGHT);
	spin(&rig, 100);
	assert_int_equal(rig.fake.commits, 2);
	assert_int_equal(*(uint32_t *)wl_shm_buffer_get_data(first), 0xff000000);
	assert_int_equal(*(uint32_t *)shown_row(&rig, 0), 0xff00ff00);
	wl_buffer_send_release(first_resource);
	UNTIL(&rig, rig.fake.commits == 3);
	assert_ptr_equal(rig.fake.buffer, first_resource);
	rig_finish(&rig);
}

static void a_display_that_is_off_is_black_in_its_last_size(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	rig.scanout = (struct scanout){.format = SCANOUT_NONE};
	spin(&rig, 50);
	assert_int_equal(rig.fake.commits, 0);
	set_mode(&rig, SCANOUT_XRGB8888, WIDTH * 4, 0);
	bridge_scanout_changed(rig.bridge);
	UNTIL(&rig, rig.fake.commits == 1);
	rig.scanout = (struct scanout){.format = SCANOUT_NONE};
	bridge_scanout_changed(rig.bridge);
	UNTIL(&rig, rig.fake.commits == 2);
	assert_picture(&rig, WL_SHM_FORMAT_XRGB8888, WIDTH * 4);
	assert_black(&rig);
	spin(&rig, 50);
	assert_int_equal(rig.fake.commits, 2);
	set_mode(&rig, SCANOUT_XRGB8888, WIDTH * 4, 0);
	bridge_scanout_changed(rig.bridge);
	UNTIL(&rig, rig.fake.commits == 3);
	assert_zero_copy(&rig);
	rig_finish(&rig);
}

static void a_mode_too_large_to_convert_keeps_the_last_picture(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	UNTIL(&rig, rig.fake.commits == 1);
	// 32 MiB in the slice, 128 MiB as XRGB8888.
	assert_true(scanout_compute(&rig.slice, SCANOUT_C8, 16384, 2048, 16384, 0, &rig.scanout));
	bridge_scanout_changed(rig.bridge);
	unsigned looked = rig.looked;
	UNTIL(&rig, rig.looked > looked);
	spin(&rig, 20);
	assert_int_equal(rig.fake.commits, 1);
	assert_picture(&rig, WL_SHM_FORMAT_XRGB8888, WIDTH * 4);
	set_mode(&rig, SCANOUT_C8, WIDTH, 0);
	bridge_scanout_changed(rig.bridge);
	UNTIL(&rig, rig.fake.commits == 2);
	rig_finish(&rig);
}

static void a_hidden_guest_is_shown_at_once_when_it_is_seen_again(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	UNTIL(&rig, rig.fake.commits == 1);
	mullion_desktop_v1_send_visibility(rig.fake.desktop, MULLION_DESKTOP_V1_VISIBILITY_HIDDEN);
	spin(&rig, 20);
	unsigned looked = rig.looked;
	++*guest_pixel(&rig, 0, 0);
	bridge_drawn(rig.bridge);
	spin(&rig, 300);
	assert_int_equal(rig.looked, looked);
	mullion_desktop_v1_send_visibility(
		rig.fake.desktop, MULLION_DESKTOP_V1_VISIBILITY_FULLSCREEN);
	uint64_t start = clock_usec();
	UNTIL(&rig, rig.fake.commits == 2);
	assert_true(clock_usec() - start < 500 * USEC_PER_MSEC);
	rig_finish(&rig);
}

static void a_hidden_guest_is_kept_up_to_date_with_one_frame_callback(void **state) {
	struct fake_options options = {.hold_frames = true};
	struct rig rig;
	rig_init(&rig, &options);
	UNTIL(&rig, rig.fake.commits == 1);
	struct wl_resource *frame = rig.fake.frame;
	mullion_desktop_v1_send_visibility(rig.fake.desktop, MULLION_DESKTOP_V1_VISIBILITY_HIDDEN);
	++*guest_pixel(&rig, 0, 0);
	UNTIL(&rig, rig.fake.commits == 2);
	assert_ptr_equal(rig.fake.frame, frame);
	rig_finish(&rig);
}

static void a_compositor_that_stops_reading_stops_the_commits(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	UNTIL(&rig, rig.fake.commits == 1);
	rig.deaf = true;
	unsigned committed = rig.committed;
	for (int i = 0; i < 200; i++) {
		++*guest_pixel(&rig, 0, 0);
		bridge_scanout_changed(rig.bridge);
		uint64_t start = clock_usec();
		step(&rig);
		assert_true(clock_usec() - start < USEC_PER_SEC);
	}
	assert_in_range(rig.committed, committed, committed + 1);
	rig.deaf = false;
	UNTIL(&rig, rig.committed > committed + 1);
	rig_finish(&rig);
}

static void questions_from_one_that_does_not_read_answers_cost_no_memory(void **state) {
	struct fake_options options = {.no_guest_role = true};
	struct rig rig;
	rig_init(&rig, &options);
	UNTIL(&rig, rig.fake.commits == 1);
	rig.deaf = true;
	unsigned pings = 0;
	while (pings < 1000000 && rig.fake.client != NULL) {
		for (int i = 0; i < 100; i++, pings++) {
			xdg_wm_base_send_ping(rig.fake.wm_base, pings);
		}
		wl_client_flush(rig.fake.client);
		sd_event_run(rig.event, 0);
	}
	rig.deaf = false;
	UNTIL(&rig, rig.fake.client == NULL);
	rig_finish(&rig);
}

static void assert_event(struct rig *rig, uint32_t i, uint32_t type, uint32_t code, int32_t value) {
	assert_true(i < rig->input.count);
	assert_int_equal(rig->input.events[i].type, type);
	assert_int_equal(rig->input.events[i].code, code);
	assert_int_equal(rig->input.events[i].value, value);
}

static void send_key(struct rig *rig, uint32_t key, bool down) {
	wl_keyboard_send_key(rig->fake.keyboard, 0, 0, key, down);
}

static void focus_keyboard(struct rig *rig, uint32_t held) {
	struct wl_array keys;
	wl_array_init(&keys);
	if (held != 0) {
		*(uint32_t *)wl_array_add(&keys, sizeof(held)) = held;
	}
	wl_keyboard_send_enter(rig->fake.keyboard, 0, rig->fake.surface, &keys);
	wl_array_release(&keys);
}

static void start_input(struct rig *rig) {
	rig_init(rig, &usual);
	UNTIL(rig,
		rig->fake.commits == 1 && rig->fake.keyboard != NULL && rig->fake.pointer != NULL);
}

static void keys_arrive_as_they_are_numbered(void **state) {
	struct rig rig;
	start_input(&rig);
	focus_keyboard(&rig, 0);
	send_key(&rig, KEY_A, true);
	UNTIL(&rig, rig.inputs == 1);
	assert_int_equal(rig.input.count, 1);
	assert_event(&rig, 0, LINK_INPUT_KEY, KEY_A, 1);
	send_key(&rig, KEY_A, true);
	send_key(&rig, KEY_A, false);
	UNTIL(&rig, rig.inputs == 2);
	assert_event(&rig, 0, LINK_INPUT_KEY, KEY_A, 0);
	send_key(&rig, 0x300, true);
	send_key(&rig, UINT32_MAX, true);
	spin(&rig, 20);
	assert_int_equal(rig.inputs, 2);
	rig_finish(&rig);
}

static void held_keys_are_released_when_the_focus_goes(void **state) {
	struct rig rig;
	start_input(&rig);
	focus_keyboard(&rig, 0);
	send_key(&rig, KEY_LEFTCTRL, true);
	send_key(&rig, KEY_B, true);
	UNTIL(&rig, rig.inputs == 2);
	wl_keyboard_send_leave(rig.fake.keyboard, 0, rig.fake.surface);
	UNTIL(&rig, rig.inputs == 3);
	assert_int_equal(rig.input.count, 2);
	assert_event(&rig, 0, LINK_INPUT_KEY, KEY_LEFTCTRL, 0);
	assert_event(&rig, 1, LINK_INPUT_KEY, KEY_B, 0);
	rig_finish(&rig);
}

static void keys_held_for_somebody_else_are_not_the_guests(void **state) {
	struct rig rig;
	start_input(&rig);
	focus_keyboard(&rig, KEY_LEFTMETA);
	send_key(&rig, KEY_LEFTMETA, false);
	spin(&rig, 20);
	assert_int_equal(rig.inputs, 0);
	rig_finish(&rig);
}

static void held_keys_are_released_when_the_keyboard_goes(void **state) {
	struct rig rig;
	start_input(&rig);
	send_key(&rig, KEY_A, true);
	UNTIL(&rig, rig.inputs == 1);
	wl_seat_send_capabilities(rig.fake.seat, WL_SEAT_CAPABILITY_POINTER);
	UNTIL(&rig, rig.inputs == 2 && rig.fake.keyboard == NULL);
	assert_event(&rig, 0, LINK_INPUT_KEY, KEY_A, 0);
	wl_seat_send_capabilities(rig.fake.seat, WL_SEAT_CAPABILITY_KEYBOARD);
	UNTIL(&rig, rig.fake.keyboard != NULL && rig.fake.pointer == NULL);
	send_key(&rig, KEY_A, true);
	UNTIL(&rig, rig.inputs == 3);
	rig_finish(&rig);
}

static void many_held_keys_are_released_in_several_messages(void **state) {
	struct rig rig;
	start_input(&rig);
	for (uint32_t key = 1; key <= 40; key++) {
		send_key(&rig, key, true);
	}
	UNTIL(&rig, rig.inputs == 40);
	wl_client_destroy(rig.fake.client);
	UNTIL(&rig, rig.inputs == 42);
	assert_int_equal(rig.input.count, 8);
	assert_event(&rig, 7, LINK_INPUT_KEY, 40, 0);
	rig_finish(&rig);
}

static void pointer_positions_are_scaled_and_clamped(void **state) {
	struct rig rig;
	start_input(&rig);
	static const struct {
		int x, y, abs_x, abs_y;
	} cases[] = {
		{0, 0, 0, 0},
		{(int)WIDTH / 2, (int)HEIGHT / 2, 16384, 16384},
		{(int)WIDTH, (int)HEIGHT, 32767, 32767},
		{-5, 100000, 0, 32767},
	};
	for (unsigned i = 0; i < 4; i++) {
		wl_pointer_send_motion(rig.fake.pointer, 0, wl_fixed_from_int(cases[i].x),
			wl_fixed_from_int(cases[i].y));
		wl_pointer_send_frame(rig.fake.pointer);
		UNTIL(&rig, rig.inputs == i + 1);
		assert_int_equal(rig.input.count, 2);
		assert_event(&rig, 0, LINK_INPUT_ABS_X, 0, cases[i].abs_x);
		assert_event(&rig, 1, LINK_INPUT_ABS_Y, 0, cases[i].abs_y);
	}
	rig_finish(&rig);
}

static void a_pointer_frame_is_one_message(void **state) {
	struct rig rig;
	start_input(&rig);
	struct wl_resource *pointer = rig.fake.pointer;
	wl_pointer_send_enter(pointer, 0, rig.fake.surface, 0, 0);
	wl_pointer_send_button(pointer, 0, 0, BTN_LEFT, 1);
	wl_pointer_send_axis_value120(pointer, 0, 240);
	wl_pointer_send_axis(pointer, 0, 0, wl_fixed_from_int(30));
	wl_pointer_send_axis_value120(pointer, 1, -120);
	wl_pointer_send_frame(pointer);
	UNTIL(&rig, rig.inputs == 1);
	assert_int_equal(rig.input.count, 5);
	assert_event(&rig, 2, LINK_INPUT_BUTTON, BTN_LEFT, 1);
	assert_event(&rig, 3, LINK_INPUT_WHEEL, 0, 2);
	assert_event(&rig, 4, LINK_INPUT_HWHEEL, 0, -1);
	wl_pointer_send_leave(pointer, 0, rig.fake.surface);
	wl_pointer_send_frame(pointer);
	UNTIL(&rig, rig.inputs == 2);
	assert_int_equal(rig.input.count, 1);
	assert_event(&rig, 0, LINK_INPUT_BUTTON, BTN_LEFT, 0);
	rig_finish(&rig);
}

static void parts_of_a_click_add_up(void **state) {
	struct rig rig;
	start_input(&rig);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(rig.inputs, 0);
		wl_pointer_send_axis_value120(rig.fake.pointer, 0, 30);
		wl_pointer_send_frame(rig.fake.pointer);
		spin(&rig, 3);
	}
	UNTIL(&rig, rig.inputs == 1);
	assert_event(&rig, 0, LINK_INPUT_WHEEL, 0, 1);
	for (int i = 0; i < 3; i++) {
		wl_pointer_send_axis(rig.fake.pointer, 0, 0, wl_fixed_from_int(-5));
		wl_pointer_send_frame(rig.fake.pointer);
	}
	UNTIL(&rig, rig.inputs == 2);
	assert_event(&rig, 0, LINK_INPUT_WHEEL, 0, -1);
	wl_pointer_send_axis_value120(rig.fake.pointer, 0, INT32_MIN);
	wl_pointer_send_axis_value120(rig.fake.pointer, 0, INT32_MIN);
	wl_pointer_send_frame(rig.fake.pointer);
	UNTIL(&rig, rig.inputs == 3);
	assert_event(&rig, 0, LINK_INPUT_WHEEL, 0, -100);
	rig_finish(&rig);
}

static void a_new_compositor_shows_the_guest_again(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	for (int i = 0; i < 3; i++) {
		UNTIL(&rig, rig.fake.commits == 1);
		assert_damage(&rig, 0, 0, WIDTH, HEIGHT);
		wl_client_destroy(rig.fake.client);
		unsigned looked = rig.looked;
		bridge_drawn(rig.bridge);
		spin(&rig, 50);
		assert_in_range(rig.looked, looked, looked + 1);
		assert_int_equal(bridge_connect(rig.bridge, fake_connect(&rig.fake)), 0);
	}
	rig_finish(&rig);
}

static void a_second_connection_replaces_the_first(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	UNTIL(&rig, rig.fake.commits == 1);
	struct fake second;
	fake_init(&second, &usual);
	assert_int_equal(bridge_connect(rig.bridge, fake_connect(&second)), 0);
	UNTIL(&rig, rig.fake.client == NULL);
	uint64_t end = clock_usec() + USEC_PER_SEC;
	while (second.commits == 0 && clock_usec() < end) {
		fake_run(&second);
		step(&rig);
	}
	assert_int_equal(second.commits, 1);
	fake_finish(&second);
	rig_finish(&rig);
}

static void an_error_from_the_compositor_ends_only_the_connection(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	UNTIL(&rig, rig.fake.commits == 1);
	wl_resource_post_error(rig.fake.surface, 1, "no");
	UNTIL(&rig, rig.fake.client == NULL);
	spin(&rig, 20);
	assert_int_equal(bridge_connect(rig.bridge, fake_connect(&rig.fake)), 0);
	UNTIL(&rig, rig.fake.commits == 1);
	rig_finish(&rig);
}

static void a_peer_that_is_no_compositor_does_no_harm(void **state) {
	struct rig rig;
	rig_init(&rig, &usual);
	UNTIL(&rig, rig.fake.commits == 1);
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(bridge_connect(rig.bridge, pair[1]), 0);
	static const char junk[16384] = "HTTP/1.1 200 OK\r\n\r\n<html>";
	assert_int_equal(write(pair[0], junk, sizeof(junk)), sizeof(junk));
	spin(&rig, 20);
	close(pair[0]);
	UNTIL(&rig, rig.fake.client == NULL);
	assert_int_equal(bridge_connect(rig.bridge, fake_connect(&rig.fake)), 0);
	UNTIL(&rig, rig.fake.commits == 1);
	rig_finish(&rig);
}

static void without_the_role_an_ordinary_window_is_shown(void **state) {
	struct fake_options options = {.no_guest_role = true, .no_presentation = true};
	struct rig rig;
	rig_init(&rig, &options);
	UNTIL(&rig, rig.fake.commits == 1);
	assert_int_equal(rig.fake.empty_commits, 1);
	assert_string_equal(rig.fake.title, "mullion guest");
	assert_zero_copy(&rig);
	UNTIL(&rig, rig.fake.commits == 2);
	xdg_toplevel_send_close(rig.fake.toplevel);
	UNTIL(&rig, rig.fake.client == NULL);
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
		cmocka_unit_test(a_hidden_guest_is_shown_at_once_when_it_is_seen_again),
		cmocka_unit_test(a_hidden_guest_is_kept_up_to_date_with_one_frame_callback),
		cmocka_unit_test(a_compositor_that_stops_reading_stops_the_commits),
		cmocka_unit_test(questions_from_one_that_does_not_read_answers_cost_no_memory),
		cmocka_unit_test(keys_arrive_as_they_are_numbered),
		cmocka_unit_test(held_keys_are_released_when_the_focus_goes),
		cmocka_unit_test(keys_held_for_somebody_else_are_not_the_guests),
		cmocka_unit_test(held_keys_are_released_when_the_keyboard_goes),
		cmocka_unit_test(many_held_keys_are_released_in_several_messages),
		cmocka_unit_test(pointer_positions_are_scaled_and_clamped),
		cmocka_unit_test(a_pointer_frame_is_one_message),
		cmocka_unit_test(parts_of_a_click_add_up),
		cmocka_unit_test(a_new_compositor_shows_the_guest_again),
		cmocka_unit_test(a_second_connection_replaces_the_first),
		cmocka_unit_test(an_error_from_the_compositor_ends_only_the_connection),
		cmocka_unit_test(a_peer_that_is_no_compositor_does_no_harm),
		cmocka_unit_test(without_the_role_an_ordinary_window_is_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
