/*
 * From the aperture to the Wayland surface: what the guest draws is shown, exactly, and
 * whatever it writes into the dispi registers (row 26 of the list of bad inputs), nothing
 * but its own aperture is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "guest-bochs.h"
#include "mock.h"
#include "recorded.h"
#include "recorder.h"

#define APERTURE (4u << 20)
#define SLICE (8u << 20)
#define CANARY 0x5a // fills the part of the slice that no guest may show
#define SHOWN_MSEC 3000

struct picture {
	struct mock mock;
	struct bochs_guest guest;
	struct recorder *recorder;
};

static int setup_with(void **state, unsigned flags) {
	struct picture *p = calloc(1, sizeof(*p));
	*state = p;
	p->mock.vmm.fd = -1;
	const struct device_options options = {
		.name = "picture", .slice_size = SLICE, .aperture_size = APERTURE};
	int fd;
	p->recorder = recorder_create(flags, &fd);
	if (p->recorder == NULL || device_host_start(&p->mock.host, &options) < 0) {
		return -1;
	}
	memset(p->mock.host.slice + APERTURE, CANARY, SLICE - APERTURE);
	int error = device_host_display(&p->mock.host, fd);
	close(fd);
	if (error == 0) {
		error = vmm_open(&p->mock.vmm, p->mock.host.paths[0]);
	}
	return error == 0 ? bochs_start(&p->guest, &p->mock.vmm) : error;
}

static int setup(void **state) {
	return setup_with(state, 0);
}

static int setup_all_formats(void **state) {
	return setup_with(state, RECORDER_FORMATS_ALL);
}

static int teardown(void **state) {
	struct picture *p = *state;
	bochs_finish(&p->guest);
	recorded_end(&p->mock, p->recorder);
	free(p);
	return 0;
}

/* A pattern that shows stride and offset errors. */
static uint32_t pattern(uint32_t x, uint32_t y) {
	return (x * 7 & 0xff) << 16 | (y * 13 & 0xff) << 8 | ((x ^ y) & 0xff);
}

static void draw_pattern(struct bochs_guest *guest) {
	for (uint32_t y = 0; y < guest->height; y++) {
		uint32_t *row = (uint32_t *)(guest->vram.map + (uint64_t)y * guest->stride);
		for (uint32_t x = 0; x < guest->width; x++) {
			row[x] = pattern(x, y);
		}
	}
}

static bool shows_pattern(struct recorder *recorder, void *data) {
	const struct bochs_guest *guest = data;
	if (recorder->width != guest->width || recorder->height != guest->height) {
		return false;
	}
	for (uint32_t y = 0; y < recorder->height; y++) {
		for (uint32_t x = 0; x < recorder->width; x++) {
			if (recorder_pixel(recorder, x, y) != pattern(x, y)) {
				return false;
			}
		}
	}
	return true;
}

struct expected_pixel {
	uint32_t x, y, colour;
};

static bool shows_pixel(struct recorder *recorder, void *data) {
	const struct expected_pixel *pixel = data;
	return pixel->x < recorder->width && pixel->y < recorder->height &&
		recorder_pixel(recorder, pixel->x, pixel->y) == pixel->colour;
}

static void assert_pixel(struct picture *p, uint32_t x, uint32_t y, uint32_t colour) {
	struct expected_pixel pixel = {x, y, colour};
	if (!recorder_wait(p->recorder, shows_pixel, &pixel, SHOWN_MSEC)) {
		fail_msg("%ux%u shows no %06x at %u,%u", p->recorder->width, p->recorder->height,
			colour, x, y);
	}
}

static void drawing_is_shown_exactly(void **state) {
	struct picture *p = *state;
	const uint32_t modes[][2] = {{1024, 768}, {800, 600}, {640, 480}, {1000, 333}, {8, 1}};
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(bochs_set_mode(&p->guest, modes[i][0], modes[i][1], 32), 0);
		draw_pattern(&p->guest);
		assert_true(recorder_wait(p->recorder, shows_pattern, &p->guest, SHOWN_MSEC));
	}
	assert_int_equal(device_host_state(&p->mock.host)->traps[TRAP_VRAM], 0);
}

static void small_change_has_small_damage(void **state) {
	struct picture *p = *state;
	assert_int_equal(bochs_set_mode(&p->guest, 1024, 768, 32), 0);
	draw_pattern(&p->guest);
	assert_true(recorder_wait(p->recorder, shows_pattern, &p->guest, SHOWN_MSEC));
	recorder_run(p->recorder, 100);
	bochs_fill(&p->guest, 500, 300, 10, 10, 0xabcdef);
	assert_true(recorder_wait_commit(p->recorder, SHOWN_MSEC));
	assert_int_equal(recorder_pixel(p->recorder, 505, 305), 0xabcdef);
	assert_in_range(recorder_damage_pixels(p->recorder), 100, 4 * 64 * 16);
	assert_int_equal(p->recorder->out_of_box, 0);
}

