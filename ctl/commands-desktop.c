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

static void print_windows(sd_json_variant *reply) {
	struct table table;
	table_init(&table, "GUEST|>X|>Y|SIZE|MODE|>STACK|FOCUSED|FULL SCREEN|>FRAMES");
	for (size_t i = 0; i < json_length(reply, "windows"); i++) {
		sd_json_variant *window = json_item(reply, "windows", i);
		table_add(&table, json_text(window, "guest"));
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
	if (name != NULL &&
		sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("name", name)) < 0) {
		complain("'%s' is no guest's name", name);
		return CTL_FAILED;
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
	int built =
		sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("name", invocation->argv[0]));
	return call_built(invocation, DESKTOP_INTERFACE, "Focus", built, parameters, NULL);
}

int command_fullscreen(const struct invocation *invocation) {
	sd_json_variant *parameters = NULL;
	bool off = strcmp(invocation->argv[0], "off") == 0;
	int built = off ? 0
			: sd_json_buildo(&parameters,
				  SD_JSON_BUILD_PAIR_STRING("name", invocation->argv[0]));
	return call_built(invocation, DESKTOP_INTERFACE, "Fullscreen", built, parameters, NULL);
}

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

int command_move(const struct invocation *invocation) {
	long x, y;
	if (!parse_integer(invocation->argv[1], -65536, 65536, &x) ||
		!parse_integer(invocation->argv[2], -65536, 65536, &y)) {
		return CTL_USAGE;
	}
	sd_json_variant *parameters = NULL;
	int built =
		sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("name", invocation->argv[0]),
			SD_JSON_BUILD_PAIR_INTEGER("x", x), SD_JSON_BUILD_PAIR_INTEGER("y", y));
	return call_built(invocation, DESKTOP_INTERFACE, "Move", built, parameters, NULL);
}

int command_resize(const struct invocation *invocation) {
	long width, height;
	if (!parse_integer(invocation->argv[1], 1, 65536, &width) ||
		!parse_integer(invocation->argv[2], 1, 65536, &height)) {
		return CTL_USAGE;
	}
	sd_json_variant *parameters = NULL;
	int built =
		sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("name", invocation->argv[0]),
			SD_JSON_BUILD_PAIR_INTEGER("width", width),
			SD_JSON_BUILD_PAIR_INTEGER("height", height));
	return call_built(invocation, DESKTOP_INTERFACE, "Resize", built, parameters, NULL);
}

int command_leave(const struct invocation *invocation) {
	return call_and_print(invocation, DESKTOP_INTERFACE, "Leave", NULL, NULL);
}
