/*
 * Screens whose scale is not 1: guests get every pixel, and see it where it is. The test is both
 * mulliond and the device.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../guests/card.h"
#include "one-guest.h"

#define FORMAT WL_SHM_FORMAT_XRGB8888
#define SCALE 1.5
#define SCREEN_WIDTH 1920
#define SCREEN_HEIGHT 1440
#define SECOND_X 1280 // of the layout

#define GREEN 0x00a040
#define RED 0xff1020

/* A frame of one pixel around dots. */
static uint32_t rings(uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
	bool edge = x == 0 || y == 0 || x == width - 1 || y == height - 1;
	return edge ? RED : (x + y) % 2 == 0 ? 0xffffff : 0x000000;
}

static uint32_t card(uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
	return card_pixel(x, y, width, height);
}

/* 1280x960 and 1280x1000 of the layout, side by side: wlroots brings the last one up first. */
static int set_up(void **state) {
	const struct session_options options = {
		.mullion_ini =
			"[output HEADLESS-2]\nsize = 1920x1440\nscale = 1.5\nrefresh = 75Hz\n"
			"[output HEADLESS-1]\nsize = 2560x2000\nscale = 2\nrefresh = 50Hz\n",
		.outputs = 2,
	};
	return desk_setup_with(state, &options);
}

/* The first of them alone: a virtual pointer spans the whole layout. */
static int set_up_one(void **state) {
	const struct session_options options = {
		.mullion_ini =
			"[output HEADLESS-1]\nsize = 1920x1440\nscale = 1.5\nrefresh = 75Hz\n",
	};
	return desk_setup_with(state, &options);
}

static void call(struct desk *desk, const char *method, const char *parameters) {
	assert_int_equal(session_call_json(&desk->session, method, parameters), 0);
}

static void move_window(struct desk *desk, int x, int y) {
	char text[80];
	snprintf(text, sizeof(text), "{\"name\":\"work\",\"x\":%d,\"y\":%d}", x, y);
	call(desk, "Move", text);
}

static void resize_window(struct desk *desk, int width, int height) {
	char text[80];
	snprintf(text, sizeof(text), "{\"name\":\"work\",\"width\":%d,\"height\":%d}", width,
		height);
	call(desk, "Resize", text);
}

/* The card in the size that the compositor asks for. */
static struct peer_head *show_card(struct desk *desk) {
	struct peer_head *head = &desk->peer.heads[0];
	if (head->desktop == NULL) {
		head = peer_make_head(&desk->peer, 0);
	}
	desk_sync(desk);
	wl_buffer_destroy(peer_draw(&desk->peer, head->surface, (int32_t)head->width,
		(int32_t)head->height, FORMAT, card));
	desk_sync(desk);
	desk_expect(desk, "work", "modeWidth", head->width);
	desk_expect(desk, "work", "modeHeight", head->height);
	return head;
}

static void assert_configured(
	struct desk *desk, uint32_t width, uint32_t height, uint32_t refresh, uint32_t scale) {
	desk_sync(desk);
	const struct peer_head *head = &desk->peer.heads[0];
	if (head->width != width || head->height != height || head->refresh != refresh ||
		head->scale != scale) {
		fail_msg("asked for %ux%u, %u mHz, scale %u", head->width, head->height,
			head->refresh, head->scale);
	}
}

/* Where the window's picture is on the first screen, in its pixels. */
static int place_of(struct desk *desk, const char *key) {
	return (int)lround((double)session_window(&desk->session, "work", key) * SCALE);
}

static void assert_card_at(struct desk *desk, int left, int top, uint32_t width, uint32_t height) {
	struct desk_picture picture = desk_picture(desk, NULL);
	assert_int_equal(picture.width, SCREEN_WIDTH);
	for (uint32_t y = 0; y < height; y++) {
		for (uint32_t x = 0; x < width; x++) {
			size_t i = ((size_t)top + y) * picture.width + (size_t)left + x;
			uint32_t is = picture.pixels[i] & 0xffffff;
			if (is != card_pixel(x, y, width, height)) {
				fail_msg("%ux%u at %d,%d: #%06x at %u,%u, not #%06x", width, height,
					left, top, is, x, y, card_pixel(x, y, width, height));
			}
		}
	}
	free(picture.pixels);
}

static void assert_exact(struct desk *desk) {
	const struct peer_head *head = &desk->peer.heads[0];
	assert_card_at(desk, place_of(desk, "x"), place_of(desk, "y"), head->width, head->height);
}

/* Modes */

