#include "session-state.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-json.h>
#include <unistd.h>

#include "fd.h"

#define VERSION 2

static bool guest_name_valid(const char *name) {
	size_t length = strlen(name);
	if (length == 0 || length > CONFIG_NAME_MAX || strchr("_.-", name[0]) != NULL) {
		return false;
	}
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == length;
}

static bool output_name_valid(const char *name) {
	size_t length = strlen(name);
	for (size_t i = 0; i < length; i++) {
		if (!isgraph((unsigned char)name[i])) {
			return false;
		}
	}
	return length <= SESSION_OUTPUT_MAX;
}

static bool place_valid(const struct session_window *window) {
	return window->x >= -SESSION_PLACE_MAX && window->x <= SESSION_PLACE_MAX &&
		window->y >= -SESSION_PLACE_MAX && window->y <= SESSION_PLACE_MAX &&
		window->width >= 1 && window->width <= SESSION_WINDOW_MAX && window->height >= 1 &&
		window->height <= SESSION_WINDOW_MAX;
}

/* A window's fields before they are checked. */
struct raw_window {
	const char *guest, *output;
	struct session_window window;
};

static int parse_window(sd_json_variant *object, struct session_window *ret) {
	static const sd_json_dispatch_field fields[] = {
#define FIELD(name, type, dispatch, member)                                                        \
	{name, type, dispatch, offsetof(struct raw_window, member), SD_JSON_MANDATORY}
#define INTEGER(name) FIELD(#name, SD_JSON_VARIANT_INTEGER, sd_json_dispatch_int32, window.name)
#define BOOLEAN(name) FIELD(#name, SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_stdbool, window.name)
		FIELD("guest", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, guest),
		FIELD("output", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, output),
		FIELD("head", SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint32, window.head),
		INTEGER(x),
		INTEGER(y),
		INTEGER(width),
		INTEGER(height),
		BOOLEAN(open),
		BOOLEAN(moved),
		BOOLEAN(sized),
		BOOLEAN(fullscreen),
		BOOLEAN(focused),
		{0},
#undef BOOLEAN
#undef INTEGER
#undef FIELD
	};
	struct raw_window raw = {0};
	int error = sd_json_dispatch(object, fields, 0, &raw);
	if (error < 0) {
		return error == -ENOMEM ? error : -EBADMSG;
	}
	struct session_window *window = &raw.window;
	bool shown_ok = window->open || (!window->fullscreen && !window->focused);
	if (!guest_name_valid(raw.guest) || !output_name_valid(raw.output) ||
		window->head >= SESSION_HEADS_MAX || !place_valid(window) || !shown_ok) {
		return -EBADMSG;
	}
	memcpy(window->guest, raw.guest, strlen(raw.guest));
	memcpy(window->output, raw.output, strlen(raw.output));
	*ret = *window;
	return 0;
}

/* Whether the last window may follow the others. */
static bool last_fits(const struct session_state *state) {
	size_t last = state->windows_len - 1;
	const struct session_window *window = &state->windows[last];
	for (size_t i = 0; i < last; i++) {
		const struct session_window *other = &state->windows[i];
		bool same = strcmp(other->guest, window->guest) == 0 && other->head == window->head;
		if (same || (other->focused && window->focused) || (!other->open && window->open)) {
			return false;
		}
	}
	return true;
}

static int parse_windows(sd_json_variant *array, struct session_state *state) {
	size_t n = sd_json_variant_elements(array);
	if (n > SESSION_WINDOWS_MAX) {
		return -EBADMSG;
	}
	for (size_t i = 0; i < n; i++) {
		int error = parse_window(
			sd_json_variant_by_index(array, i), &state->windows[state->windows_len]);
		if (error < 0) {
			return error;
		}
		state->windows_len++;
		if (!last_fits(state)) {
			return -EBADMSG;
		}
	}
	return 0;
}

/* The file's fields before they are checked. */
struct raw_state {
	uint64_t version;
	int locked, host;
	uint64_t host_start;
	sd_json_variant *windows; // borrowed
};

static int parse_state(sd_json_variant *object, struct session_state *state) {
	static const sd_json_dispatch_field fields[] = {
#define FIELD(name, type, dispatch, member)                                                        \
	{name, type, dispatch, offsetof(struct raw_state, member), SD_JSON_MANDATORY}
		FIELD("version", SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint64, version),
		FIELD("locked", SD_JSON_VARIANT_BOOLEAN, sd_json_dispatch_intbool, locked),
		FIELD("mulliond", SD_JSON_VARIANT_INTEGER, sd_json_dispatch_int32, host),
		FIELD("mulliondStart", SD_JSON_VARIANT_UNSIGNED, sd_json_dispatch_uint64,
			host_start),
		FIELD("windows", SD_JSON_VARIANT_ARRAY, sd_json_dispatch_variant_noref, windows),
		{0},
#undef FIELD
	};
	struct raw_state raw = {0};
	int error = sd_json_dispatch(object, fields, 0, &raw);
	if (error < 0) {
		return error == -ENOMEM ? error : -EBADMSG;
	}
	if (raw.version != VERSION || raw.host < 0 || (raw.host == 0 && raw.host_start != 0)) {
		return -EBADMSG;
	}
	state->locked = raw.locked != 0;
	state->host = raw.host;
	state->host_start = raw.host_start;
	return parse_windows(raw.windows, state);
}