static void unchanged_picture_causes_no_commit(void **state) {
	struct picture *p = *state;
	assert_int_equal(bochs_set_mode(&p->guest, 1024, 768, 32), 0);
	draw_pattern(&p->guest);
	assert_true(recorder_wait(p->recorder, shows_pattern, &p->guest, SHOWN_MSEC));
	recorder_run(p->recorder, 200);
	uint64_t commits = p->recorder->commits;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(bochs_hint(&p->guest), 0);
		draw_pattern(&p->guest);
		recorder_run(p->recorder, 20);
	}
	assert_int_equal(p->recorder->commits, commits);
}

static void idle_guest_is_looked_at_rarely_and_seen_at_once(void **state) {
	struct picture *p = *state;
	assert_int_equal(bochs_set_mode(&p->guest, 1024, 768, 32), 0);
	draw_pattern(&p->guest);
	assert_true(recorder_wait(p->recorder, shows_pattern, &p->guest, SHOWN_MSEC));
	recorder_run(p->recorder, 2000);
	uint64_t looks = device_host_live(&p->mock.host)->looks;
	recorder_run(p->recorder, 1000);
	assert_in_range(device_host_live(&p->mock.host)->looks - looks, 1, 10);
	bochs_fill(&p->guest, 0, 0, 1, 1, 0x123456);
	assert_true(recorder_wait_commit(p->recorder, 1000));
	assert_int_equal(recorder_pixel(p->recorder, 0, 0), 0x123456);
}

static void hidden_guest_is_looked_at_rarely(void **state) {
	struct picture *p = *state;
	assert_int_equal(bochs_set_mode(&p->guest, 1024, 768, 32), 0);
	draw_pattern(&p->guest);
	assert_true(recorder_wait(p->recorder, shows_pattern, &p->guest, SHOWN_MSEC));
	recorder_set_visible(p->recorder, false);
	recorder_run(p->recorder, 200);
	uint64_t looks = device_host_live(&p->mock.host)->looks;
	for (uint32_t i = 0; i < 100; i++) {
		bochs_fill(&p->guest, 0, 0, 100, 100, i);
		bochs_hint(&p->guest);
		recorder_run(p->recorder, 10);
	}
	assert_in_range(device_host_live(&p->mock.host)->looks - looks, 0, 4);
	recorder_set_visible(p->recorder, true);
	assert_pixel(p, 50, 50, 99);
}

static void commits_follow_the_frames_of_the_compositor(void **state) {
	struct picture *p = *state;
	assert_int_equal(bochs_set_mode(&p->guest, 640, 480, 32), 0);
	draw_pattern(&p->guest);
	assert_true(recorder_wait(p->recorder, shows_pattern, &p->guest, SHOWN_MSEC));
	uint64_t commits = p->recorder->commits, start = clock_usec();
	for (uint32_t i = 0; i < 500; i++) {
		bochs_fill(&p->guest, 0, 0, 640, 480, i * 0x010203);
		recorder_run(p->recorder, 2);
	}
	// A slow machine shows fewer, no machine more than the compositor asks for.
	uint64_t frames = (clock_usec() - start) / 16000;
	assert_in_range(p->recorder->commits - commits, 5, frames + 3);
}

static void offset_pans_the_picture(void **state) {
	struct picture *p = *state;
	assert_int_equal(bochs_set_mode(&p->guest, 640, 480, 32), 0);
	bochs_fill(&p->guest, 0, 0, 640, 480, 0x0000ff);
	bochs_fill(&p->guest, 0, 480, 640, 480, 0x00ff00);
	assert_pixel(p, 10, 10, 0x0000ff);
	assert_int_equal(bochs_write(&p->guest, BOCHS_VIRT_HEIGHT, 960), 0);
	assert_int_equal(bochs_write(&p->guest, BOCHS_Y_OFFSET, 480), 0);
	assert_pixel(p, 639, 479, 0x00ff00);
	assert_int_equal(recorder_pixel(p->recorder, 0, 0), 0x00ff00);
	assert_int_equal(bochs_write(&p->guest, BOCHS_Y_OFFSET, 479), 0);
	assert_pixel(p, 0, 0, 0x0000ff);
	assert_int_equal(recorder_pixel(p->recorder, 0, 1), 0x00ff00);
}