static void mode_is_the_windows_size_in_pixels(void **state) {
	struct desk *desk = *state;
	struct peer_head *head = show_card(desk);
	assert_configured(desk, 1536, 1152, 75000, 180);
	desk_expect(desk, "work", "width", 1024);
	desk_expect(desk, "work", "height", 768);
	resize_window(desk, 701, 503);
	assert_configured(desk, 1052, 755, 75000, 180); // 1051.5 and 754.5
	assert_int_equal(head->configures, 2);
}

static void picture_is_shown_pixel_by_pixel_wherever_it_is(void **state) {
	struct desk *desk = *state;
	show_card(desk);
	assert_exact(desk);
	static const int sizes[][2] = {{701, 503}, {700, 501}, {333, 334}};
	for (size_t i = 0; i < 3; i++) {
		resize_window(desk, sizes[i][0], sizes[i][1]);
		show_card(desk);
		for (int at = 50; at < 54; at++) {
			move_window(desk, at, 100 + at);
			assert_in_range(
				session_window(&desk->session, "work", "x"), at - 1, at + 1);
			assert_exact(desk);
		}
	}
}

/* A mode of the guest's own choice need not be a whole number of the layout's pixels. */
static void mode_of_the_guests_choice_is_shown_pixel_by_pixel(void **state) {
	struct desk *desk = *state;
	struct peer_head *head = peer_make_head(&desk->peer, 0);
	static const int widths[] = {1024, 1025, 1026, 640};
	for (size_t i = 0; i < 4; i++) {
		int32_t width = widths[i], height = 769;
		wl_buffer_destroy(
			peer_draw(&desk->peer, head->surface, width, height, FORMAT, card));
		desk_sync(desk);
		desk_expect(desk, "work", "modeWidth", width);
		assert_card_at(desk, place_of(desk, "x"), place_of(desk, "y"), (uint32_t)width,
			(uint32_t)height);
	}
	assert_configured(desk, 1536, 1152, 75000, 180);
}

static void full_screen_is_every_pixel_of_the_screen(void **state) {
	struct desk *desk = *state;
	show_card(desk);
	assert_int_equal(session_call(&desk->session, "Fullscreen", "name", "work", NULL), 0);
	assert_configured(desk, SCREEN_WIDTH, SCREEN_HEIGHT, 75000, 180);
	show_card(desk);
	assert_card_at(desk, 0, 0, SCREEN_WIDTH, SCREEN_HEIGHT);
	assert_int_equal(session_call(&desk->session, "Fullscreen", NULL, NULL, NULL), 0);
	assert_configured(desk, 1536, 1152, 75000, 180);
	show_card(desk);
	assert_exact(desk);
}

static void another_screen_is_followed(void **state) {
	struct desk *desk = *state;
	show_card(desk);
	resize_window(desk, 601, 400);
	assert_configured(desk, 902, 600, 75000, 180);
	move_window(desk, SECOND_X + 100, 100);
	assert_configured(desk, 1202, 800, 50000, 240);
	desk_expect(desk, "work", "width", 601);
	show_card(desk);
	desk_expect(desk, "work", "width", 601);
	assert_int_equal(session_call(&desk->session, "Fullscreen", "name", "work", NULL), 0);
	assert_configured(desk, 2560, 2000, 50000, 240);
	assert_int_equal(session_call(&desk->session, "Fullscreen", NULL, NULL, NULL), 0);
	move_window(desk, 100, 100);
	assert_configured(desk, 902, 600, 75000, 180);
	show_card(desk);
	assert_exact(desk);
}

static void window_that_nobody_sized_is_as_large_on_every_screen(void **state) {
	struct desk *desk = *state;
	show_card(desk);
	move_window(desk, SECOND_X + 100, 50);
	assert_configured(desk, 2048, 1536, 50000, 240);
}

/* The pointer */

static void assert_points_at(struct desk *desk, int px, int py) {
	int left = place_of(desk, "x"), top = place_of(desk, "y");
	desk_do(desk, "move %d %d", left + px, top + py);
	const struct peer_pointer *pointer = &desk->peer.pointer;
	assert_non_null(pointer->inside);
	if ((int)floor(pointer->x) != px || (int)floor(pointer->y) != py) {
		fail_msg("points at %g,%g, not %d,%d", pointer->x, pointer->y, px, py);
	}
}

static void pointer_is_at_the_pixel_that_it_points_at(void **state) {
	struct desk *desk = *state;
	show_card(desk);
	resize_window(desk, 701, 503);
	show_card(desk);
	peer_take_pointer(&desk->peer);
	for (int at = 60; at < 64; at++) {
		move_window(desk, at, 2 * at);
		assert_points_at(desk, 1, 1);
		assert_points_at(desk, 100, 333);
		assert_points_at(desk, 1052 - 2, 755 - 2);
	}
}

