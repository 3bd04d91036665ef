#include "session-state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../tree.h"

#define WINDOW                                                                                          \
	"{\"guest\":\"a\",\"head\":0,\"output\":\"DP-1\",\"x\":1,\"y\":2,\"width\":640,\"height\":480," \
	"\"open\":true,\"moved\":false,\"sized\":false,\"fullscreen\":false,\"focused\":false}"
#define HEAD "{\"version\":2,\"locked\":false,\"mulliond\":0,\"mulliondStart\":0,\"windows\":["
#define TAIL "]}"

static struct session_window window(const char *guest, const char *output, int x, bool open) {
	struct session_window window = {
		.x = x, .y = -5, .width = 640, .height = 480, .open = open, .moved = true};
	snprintf(window.guest, sizeof(window.guest), "%s", guest);
	snprintf(window.output, sizeof(window.output), "%s", output);
	return window;
}

static struct session_state example(void) {
	struct session_state state = {.locked = true, .host = 4711, .host_start = UINT64_MAX / 4};
	state.windows[0] = window("work", "HEADLESS-1", SESSION_PLACE_MAX, true);
	state.windows[0].focused = state.windows[0].fullscreen = true;
	state.windows[1] = window("play_2.x", "", -SESSION_PLACE_MAX, true);
	state.windows[1].sized = true;
	state.windows[2] = window("0", "DP-2", 7, false);
	state.windows[3] = window("0", "DP-2", 8, false);
	state.windows[3].head = SESSION_HEADS_MAX - 1;
	state.windows_len = 4;
	return state;
}

static void assert_same(const struct session_state *a, const struct session_state *b) {
	assert_int_equal(a->locked, b->locked);
	assert_int_equal(a->host, b->host);
	assert_int_equal(a->host_start, b->host_start);
	assert_int_equal(a->windows_len, b->windows_len);
	for (size_t i = 0; i < a->windows_len; i++) {
		const struct session_window *c = &a->windows[i], *d = &b->windows[i];
		assert_string_equal(c->guest, d->guest);
		assert_string_equal(c->output, d->output);
		assert_int_equal(c->head, d->head);
		const int places[][2] = {{c->x, d->x}, {c->y, d->y}, {c->width, d->width},
			{c->height, d->height}, {c->open, d->open}, {c->moved, d->moved},
			{c->sized, d->sized}, {c->fullscreen, d->fullscreen},
			{c->focused, d->focused}};
		for (size_t j = 0; j < sizeof(places) / sizeof(places[0]); j++) {
			assert_int_equal(places[j][0], places[j][1]);
		}
	}
}

static int setup(void **state) {
	char path[] = "/tmp/mullion-state-XXXXXX";
	*state = mkdtemp(path) != NULL ? strdup(path) : NULL;
	return *state != NULL ? 0 : -1;
}

static int teardown(void **state) {
	int result = tree_remove(*state);
	free(*state);
	return result;
}

static char *path_in(void **state) {
	char *path;
	assert_true(asprintf(&path, "%s/" SESSION_STATE_FILE, (const char *)*state) > 0);
	return path;
}