static void depths_are_shown_right(void **state) {
	struct picture *p = *state;
	const struct {
		uint32_t bpp, bytes;
		uint32_t red, green, blue; // pixel values
	} depths[] = {
		{15, 2, 0x7c00, 0x03e0, 0x001f},
		{16, 2, 0xf800, 0x07e0, 0x001f},
		{24, 3, 0xff0000, 0x00ff00, 0x0000ff},
		{32, 4, 0xff0000, 0x00ff00, 0x0000ff},
	};
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		assert_int_equal(bochs_set_mode(&p->guest, 640, 480, depths[i].bpp), 0);
		for (uint32_t at = 0; at < 640 * 480; at++) {
			uint32_t column = at % 640 / 214;
			uint32_t value = column == 0 ? depths[i].red
				: column == 1        ? depths[i].green
						     : depths[i].blue;
			memcpy(p->guest.vram.map + (uint64_t)at * depths[i].bytes, &value,
				depths[i].bytes);
		}
		assert_pixel(p, 639, 479, 0x0000ff);
		assert_int_equal(recorder_pixel(p->recorder, 0, 0), 0xff0000);
		assert_int_equal(recorder_pixel(p->recorder, 300, 100), 0x00ff00);
	}
}

static void palette_colours_the_picture(void **state) {
	struct picture *p = *state;
	assert_int_equal(bochs_set_mode(&p->guest, 640, 480, 8), 0);
	memset(p->guest.vram.map, 7, 640 * 480);
	assert_int_equal(bochs_set_palette(&p->guest, 7, 63, 0, 0), 0);
	assert_pixel(p, 320, 240, 0xff0000);
	// A palette change alone changes the picture.
	assert_int_equal(bochs_set_palette(&p->guest, 7, 0, 63, 0), 0);
	assert_pixel(p, 320, 240, 0x00ff00);
}

static void reset_takes_the_picture_away_and_a_mode_brings_it_back(void **state) {
	struct picture *p = *state;
	assert_int_equal(bochs_set_mode(&p->guest, 800, 600, 32), 0);
	bochs_fill(&p->guest, 0, 0, 800, 600, 0xff00ff);
	assert_pixel(p, 1, 1, 0xff00ff);
	assert_int_equal(vmm_reset(&p->mock.vmm), 0);
	recorder_run(p->recorder, 200);
	assert_int_equal(bochs_set_mode(&p->guest, 1024, 768, 32), 0);
	bochs_fill(&p->guest, 0, 0, 1024, 768, 0x00ffff);
	assert_pixel(p, 1023, 767, 0x00ffff);
}

static void new_compositor_gets_the_whole_picture(void **state) {
	struct picture *p = *state;
	assert_int_equal(bochs_set_mode(&p->guest, 800, 600, 32), 0);
	draw_pattern(&p->guest);
	assert_true(recorder_wait(p->recorder, shows_pattern, &p->guest, SHOWN_MSEC));
	memset(p->recorder->pixels, 0, 800 * 600 * 4);
	int fd = recorder_connect(p->recorder);
	assert_int_equal(device_host_display(&p->mock.host, fd), 0);
	close(fd);
	assert_true(recorder_wait(p->recorder, shows_pattern, &p->guest, SHOWN_MSEC));
}

/* Row 26 */

static bool shows_canary(const struct recorder *recorder) {
	const uint32_t canary = CANARY << 16 | CANARY << 8 | CANARY;
	for (uint64_t i = 0; i < (uint64_t)recorder->width * recorder->height; i++) {
		if (recorder->pixels[i] == canary) {
			return true;
		}
	}
	return false;
}

static void assert_in_the_aperture(struct picture *p, const char *what, uint32_t value) {
	recorder_run(p->recorder, 40);
	if (p->recorder->gone || shows_canary(p->recorder)) {
		fail_msg("%s %u: %s", what, value,
			p->recorder->gone ? "thrown out by the compositor" : "not its own memory");
	}
	mock_assert_served(&p->mock);
}