/* What a guest's pointer covers: all of its own pixels, and none of them twice. */
static void guests_pointer_is_drawn_pixel_by_pixel(void **state) {
	struct desk *desk = *state;
	const int hot = 5;
	show_card(desk);
	resize_window(desk, 701, 503);
	desk_show(desk, 0, 1052, 755, GREEN);
	peer_take_pointer(&desk->peer);
	move_window(desk, 60, 120);
	int left = place_of(desk, "x"), top = place_of(desk, "y");
	desk_do(desk, "move %d %d", left + 50, top + 50);
	struct wl_surface *surface = wl_compositor_create_surface(desk->peer.compositor);
	struct peer_pointer *pointer = &desk->peer.pointer;
	wl_pointer_set_cursor(pointer->wl, pointer->serial, surface, hot, hot);
	wl_buffer_destroy(peer_draw(&desk->peer, surface, 16, 17, FORMAT, rings));
	desk_sync(desk);
	for (int at = 100; at < 106; at++) {
		desk_do(desk, "move %d %d", left + at, top + at + 1);
		struct desk_picture picture = desk_picture(desk, NULL);
		struct desk_box box = desk_find(&picture, RED, NULL);
		assert_int_equal(box.width, 16);
		assert_int_equal(box.height, 17);
		assert_in_range(box.x, left + at - hot - 1, left + at - hot + 1);
		assert_in_range(box.y, top + at + 1 - hot - 1, top + at + 1 - hot + 1);
		for (int i = 0; i < 16 * 17; i++) {
			int x = i % 16, y = i / 16;
			size_t place = (size_t)(box.y + y) * picture.width + (size_t)(box.x + x);
			assert_int_equal(picture.pixels[place] & 0xffffff,
				rings((uint32_t)x, (uint32_t)y, 16, 17));
		}
		free(picture.pixels);
	}
}

/* What mullion draws */

static int brightness(const struct desk_picture *picture, int x, int y) {
	uint32_t pixel = picture->pixels[(size_t)y * picture->width + (size_t)x];
	return (int)((pixel >> 16 & 0xff) + (pixel >> 8 & 0xff) + (pixel & 0xff));
}

/* From one pixel to the next most of the way from a title's ground to its letters. */
static void titles_are_drawn_in_the_screens_pixels(void **state) {
	struct desk *desk = *state;
	show_card(desk);
	for (int at = 60; at < 64; at++) {
		move_window(desk, at, at + 1);
		int left = place_of(desk, "x"), top = place_of(desk, "y");
		struct desk_picture picture = desk_picture(desk, NULL);
		int step = 0, darkest = INT32_MAX, brightest = 0;
		for (int y = top - 30; y < top - 10; y++) {
			for (int x = left; x < left + 200; x++) {
				int here = brightness(&picture, x, y);
				int by = abs(here - brightness(&picture, x + 1, y));
				step = by > step ? by : step;
				darkest = here < darkest ? here : darkest;
				brightest = here > brightest ? here : brightest;
			}
		}
		assert_true(step > (brightest - darkest) * 85 / 100);
		free(picture.pixels);
	}
}

static void borders_are_of_whole_pixels(void **state) {
	struct desk *desk = *state;
	show_card(desk);
	for (int at = 60; at < 64; at++) {
		move_window(desk, at, at + 1);
		int left = place_of(desk, "x"), y = place_of(desk, "y") + 100;
		struct desk_picture picture = desk_picture(desk, NULL);
		int colour = brightness(&picture, left - 1, y);
		for (int x = left - 6; x < left; x++) {
			assert_int_equal(brightness(&picture, x, y), colour);
		}
		assert_int_equal(brightness(&picture, left - 7, y), 0x2e + 0x34 + 0x36);
		free(picture.pixels);
	}
}

#define scale_test(function) cmocka_unit_test_setup_teardown(function, set_up, desk_teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		scale_test(mode_is_the_windows_size_in_pixels),
		scale_test(picture_is_shown_pixel_by_pixel_wherever_it_is),
		scale_test(mode_of_the_guests_choice_is_shown_pixel_by_pixel),
		scale_test(full_screen_is_every_pixel_of_the_screen),
		scale_test(another_screen_is_followed),
		scale_test(window_that_nobody_sized_is_as_large_on_every_screen),
		cmocka_unit_test_setup_teardown(
			pointer_is_at_the_pixel_that_it_points_at, set_up_one, desk_teardown),
		cmocka_unit_test_setup_teardown(
			guests_pointer_is_drawn_pixel_by_pixel, set_up_one, desk_teardown),
		scale_test(titles_are_drawn_in_the_screens_pixels),
		scale_test(borders_are_of_whole_pixels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
