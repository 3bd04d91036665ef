/* The commands that talk to mullion, the compositor. */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "client.h"
#include "fd.h"
#include "screenshot.h"
#include "table.h"
#include "varlink-interfaces.h"

#define HEADS_MAX 16
#define SIZE_MAX_PIXELS 65536 // the compositor says what it allows

/* Reads a whole number between the limits; complains otherwise. */
static bool parse_integer(const char *text, long low, long high, long *ret) {
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (text[strspn(text, "-0123456789")] != '\0' || end == text || *end != '\0' ||
		errno != 0 || value < low || value > high) {
		complain("'%s' is no number from %ld to %ld", text, low, high);
		return false;
	}
	*ret = value;
	return true;
}

/*
 * The parameters that say which window: NAME, or NAME:HEAD. Returns 0 or a negative number
 * as sd_json_buildo(); CTL_USAGE, after complaining, where HEAD is no number.
 */
static int name_window(const char *word, sd_json_variant **ret) {
	const char *colon = strchr(word, ':');
	if (colon == NULL) {
		return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("name", word));
	}
	long head;
	if (!parse_integer(colon + 1, 1, HEADS_MAX, &head)) {
		return CTL_USAGE;
	}
	char *name = strndup(word, (size_t)(colon - word));
	int built = name == NULL ? -ENOMEM
				 : sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("name", name),
					   SD_JSON_BUILD_PAIR_INTEGER("head", head));
	free(name);
	return built < 0 ? built : 0;
}

static void print_windows(sd_json_variant *reply) {
	struct table table;
	table_init(
		&table, "GUEST|>HEAD|>X|>Y|SIZE|MODE|>STACK|FOCUSED|FULL SCREEN|>FRAMES|>DIRECT");
	for (size_t i = 0; i < json_length(reply, "windows"); i++) {
		sd_json_variant *window = json_item(reply, "windows", i);
		table_add(&table, json_text(window, "guest"));
		table_addf(&table, "%" PRIu64, json_number(window, "head"));
		table_addf(&table, "%" PRId64, json_signed(window, "x"));
		table_addf(&table, "%" PRId64, json_signed(window, "y"));
		table_addf(&table, "%" PRIu64 "x%" PRIu64, json_number(window, "width"),
			json_number(window, "height"));
		if (json_number(window, "modeWidth") > 0) {
			table_addf(&table, "%" PRIu64 "x%" PRIu64, json_number(window, "modeWidth"),
				json_number(window, "modeHeight"));
		} else {
			table_add(&table, NULL);
		}
		table_addf(&table, "%" PRIu64, json_number(window, "stack"));
		table_add(&table, json_bool(window, "focused") ? "yes" : "no");
		table_add(&table, json_bool(window, "fullscreen") ? "yes" : "no");
		table_addf(&table, "%" PRIu64, json_number(window, "frames"));
		table_addf(&table, "%" PRIu64, json_number(window, "direct"));
	}
	table_print(&table);
	table_finish(&table);
}

int command_windows(const struct invocation *invocation) {
	return call_and_print(invocation, DESKTOP_INTERFACE, "Windows", NULL, print_windows);
}

int command_screenshot(const struct invocation *invocation) {
	const char *name = invocation->argc > 1 ? invocation->argv[0] : NULL;
	const char *file = invocation->argv[invocation->argc - 1];
	sd_json_variant *parameters = NULL, *reply = NULL;
	int built = name != NULL ? name_window(name, &parameters) : 0;
	if (built < 0) {
		complain("'%s' is no guest's name", name);
		return CTL_FAILED;
	} else if (built > 0) {
		return built;
	}
	int fd = -1;
	bool ok = client_call(DESKTOP_INTERFACE, "Screenshot", parameters, &reply, &fd);
	if (ok) {
		struct picture picture = {
			.fd = fd,
			.width = json_number(reply, "width"),
			.height = json_number(reply, "height"),
			.stride = json_number(reply, "stride"),
		};
		const char *error = picture_write_png(&picture, file);
		if (error != NULL) {
			complain("%s: %s", file, error);
			ok = false;
		} else if (invocation->json) {
			sd_json_variant_dump(reply, SD_JSON_FORMAT_NEWLINE, stdout, NULL);
		}
	}
	fd_close(fd);
	sd_json_variant_unref(reply);
	sd_json_variant_unref(parameters);
	return ok ? 0 : CTL_FAILED;
}

int command_focus(const struct invocation *invocation) {
	sd_json_variant *parameters = NULL;
	int built = name_window(invocation->argv[0], &parameters);
	if (built > 0) {
		return built;
	}
	return call_built(invocation, DESKTOP_INTERFACE, "Focus", built, parameters, NULL);
}

int command_fullscreen(const struct invocation *invocation) {
	sd_json_variant *parameters = NULL;
	bool off = strcmp(invocation->argv[0], "off") == 0;
	int built = off ? 0 : name_window(invocation->argv[0], &parameters);
	if (built > 0) {
		return built;
	}
	return call_built(invocation, DESKTOP_INTERFACE, "Fullscreen", built, parameters, NULL);
}

/* Adds two numbers to the parameters of a call, and makes it. */
static int call_with_numbers(const struct invocation *invocation, const char *method,
	const char *const keys[2], const long numbers[2]) {
	sd_json_variant *parameters = NULL;
	int built = name_window(invocation->argv[0], &parameters);
	if (built > 0) {
		return built;
	}
	for (int i = 0; i < 2 && built >= 0; i++) {
		built = sd_json_variant_set_field_integer(&parameters, keys[i], numbers[i]);
	}
	return call_built(invocation, DESKTOP_INTERFACE, method, built, parameters, NULL);
}

int command_move(const struct invocation *invocation) {
	static const char *const keys[] = {"x", "y"};
	long place[2];
	for (int i = 0; i < 2; i++) {
		if (!parse_integer(invocation->argv[1 + i], -SIZE_MAX_PIXELS, SIZE_MAX_PIXELS,
			    &place[i])) {
			return CTL_USAGE;
		}
	}
	return call_with_numbers(invocation, "Move", keys, place);
}

/* "640x480", or "640" and "480". */
static bool parse_size(const struct invocation *invocation, long ret[2]) {
	const char *words[2] = {invocation->argv[1], NULL};
	char *first = NULL, *cross = strchr(words[0], 'x');
	if (invocation->argc == 3) {
		words[1] = invocation->argv[2];
	} else if (cross != NULL) {
		words[0] = first = strndup(words[0], (size_t)(cross - words[0]));
		words[1] = cross + 1;
	}
	bool ok = words[0] != NULL && words[1] != NULL;
	if (!ok) {
		complain("'%s' is no size such as 1024x768", invocation->argv[1]);
	}
	for (int i = 0; i < 2 && ok; i++) {
		ok = parse_integer(words[i], 1, SIZE_MAX_PIXELS, &ret[i]);
	}
	free(first);
	return ok;
}

int command_resize(const struct invocation *invocation) {
	static const char *const keys[] = {"width", "height"};
	long size[2];
	if (!parse_size(invocation, size)) {
		return CTL_USAGE;
	}
	return call_with_numbers(invocation, "Resize", keys, size);
}

int command_leave(const struct invocation *invocation) {
	return call_and_print(invocation, DESKTOP_INTERFACE, "Leave", NULL, NULL);
}