static void impossible_modes_never_leave_the_aperture(void **state) {
	struct picture *p = *state;
	const struct {
		const char *what;
		enum bochs_register index;
	} registers[] = {
		{"width", BOCHS_XRES},
		{"height", BOCHS_YRES},
		{"depth", BOCHS_BPP},
		{"virtual width", BOCHS_VIRT_WIDTH},
		{"virtual height", BOCHS_VIRT_HEIGHT},
		{"x offset", BOCHS_X_OFFSET},
		{"y offset", BOCHS_Y_OFFSET},
		{"bank", BOCHS_BANK},
		{"enable", BOCHS_ENABLE},
	};
	const uint16_t values[] = {
		0, 1, 3, 7, 8, 9, 15, 16, 17, 24, 31, 33, 799, 801, 0x7fff, 0x8000, 0xffff};
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			// Written while the display is on, and before it is switched on.
			assert_int_equal(bochs_set_mode(&p->guest, 800, 600, 32), 0);
			bochs_write(&p->guest, registers[i].index, values[v]);
			assert_in_the_aperture(p, registers[i].what, values[v]);
			bochs_write(&p->guest, BOCHS_ENABLE, 0);
			bochs_write(&p->guest, registers[i].index, values[v]);
			bochs_write(&p->guest, BOCHS_ENABLE, BOCHS_ENABLED | BOCHS_LFB);
			assert_in_the_aperture(p, registers[i].what, values[v]);
		}
	}
	assert_int_equal(bochs_set_mode(&p->guest, 800, 600, 32), 0);
	bochs_fill(&p->guest, 0, 0, 800, 600, 0x00ff00);
	assert_pixel(p, 799, 599, 0x00ff00);
}

static void clearing_a_mode_stays_in_the_aperture(void **state) {
	struct picture *p = *state;
	assert_int_equal(bochs_set_mode(&p->guest, 1024, 768, 32), 0);
	bochs_write(&p->guest, BOCHS_ENABLE, 0);
	bochs_write(&p->guest, BOCHS_XRES, 0xffff);
	bochs_write(&p->guest, BOCHS_YRES, 0xffff);
	bochs_write(&p->guest, BOCHS_VIRT_WIDTH, 0xffff);
	bochs_write(&p->guest, BOCHS_ENABLE, BOCHS_ENABLED | BOCHS_LFB);
	mock_assert_served(&p->mock);
	for (size_t i = APERTURE; i < SLICE; i++) {
		assert_int_equal(p->mock.host.slice[i], CANARY);
	}
}

static void frame_that_just_fits_is_shown_and_one_more_row_is_not(void **state) {
	struct picture *p = *state;
	// 1024 x 1024 x 4 is the aperture.
	assert_int_equal(bochs_set_mode(&p->guest, 1024, 1024, 32), 0);
	bochs_fill(&p->guest, 0, 0, 1024, 1024, 0x0000ff);
	assert_pixel(p, 1023, 1023, 0x0000ff);
	assert_int_equal(p->recorder->height, 1024);
	assert_int_equal(bochs_set_mode(&p->guest, 1024, 1025, 32), 0);
	assert_in_the_aperture(p, "height", 1025);
	assert_int_not_equal(p->recorder->height, 1025);
}

static void mode_that_flaps_is_always_consistent(void **state) {
	struct picture *p = *state;
	const uint32_t modes[][2] = {{1024, 768}, {640, 480}, {800, 600}, {320, 200}};
	for (uint32_t i = 0; i < 400; i++) {
		const uint32_t *mode = modes[i % ARRAY_SIZE(modes)];
		assert_int_equal(bochs_set_mode(&p->guest, mode[0], mode[1], 32), 0);
		recorder_run(p->recorder, i % 3 == 0 ? 5 : 0);
		if (p->recorder->commits == 0) {
			continue;
		}
		bool known = false;
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
			known = known ||
				(p->recorder->width == modes[m][0] &&
					p->recorder->height == modes[m][1] &&
					p->recorder->stride == 4 * modes[m][0]);
		}
		assert_true(known);
	}
	assert_false(p->recorder->gone);
}

#define picture_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		picture_test(drawing_is_shown_exactly),
		picture_test(small_change_has_small_damage),
		picture_test(unchanged_picture_causes_no_commit),
		picture_test(idle_guest_is_looked_at_rarely_and_seen_at_once),
		picture_test(hidden_guest_is_looked_at_rarely),
		picture_test(commits_follow_the_frames_of_the_compositor),
		picture_test(offset_pans_the_picture),
		picture_test(depths_are_shown_right),
		cmocka_unit_test_setup_teardown(
			depths_are_shown_right, setup_all_formats, teardown),
		picture_test(palette_colours_the_picture),
		picture_test(reset_takes_the_picture_away_and_a_mode_brings_it_back),
		picture_test(new_compositor_gets_the_whole_picture),
		picture_test(impossible_modes_never_leave_the_aperture),
		picture_test(clearing_a_mode_stays_in_the_aperture),
		picture_test(frame_that_just_fits_is_shown_and_one_more_row_is_not),
		picture_test(mode_that_flaps_is_always_consistent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