static void put_bytes(const char *path, const void *bytes, size_t size) {
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void what_is_formatted_is_parsed(void **state) {
	struct session_state before = example(), after;
	char *text = NULL;
	assert_int_equal(session_state_format(&before, &text), 0);
	assert_int_equal(session_state_parse(text, &after), 0);
	assert_same(&before, &after);
	free(text);
}

static void a_session_without_guests_is_parsed(void **state) {
	struct session_state before = {0}, after = {.locked = true};
	char *text = NULL;
	assert_int_equal(session_state_format(&before, &text), 0);
	assert_int_equal(session_state_parse(text, &after), 0);
	assert_same(&before, &after);
	free(text);
}

static void the_most_windows_fit_into_a_file(void **state) {
	struct session_state before = {.windows_len = SESSION_WINDOWS_MAX}, after;
	for (size_t i = 0; i < SESSION_WINDOWS_MAX; i++) {
		struct session_window *window = &before.windows[i];
		*window = (struct session_window){.x = -SESSION_PLACE_MAX,
			.y = -SESSION_PLACE_MAX,
			.width = SESSION_WINDOW_MAX,
			.height = SESSION_WINDOW_MAX,
			.open = true};
		snprintf(window->guest, sizeof(window->guest), "%063zu", i);
		memset(window->output, '"', SESSION_OUTPUT_MAX);
	}
	char *text = NULL, *path = path_in(state);
	assert_int_equal(session_state_format(&before, &text), 0);
	assert_int_equal(session_state_save(path, text), 0);
	assert_int_equal(session_state_load(path, &after), 0);
	assert_same(&before, &after);
	free(text);
	free(path);
}

static void a_saved_file_replaces_the_last_and_is_the_users_alone(void **state) {
	struct session_state before = example(), after;
	char *text = NULL, *path = path_in(state);
	assert_int_equal(session_state_save(path, "an older one, and a longer one"), 0);
	assert_int_equal(session_state_format(&before, &text), 0);
	mode_t mask = umask(0);
	assert_int_equal(session_state_save(path, text), 0);
	umask(mask);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(session_state_load(path, &after), 0);
	assert_same(&before, &after);
	free(text);
	free(path);
}

static void a_save_that_fails_leaves_the_last_file(void **state) {
	struct session_state before = example(), after;
	char *text = NULL, *path = path_in(state), *huge = calloc(1, SESSION_STATE_SIZE_MAX + 2);
	assert_non_null(huge);
	memset(huge, 'x', SESSION_STATE_SIZE_MAX + 1);
	assert_int_equal(session_state_format(&before, &text), 0);
	assert_int_equal(session_state_save(path, text), 0);
	assert_int_equal(session_state_save(path, huge), -EFBIG);
	assert_int_equal(session_state_load(path, &after), 0);
	assert_same(&before, &after);
	assert_int_equal(session_state_save("/nonexistent/session.state", text), -ENOENT);
	free(huge);
	free(text);
	free(path);
}

static void every_cut_of_a_file_is_damaged(void **state) {
	struct session_state before = example();
	char *text = NULL, *path = path_in(state);
	assert_int_equal(session_state_format(&before, &text), 0);
	size_t length = strlen(text);
	for (size_t i = 0; i < length - 1; i++) {
		struct session_state after = {.host = 1};
		put_bytes(path, text, i);
		assert_int_equal(session_state_load(path, &after), -EBADMSG);
		assert_int_equal(after.host, 1);
	}
	free(text);
	free(path);
}

static void damaged_text_is_refused(void **state) {
	static const char *const damaged[] = {
		"", "null", "[]", "{}", "{\"version\":2}",
		"{\"version\":3,\"locked\":false,\"mulliond\":0,\"mulliondStart\":0,\"windows\":[]}",
		"{\"version\":2,\"locked\":0,\"mulliond\":0,\"mulliondStart\":0,\"windows\":[]}",
		"{\"version\":2,\"locked\":false,\"mulliond\":-1,\"mulliondStart\":0,\"windows\":[]}",
		"{\"version\":2,\"locked\":false,\"mulliond\":0,\"mulliondStart\":9,\"windows\":[]}",
		"{\"version\":2,\"locked\":false,\"mulliond\":4294967296,\"mulliondStart\":9,"
		"\"windows\":[]}",
		"{\"version\":2,\"locked\":false,\"mulliond\":0,\"mulliondStart\":-1,\"windows\":[]}",
		"{\"version\":2,\"locked\":false,\"mulliond\":0,\"mulliondStart\":0,\"windows\":{}}",
		"{\"version\":2,\"locked\":false,\"mulliond\":0,\"mulliondStart\":0,\"windows\":[],"
		"\"more\":1}",
		HEAD "null" TAIL, HEAD "{}" TAIL, HEAD WINDOW TAIL " more",
		HEAD WINDOW "," WINDOW TAIL, // the same guest twice
	};
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		struct session_state after = {.host = 1};
		assert_int_equal(session_state_parse(damaged[i], &after), -EBADMSG);
		assert_int_equal(after.host, 1);
	}
	struct session_state after;
	assert_int_equal(session_state_parse(HEAD WINDOW TAIL, &after), 0);
}

/* One window with one field replaced. */
static int parse_with(const char *field, const char *value) {
	char key[32], text[2048];
	snprintf(key, sizeof(key), "\"%s\":", field);
	const char *at = strstr(WINDOW, key);
	assert_non_null(at);
	const char *rest = at + strlen(key) + strcspn(at + strlen(key), ",}");
	snprintf(text, sizeof(text), HEAD "%.*s%s%s%s" TAIL, (int)(at - WINDOW), WINDOW, key, value,
		rest);
	struct session_state after;
	return session_state_parse(text, &after);
}

static void every_field_has_its_bounds(void **state) {
	static const struct {
		const char *field, *value;
		bool good;
	} rows[] = {
		{"guest", "\"a.b-c_9\"", true},
		{"guest", "\"\"", false},
		{"guest", "\"A\"", false},
		{"guest", "\".hidden\"", false},
		{"guest", "\"a/b\"", false},
		{"guest", "\"a\\u0000b\"", false},
		{"guest", "7", false},
		{"output", "\"\"", true},
		{"output", "\"a b\"", false},
		{"output", "\"\\u0007\"", false},
		{"head", "15", true},
		{"head", "16", false},
		{"head", "-1", false},
		{"x", "-1048576", true},
		{"x", "-1048577", false},
		{"x", "1048577", false},
		{"x", "1.5", false},
		{"x", "null", false},
		{"x", "99999999999999999999", false},
		{"y", "1048576", true},
		{"y", "1048577", false},
		{"width", "1", true},
		{"width", "0", false},
		{"width", "16384", true},
		{"width", "16385", false},
		{"height", "-480", false},
		{"height", "16385", false},
		{"open", "1", false},
		{"moved", "\"true\"", false},
		{"focused", "true", true},
		{"fullscreen", "true", true},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
			parse_with(rows[i].field, rows[i].value), rows[i].good ? 0 : -EBADMSG);
	}
	char name[80] = "\"";
	memset(name + 1, 'a', CONFIG_NAME_MAX);
	memcpy(name + 1 + CONFIG_NAME_MAX, "\"", 2);
	assert_int_equal(parse_with("guest", name), 0);
	memcpy(name + 1 + CONFIG_NAME_MAX, "a\"", 3);
	assert_int_equal(parse_with("guest", name), -EBADMSG);
	assert_int_equal(parse_with("output", name), -EBADMSG);
}