int session_state_parse(const char *text, struct session_state *ret) {
	sd_json_variant *object = NULL;
	int error = sd_json_parse(text, 0, &object, NULL, NULL);
	if (error < 0) {
		return error == -ENOMEM ? error : -EBADMSG;
	}
	struct session_state state = {0};
	error = parse_state(object, &state);
	sd_json_variant_unref(object);
	if (error < 0) {
		return error;
	}
	*ret = state;
	return 0;
}

static int append_window(sd_json_variant **array, const struct session_window *window) {
	return sd_json_variant_append_arraybo(array,
		SD_JSON_BUILD_PAIR_STRING("guest", window->guest),
		SD_JSON_BUILD_PAIR_UNSIGNED("head", window->head),
		SD_JSON_BUILD_PAIR_STRING("output", window->output),
		SD_JSON_BUILD_PAIR_INTEGER("x", window->x),
		SD_JSON_BUILD_PAIR_INTEGER("y", window->y),
		SD_JSON_BUILD_PAIR_INTEGER("width", window->width),
		SD_JSON_BUILD_PAIR_INTEGER("height", window->height),
		SD_JSON_BUILD_PAIR_BOOLEAN("open", window->open),
		SD_JSON_BUILD_PAIR_BOOLEAN("moved", window->moved),
		SD_JSON_BUILD_PAIR_BOOLEAN("sized", window->sized),
		SD_JSON_BUILD_PAIR_BOOLEAN("fullscreen", window->fullscreen),
		SD_JSON_BUILD_PAIR_BOOLEAN("focused", window->focused));
}

int session_state_format(const struct session_state *state, char **ret_text) {
	sd_json_variant *windows = NULL, *object = NULL;
	int error = sd_json_variant_new_array(&windows, NULL, 0);
	for (size_t i = 0; i < state->windows_len && error >= 0; i++) {
		error = append_window(&windows, &state->windows[i]);
	}
	if (error >= 0) {
		error = sd_json_buildo(&object, SD_JSON_BUILD_PAIR_UNSIGNED("version", VERSION),
			SD_JSON_BUILD_PAIR_BOOLEAN("locked", state->locked),
			SD_JSON_BUILD_PAIR_INTEGER("mulliond", state->host),
			SD_JSON_BUILD_PAIR_UNSIGNED("mulliondStart", state->host_start),
			SD_JSON_BUILD_PAIR_VARIANT("windows", windows));
	}
	char *text = NULL;
	if (error >= 0) {
		error = sd_json_variant_format(object, SD_JSON_FORMAT_NEWLINE, &text);
	}
	sd_json_variant_unref(object);
	sd_json_variant_unref(windows);
	if (error < 0) {
		return error;
	}
	*ret_text = text;
	return 0;
}

/* Fills buffer, of SESSION_STATE_SIZE_MAX + 1 bytes, with a string. */
static int read_text(int fd, char *buffer) {
	size_t size = 0;
	ssize_t n;
	while ((n = read(fd, buffer + size, SESSION_STATE_SIZE_MAX + 1 - size)) != 0) {
		if (n < 0) {
			return -errno;
		}
		size += (size_t)n;
		if (size > SESSION_STATE_SIZE_MAX) {
			return -EFBIG;
		}
	}
	buffer[size] = '\0';
	return strlen(buffer) == size ? 0 : -EBADMSG;
}

int session_state_load(const char *path, struct session_state *ret) {
	// A pipe in its place must not hold us up.
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		return errno == ELOOP || errno == ENXIO ? -EBADMSG : -errno;
	}
	struct stat status;
	char *buffer = malloc(SESSION_STATE_SIZE_MAX + 1);
	int error = buffer == NULL ? -ENOMEM : fstat(fd, &status) < 0 ? -errno : 0;
	if (error == 0 && (!S_ISREG(status.st_mode) || status.st_uid != geteuid())) {
		error = -EBADMSG;
	}
	error = error < 0 ? error : read_text(fd, buffer);
	error = error < 0 ? error : session_state_parse(buffer, ret);
	free(buffer);
	fd_close(fd);
	return error;
}

static int write_text(int fd, const char *text) {
	size_t left = strlen(text);
	while (left > 0) {
		ssize_t n = write(fd, text, left);
		if (n < 0) {
			return -errno;
		}
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

int session_state_save(const char *path, const char *text) {
	char *new;
	if (strlen(text) > SESSION_STATE_SIZE_MAX) {
		return -EFBIG;
	}
	if (asprintf(&new, "%s.new", path) < 0) {
		return -ENOMEM;
	}
	unlink(new);
	int fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int error = fd < 0 ? -errno : write_text(fd, text);
	fd_close(fd);
	if (error == 0 && rename(new, path) < 0) {
		error = -errno;
	}
	if (error < 0 && fd >= 0) {
		unlink(new);
	}
	free(new);
	return error;
}

#define FIELD_START 22 // proc(5), /proc/PID/stat

uint64_t session_process_start(pid_t pid) {
	char path[32], line[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	fd_close(fd);
	if (n <= 0) {
		return 0;
	}
	line[n] = '\0';
	// The second field is the program's name in brackets, which may hold anything.
	char *at = strrchr(line, ')');
	for (int field = 2; at != NULL && field < FIELD_START; field++) {
		at = strchr(at + 1, ' ');
	}
	return at != NULL ? strtoull(at + 1, NULL, 10) : 0;
}
