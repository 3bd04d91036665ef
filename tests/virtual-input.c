/*
 * A keyboard and a pointer for the tests, moved by words. It is a client of
 * zwp_virtual_keyboard_v1 and zwlr_virtual_pointer_v1.
 *
 *	virtual-input COMMAND...     does one command
 *	virtual-input                reads commands, one a line, and answers each with "ok"
 *
 *	key CODE [MODIFIER...]       presses and releases a key (evdev's numbers) while the
 *	                             modifiers (super, shift, ctrl, alt) are held
 *	press CODE, release CODE
 *	taps COUNT CODE...           so many of those keys in turn, without a pause
 *	type TEXT                    ASCII, as on a US keyboard; \n is Return
 *	move X Y                     pixels of the first output
 *	by X Y                       as a mouse, from where it is
 *	button CODE 1|0              e.g. 272, the left one
 *	click X Y [MODIFIER...]
 *	drag X Y X Y STEPS [MODIFIER...]  with the left button
 *	wheel CLICKS                 positive is down
 *	sleep MS
 *
 * Keys that are still held are released when it ends.
 */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <wayland-client.h>
#include <xkbcommon/xkbcommon.h>

#include "virtual-input-client-protocol.h"

#define WORDS_MAX 16
#define STEP_MS 8 // between two events, so that none is merged with the next

struct input {
	struct wl_display *display;
	struct wl_registry *registry;
	struct wl_seat *seat;
	struct wl_output *output;
	struct zwp_virtual_keyboard_manager_v1 *keyboards;
	struct zwlr_virtual_pointer_manager_v1 *pointers;
	struct zwp_virtual_keyboard_v1 *keyboard;
	struct zwlr_virtual_pointer_v1 *pointer;
	struct xkb_context *context;
	struct xkb_keymap *keymap;
	struct xkb_state *state;
	int32_t width, height; // pixels of the output
};

struct modifier {
	const char *name;
	uint32_t code;
};

static const struct modifier modifiers[] = {
	{"super", KEY_LEFTMETA},
	{"shift", KEY_LEFTSHIFT},
	{"ctrl", KEY_LEFTCTRL},
	{"alt", KEY_LEFTALT},
};

static _Noreturn void fail(const char *why) {
	fprintf(stderr, "virtual-input: %s\n", why);
	exit(1);
}

static void handle_mode(void *data, struct wl_output *output, uint32_t flags, int32_t width,
	int32_t height, int32_t refresh) {
	struct input *input = data;
	if (flags & WL_OUTPUT_MODE_CURRENT) {
		input->width = width;
		input->height = height;
	}
}

static void handle_geometry(void *data, struct wl_output *output, int32_t x, int32_t y,
	int32_t width_mm, int32_t height_mm, int32_t subpixel, const char *make, const char *model,
	int32_t transform) {
}

static const struct wl_output_listener output_listener = {
	.geometry = handle_geometry,
	.mode = handle_mode,
};

static void handle_global(void *data, struct wl_registry *registry, uint32_t name,
	const char *interface, uint32_t version) {
	struct input *input = data;
	if (strcmp(interface, wl_seat_interface.name) == 0 && input->seat == NULL) {
		input->seat = wl_registry_bind(registry, name, &wl_seat_interface, 1);
	} else if (strcmp(interface, wl_output_interface.name) == 0 && input->output == NULL) {
		input->output = wl_registry_bind(registry, name, &wl_output_interface, 1);
		wl_output_add_listener(input->output, &output_listener, input);
	} else if (strcmp(interface, zwp_virtual_keyboard_manager_v1_interface.name) == 0) {
		input->keyboards = wl_registry_bind(
			registry, name, &zwp_virtual_keyboard_manager_v1_interface, 1);
	} else if (strcmp(interface, zwlr_virtual_pointer_manager_v1_interface.name) == 0) {
		input->pointers = wl_registry_bind(
			registry, name, &zwlr_virtual_pointer_manager_v1_interface, 1);
	}
}