static void windows_that_exclude_each_other_are_refused(void **state) {
	struct session_state before = example(), after;
	char *text = NULL;
	before.windows[1].focused = true; // as the first is
	assert_int_equal(session_state_format(&before, &text), 0);
	assert_int_equal(session_state_parse(text, &after), -EBADMSG);
	free(text);
	before = example();
	before.windows[1].open = false; // and yet before an open one
	before.windows[2].open = true;
	assert_int_equal(session_state_format(&before, &text), 0);
	assert_int_equal(session_state_parse(text, &after), -EBADMSG);
	free(text);
	before = example();
	before.windows[2].fullscreen = true; // has no window
	assert_int_equal(session_state_format(&before, &text), 0);
	assert_int_equal(session_state_parse(text, &after), -EBADMSG);
	free(text);
	before = example();
	before.windows[3].head = before.windows[2].head; // of the same guest
	assert_int_equal(session_state_format(&before, &text), 0);
	assert_int_equal(session_state_parse(text, &after), -EBADMSG);
	free(text);
}

static void too_many_windows_are_refused(void **state) {
	char *text = calloc(1, SESSION_STATE_SIZE_MAX);
	assert_non_null(text);
	for (int n = SESSION_WINDOWS_MAX; n <= SESSION_WINDOWS_MAX + 1; n++) {
		size_t at = (size_t)snprintf(text, SESSION_STATE_SIZE_MAX, HEAD);
		static const char start[] = "{\"guest\":\"a";
		const char *rest = &WINDOW[sizeof(start) - 1];
		for (int i = 0; i < n; i++) {
			at += (size_t)snprintf(text + at, SESSION_STATE_SIZE_MAX - at, "%s%s%d%s",
				i > 0 ? "," : "", start, i, rest);
		}
		snprintf(text + at, SESSION_STATE_SIZE_MAX - at, TAIL);
		struct session_state after;
		assert_int_equal(
			session_state_parse(text, &after), n <= SESSION_WINDOWS_MAX ? 0 : -EBADMSG);
	}
	free(text);
}

static void no_file_but_a_small_plain_one_is_read(void **state) {
	struct session_state after;
	char *path = path_in(state), *spaces = malloc(SESSION_STATE_SIZE_MAX + 1);
	assert_non_null(spaces);
	memset(spaces, ' ', SESSION_STATE_SIZE_MAX + 1);
	assert_int_equal(session_state_load(path, &after), -ENOENT);
	memcpy(spaces, HEAD TAIL, strlen(HEAD TAIL));
	put_bytes(path, spaces, SESSION_STATE_SIZE_MAX);
	assert_int_equal(session_state_load(path, &after), 0);
	put_bytes(path, spaces, SESSION_STATE_SIZE_MAX + 1);
	assert_int_equal(session_state_load(path, &after), -EFBIG);
	put_bytes(path, HEAD TAIL "\0", sizeof(HEAD TAIL));
	assert_int_equal(session_state_load(path, &after), -EBADMSG);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(session_state_load(path, &after), -EBADMSG);
	unlink(path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_equal(session_state_load(path, &after), -EBADMSG);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(session_state_load(path, &after), -EBADMSG);
	free(spaces);
	free(path);
}

static void a_process_is_known_by_its_start(void **state) {
	uint64_t start = session_process_start(getpid());
	assert_int_not_equal(start, 0);
	assert_int_equal(session_process_start(getpid()), start);
	assert_int_equal(session_process_start(0x7fffffff), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_formatted_is_parsed),
		cmocka_unit_test(a_session_without_guests_is_parsed),
		cmocka_unit_test_setup_teardown(the_most_windows_fit_into_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_saved_file_replaces_the_last_and_is_the_users_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_save_that_fails_leaves_the_last_file, setup, teardown),
		cmocka_unit_test_setup_teardown(every_cut_of_a_file_is_damaged, setup, teardown),
		cmocka_unit_test(damaged_text_is_refused),
		cmocka_unit_test(every_field_has_its_bounds),
		cmocka_unit_test(windows_that_exclude_each_other_are_refused),
		cmocka_unit_test(too_many_windows_are_refused),
		cmocka_unit_test_setup_teardown(
			no_file_but_a_small_plain_one_is_read, setup, teardown),
		cmocka_unit_test(a_process_is_known_by_its_start),
	};
	return cmocka_run_group_tests_name("session-state", tests, NULL, NULL);
}