static void handle_global_remove(void *data, struct wl_registry *registry, uint32_t name) {
}

static const struct wl_registry_listener registry_listener = {
	.global = handle_global,
	.global_remove = handle_global_remove,
};

static uint32_t now_ms(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* Sends what is queued, and lets the compositor have it before more comes. */
static void settle(struct input *input) {
	if (wl_display_roundtrip(input->display) < 0) {
		fail("the compositor is gone");
	}
	nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
}

static void upload_keymap(struct input *input) {
	char *text = xkb_keymap_get_as_string(input->keymap, XKB_KEYMAP_FORMAT_TEXT_V1);
	size_t size = text != NULL ? strlen(text) + 1 : 0;
	int fd = memfd_create("keymap", MFD_CLOEXEC);
	if (text == NULL || fd < 0 || write(fd, text, size) != (ssize_t)size) {
		fail("the keymap cannot be made");
	}
	zwp_virtual_keyboard_v1_keymap(
		input->keyboard, WL_KEYBOARD_KEYMAP_FORMAT_XKB_V1, fd, (uint32_t)size);
	close(fd);
	free(text);
}

static void connect_to_compositor(struct input *input) {
	input->display = wl_display_connect(NULL);
	if (input->display == NULL) {
		fail("no compositor: is WAYLAND_DISPLAY right?");
	}
	input->registry = wl_display_get_registry(input->display);
	wl_registry_add_listener(input->registry, &registry_listener, input);
	wl_display_roundtrip(input->display);
	wl_display_roundtrip(input->display);
	if (input->seat == NULL || input->keyboards == NULL || input->pointers == NULL) {
		fail("the compositor has no virtual keyboard or pointer");
	}
	input->keyboard = zwp_virtual_keyboard_manager_v1_create_virtual_keyboard(
		input->keyboards, input->seat);
	input->pointer = zwlr_virtual_pointer_manager_v1_create_virtual_pointer(
		input->pointers, input->seat);
	input->context = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
	struct xkb_rule_names us = {.layout = "us"};
	input->keymap = xkb_keymap_new_from_names(input->context, &us, XKB_KEYMAP_COMPILE_NO_FLAGS);
	if (input->keymap == NULL) {
		fail("no keymap: is xkb-data installed?");
	}
	input->state = xkb_state_new(input->keymap);
	upload_keymap(input);
	settle(input);
}

static void finish(struct input *input) {
	zwp_virtual_keyboard_v1_destroy(input->keyboard);
	zwlr_virtual_pointer_v1_destroy(input->pointer);
	zwp_virtual_keyboard_manager_v1_destroy(input->keyboards);
	zwlr_virtual_pointer_manager_v1_destroy(input->pointers);
	wl_seat_destroy(input->seat);
	if (input->output != NULL) {
		wl_output_destroy(input->output);
	}
	wl_display_roundtrip(input->display);
	wl_registry_destroy(input->registry);
	xkb_state_unref(input->state);
	xkb_keymap_unref(input->keymap);
	xkb_context_unref(input->context);
	wl_display_disconnect(input->display);
}

/* A virtual keyboard says itself which modifiers are in force. */
static void send_key(struct input *input, uint32_t code, bool pressed) {
	zwp_virtual_keyboard_v1_key(input->keyboard, now_ms(), code, pressed);
	xkb_state_update_key(input->state, code + 8, pressed ? XKB_KEY_DOWN : XKB_KEY_UP);
	zwp_virtual_keyboard_v1_modifiers(input->keyboard,
		xkb_state_serialize_mods(input->state, XKB_STATE_MODS_DEPRESSED),
		xkb_state_serialize_mods(input->state, XKB_STATE_MODS_LATCHED),
		xkb_state_serialize_mods(input->state, XKB_STATE_MODS_LOCKED),
		xkb_state_serialize_layout(input->state, XKB_STATE_LAYOUT_EFFECTIVE));
	settle(input);
}

static void send_modifiers(struct input *input, int argc, char **argv, bool pressed) {
	for (int i = 0; i < argc; i++) {
		bool found = false;
		for (size_t j = 0; j < sizeof(modifiers) / sizeof(modifiers[0]); j++) {
			if (strcmp(argv[i], modifiers[j].name) == 0) {
				send_key(input, modifiers[j].code, pressed);
				found = true;
			}
		}
		if (!found) {
			fail("a modifier is super, shift, ctrl or alt");
		}
	}
}

static void send_move(struct input *input, int x, int y) {
	if (input->width <= 0 || input->height <= 0) {
		fail("the compositor has no output");
	}
	zwlr_virtual_pointer_v1_motion_absolute(
		input->pointer, now_ms(), x, y, input->width, input->height);
	zwlr_virtual_pointer_v1_frame(input->pointer);
	settle(input);
}

static void send_button(struct input *input, uint32_t code, bool pressed) {
	zwlr_virtual_pointer_v1_button(input->pointer, now_ms(), code, pressed);
	zwlr_virtual_pointer_v1_frame(input->pointer);
	settle(input);
}

static void send_wheel(struct input *input, int clicks) {
	zwlr_virtual_pointer_v1_axis_source(input->pointer, WL_POINTER_AXIS_SOURCE_WHEEL);
	zwlr_virtual_pointer_v1_axis_discrete(input->pointer, now_ms(),
		WL_POINTER_AXIS_VERTICAL_SCROLL, wl_fixed_from_int(clicks * 15), clicks);
	zwlr_virtual_pointer_v1_frame(input->pointer);
	settle(input);
}

static void send_drag(struct input *input, const int from[2], const int to[2], int steps) {
	send_move(input, from[0], from[1]);
	send_button(input, BTN_LEFT, true);
	for (int i = 1; i <= steps; i++) {
		send_move(input, from[0] + (to[0] - from[0]) * i / steps,
			from[1] + (to[1] - from[1]) * i / steps);
	}
	send_button(input, BTN_LEFT, false);
}

/* The key that gives a character on this keymap, and whether Shift is needed. */
static bool find_character(
	struct input *input, char character, uint32_t *ret_code, bool *ret_shift) {
	xkb_keysym_t wanted =
		character == '\n' ? XKB_KEY_Return : xkb_utf32_to_keysym((uint32_t)character);
	for (uint32_t code = KEY_ESC; code < KEY_LEFTMETA; code++) {
		for (xkb_level_index_t level = 0; level < 2; level++) {
			const xkb_keysym_t *symbols;
			int count = xkb_keymap_key_get_syms_by_level(
				input->keymap, code + 8, 0, level, &symbols);
			if (count == 1 && symbols[0] == wanted) {
				*ret_code = code;
				*ret_shift = level == 1;
				return true;
			}
		}
	}
	return false;
}

static void send_character(struct input *input, char character) {
	uint32_t code;
	bool shift;
	if (!find_character(input, character, &code, &shift)) {
		fail("a character that no key gives");
	}
	if (shift) {
		send_key(input, KEY_LEFTSHIFT, true);
	}
	send_key(input, code, true);
	send_key(input, code, false);
	if (shift) {
		send_key(input, KEY_LEFTSHIFT, false);
	}
}

static void send_text(struct input *input, const char *text) {
	for (; *text != '\0'; text++) {
		bool newline = text[0] == '\\' && text[1] == 'n';
		send_character(input, newline ? '\n' : *text);
		text += newline;
	}
}

static void sleep_ms(int ms) {
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* `count` numbers from the words after the command. */
static void numbers(int argc, char **argv, int *ret, int count) {
	if (argc < count + 1) {
		fail("a number is missing");
	}
	for (int i = 0; i < count; i++) {
		char *end;
		ret[i] = (int)strtol(argv[i + 1], &end, 10);
		if (*end != '\0') {
			fail("not a number");
		}
	}
}

static void do_taps(struct input *input, int argc, char **argv) {
	int count, code;
	numbers(argc, argv, &count, 1);
	for (int i = 0; i < count && argc > 2; i++) {
		numbers(argc - 1 - i % (argc - 2), argv + 1 + i % (argc - 2), &code, 1);
		zwp_virtual_keyboard_v1_key(input->keyboard, now_ms(), (uint32_t)code, 1);
		zwp_virtual_keyboard_v1_key(input->keyboard, now_ms(), (uint32_t)code, 0);
		wl_display_flush(input->display);
	}
	settle(input);
}

static void do_click(struct input *input, const int at[2], int argc, char **argv) {
	send_modifiers(input, argc, argv, true);
	send_move(input, at[0], at[1]);
	send_button(input, BTN_LEFT, true);
	send_button(input, BTN_LEFT, false);
	send_modifiers(input, argc, argv, false);
}

static void do_command(struct input *input, int argc, char **argv) {
	const char *command = argv[0];
	int n[5];
	if (strcmp(command, "key") == 0) {
		numbers(argc, argv, n, 1);
		send_modifiers(input, argc - 2, argv + 2, true);
		send_key(input, n[0], true);
		send_key(input, n[0], false);
		send_modifiers(input, argc - 2, argv + 2, false);
	} else if (strcmp(command, "press") == 0 || strcmp(command, "release") == 0) {
		numbers(argc, argv, n, 1);
		send_key(input, n[0], command[0] == 'p');
	} else if (strcmp(command, "taps") == 0) {
		do_taps(input, argc, argv);
	} else if (strcmp(command, "move") == 0) {
		numbers(argc, argv, n, 2);
		send_move(input, n[0], n[1]);
	} else if (strcmp(command, "by") == 0) {
		numbers(argc, argv, n, 2);
		zwlr_virtual_pointer_v1_motion(
			input->pointer, now_ms(), wl_fixed_from_int(n[0]), wl_fixed_from_int(n[1]));
		zwlr_virtual_pointer_v1_frame(input->pointer);
		settle(input);
	} else if (strcmp(command, "button") == 0) {
		numbers(argc, argv, n, 2);
		send_button(input, n[0], n[1] != 0);
	} else if (strcmp(command, "click") == 0) {
		numbers(argc, argv, n, 2);
		do_click(input, n, argc - 3, argv + 3);
	} else if (strcmp(command, "drag") == 0) {
		numbers(argc, argv, n, 5);
		send_modifiers(input, argc - 6, argv + 6, true);
		send_drag(input, &n[0], &n[2], n[4] > 0 ? n[4] : 1);
		send_modifiers(input, argc - 6, argv + 6, false);
	} else if (strcmp(command, "wheel") == 0) {
		numbers(argc, argv, n, 1);
		send_wheel(input, n[0]);
	} else if (strcmp(command, "sleep") == 0) {
		numbers(argc, argv, n, 1);
		sleep_ms(n[0]);
	} else {
		fail("unknown command");
	}
}

static void do_line(struct input *input, char *line) {
	char *words[WORDS_MAX], *rest = NULL;
	int count = 0;
	if (strncmp(line, "type ", 5) == 0) {
		send_text(input, line + 5);
		return;
	}
	for (char *word = strtok_r(line, " ", &rest); word != NULL && count < WORDS_MAX;
		word = strtok_r(NULL, " ", &rest)) {
		words[count++] = word;
	}
	if (count > 0) {
		do_command(input, count, words);
	}
}

int main(int argc, char **argv) {
	struct input input = {0};
	connect_to_compositor(&input);
	if (argc == 3 && strcmp(argv[1], "type") == 0) {
		send_text(&input, argv[2]);
	} else if (argc > 1) {
		do_command(&input, argc - 1, argv + 1);
	} else {
		char *line = NULL;
		size_t size = 0;
		while (getline(&line, &size, stdin) > 0) {
			line[strcspn(line, "\n")] = '\0';
			do_line(&input, line);
			puts("ok");
			fflush(stdout);
		}
		free(line);
	}
	finish(&input);
	return 0;
}
