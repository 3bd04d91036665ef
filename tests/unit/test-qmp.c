#include "qmp.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fd.h"
#include "input.h"
#include "qmp-lines.h"

/* A client on one end of a socketpair; the test plays QEMU on the other. */
struct fixture {
	sd_event *event;
	struct qmp *qmp;
	int peer;
	unsigned ready, closed, events;
	char event_name[64], reason[128];
	unsigned replies;
	char error[128];
	int64_t result;
};

static const char greeting[] = "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n";

static void on_ready(void *data) {
	struct fixture *fixture = data;
	fixture->ready++;
}

static void on_event(void *data, const char *name, sd_json_variant *untrusted_data) {
	struct fixture *fixture = data;
	fixture->events++;
	snprintf(fixture->event_name, sizeof(fixture->event_name), "%s", name);
}

static void on_closed(void *data, const char *reason) {
	struct fixture *fixture = data;
	fixture->closed++;
	snprintf(fixture->reason, sizeof(fixture->reason), "%s", reason);
}

static const struct qmp_ops ops = {on_ready, on_event, on_closed};

static void on_reply(void *data, const char *error, sd_json_variant *untrusted_result) {
	struct fixture *fixture = data;
	fixture->replies++;
	snprintf(fixture->error, sizeof(fixture->error), "%s", error != NULL ? error : "");
	if (error == NULL && sd_json_variant_is_integer(untrusted_result)) {
		fixture->result = sd_json_variant_integer(untrusted_result);
	}
}

static void turn(struct fixture *fixture) {
	while (sd_event_run(fixture->event, 0) > 0) {
	}
}

static void say_bytes(struct fixture *fixture, const char *text, size_t length) {
	while (length > 0) {
		ssize_t sent = send(fixture->peer, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0) {
			text += sent;
			length -= (size_t)sent;
		} else if (errno != EAGAIN) {
			break;
		}
		turn(fixture);
	}
	turn(fixture);
}

static void say(struct fixture *fixture, const char *text) {
	say_bytes(fixture, text, strlen(text));
}

/* What the client has sent, NUL-terminated. */
static const char *hear(struct fixture *fixture) {
	static char text[65536];
	ssize_t n = recv(fixture->peer, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void setup(struct fixture *fixture, bool handshake) {
	int pair[2];
	*fixture = (struct fixture){0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_return_code(sd_event_new(&fixture->event), 0);
	assert_int_equal(qmp_create(&fixture->qmp, fixture->event, pair[0], &ops, fixture), 0);
	fixture->peer = pair[1];
	if (handshake) {
		say(fixture, greeting);
		assert_non_null(strstr(hear(fixture), "qmp_capabilities"));
		say(fixture, "{\"return\": {}, \"id\": 1}\r\n");
		assert_int_equal(fixture->ready, 1);
	}
}

static void teardown(struct fixture *fixture) {
	qmp_destroy(fixture->qmp);
	fd_close(fixture->peer);
	sd_event_unref(fixture->event);
}

static void handshake_comes_before_commands(void **state) {
	struct fixture f;
	setup(&f, false);
	assert_int_equal(qmp_command(f.qmp, "stop", NULL, 0, NULL, NULL), -ENOTCONN);
	say(&f, greeting);
	assert_int_equal(f.ready, 0);
	assert_string_equal(hear(&f), "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
	say(&f, "{\"return\": {}, \"id\": 1}\r\n");
	assert_int_equal(f.ready, 1);
	assert_int_equal(f.closed, 0);
	teardown(&f);
}

static void replies_find_their_command(void **state) {
	struct fixture f;
	setup(&f, true);
	assert_int_equal(qmp_command(f.qmp, "a", NULL, 0, NULL, NULL), 0);
	assert_int_equal(qmp_command(f.qmp, "b", NULL, 0, on_reply, &f), 0);
	assert_non_null(strstr(hear(&f), "{\"execute\":\"b\",\"id\":3}\n"));
	say(&f, "{\"return\": 5, \"id\": 2}\n{\"return\": 6, \"id\": 9}\n{\"return\": 8}\n");
	assert_int_equal(f.replies, 0);
	say(&f, "{\"return\": 7, \"id\": 3}\n{\"return\": 9, \"id\": 3}\n");
	assert_int_equal(f.replies, 1);
	assert_int_equal(f.result, 7);
	assert_int_equal(f.closed, 0);
	teardown(&f);
}

static void a_refused_command_says_why(void **state) {
	struct fixture f;
	setup(&f, true);
	qmp_command(f.qmp, "a", NULL, 0, on_reply, &f);
	say(&f, "{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}}\n");
	assert_string_equal(f.error, "no such thing");
	qmp_command(f.qmp, "a", NULL, 0, on_reply, &f);
	say(&f, "{\"id\": 3, \"error\": 5}\n");
	assert_int_equal(f.replies, 2);
	assert_string_equal(f.error, "refused");
	teardown(&f);
}

static void a_command_times_out_and_its_late_reply_is_dropped(void **state) {
	struct fixture f;
	setup(&f, true);
	qmp_command(f.qmp, "a", NULL, 10000, on_reply, &f);
	for (unsigned i = 0; i < 100 && f.replies == 0; i++) {
		sd_event_run(f.event, 50000);
	}
	assert_string_equal(f.error, "timed out");
	say(&f, "{\"return\": 7, \"id\": 2}\n");
	assert_int_equal(f.replies, 1);
	teardown(&f);
}

static void events_arrive_in_pieces(void **state) {
	struct fixture f;
	setup(&f, true);
	const char *text =
		"{\"event\": \"RESET\", \"data\": {\"guest\": true}, \"timestamp\": {}}\r\n";
	for (; *text != '\0'; text++) {
		say_bytes(&f, text, 1);
	}
	assert_int_equal(f.events, 1);
	assert_string_equal(f.event_name, "RESET");
	teardown(&f);
}

static void many_events_in_one_piece_all_arrive(void **state) {
	struct fixture f;
	static const char event[] = "{\"event\": \"STOP\"}\n";
	char text[8192] = "";
	setup(&f, true);
	for (unsigned i = 0; i < 100; i++) {
		memcpy(text + i * (sizeof(event) - 1), event, sizeof(event));
	}
	say(&f, text);
	assert_int_equal(f.events, 100);
	teardown(&f);
}

static void garbage_ends_the_connection(void **state) {
	static const char *const garbage[] = {
		"hello\n",
		"{\n",
		"5\n",
		"[]\n",
		"{\"a\": \"\xff\xfe\"}\n",
		"{\"event\": \"X\"\n",
		"\x01\x02\n",
	};
	for (size_t i = 0; i < 2 * sizeof(garbage) / sizeof(garbage[0]); i++) {
		struct fixture f;
		setup(&f, i % 2 == 0);
		say(&f, garbage[i / 2]);
		assert_int_equal(f.closed, 1);
		assert_int_equal(qmp_command(f.qmp, "a", NULL, 0, NULL, NULL), -ENOTCONN);
		teardown(&f);
	}
}

static void messages_of_unexpected_shape_are_survived(void **state) {
	static const char *const odd[] = {
		"{}\n",
		"\n",
		"{\"event\": 5}\n",
		"{\"event\": null, \"data\": []}\n",
		"{\"return\": {}, \"id\": \"2\"}\n",
		"{\"return\": {}, \"id\": -1}\n",
		"{\"return\": {}, \"id\": 0}\n",
		"{\"return\": {}, \"id\": 18446744073709551615}\n",
		"{\"return\": {}, \"id\": 1e300}\n",
		"{\"error\": {\"desc\": {}}, \"id\": 99}\n",
		"{\"QMP\": {}}\n",
	};
	struct fixture f;
	setup(&f, true);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		say(&f, odd[i]);
		assert_int_equal(f.closed, 0);
	}
	say(&f, "{\"event\": \"X\"}\n");
	assert_int_equal(f.events, 1);
	teardown(&f);
}

static void a_nul_byte_ends_the_connection(void **state) {
	struct fixture f;
	setup(&f, true);
	say_bytes(&f, "{\"event\": \"X\"}\0\n", 16);
	assert_int_equal(f.closed, 1);
	assert_int_equal(f.events, 0);
	teardown(&f);
}

static void a_line_of_a_megabyte_ends_the_connection(void **state) {
	struct fixture f;
	setup(&f, true);
	char *text = malloc(1 << 20);
	memset(text, ' ', 1 << 20);
	text[0] = '{';
	say_bytes(&f, text, 1 << 20);
	free(text);
	assert_int_equal(f.closed, 1);
	assert_non_null(strstr(f.reason, "too long"));
	teardown(&f);
}

static void deep_json_ends_the_connection(void **state) {
	for (unsigned depth = QMP_DEPTH_MAX - 1; depth <= 50000; depth = depth * 2 + 1) {
		struct fixture f;
		setup(&f, true);
		static const char start[] = "{\"event\": \"X\", \"data\": ";
		const size_t length = sizeof(start) - 1;
		char *text = calloc(1, length + 2 * depth + 3);
		if (text == NULL) {
			fail_msg("no memory");
			return;
		}
		memcpy(text, start, length);
		memset(text + length, '[', depth);
		memset(text + length + depth, ']', depth);
		memcpy(text + length + 2 * depth, "}\n", 3);
		say(&f, text);
		free(text);
		assert_int_equal(f.closed, depth >= QMP_DEPTH_MAX);
		assert_int_equal(f.events, depth < QMP_DEPTH_MAX);
		teardown(&f);
	}
}

static void disconnecting_answers_what_waits(void **state) {
	struct fixture f;
	setup(&f, true);
	qmp_command(f.qmp, "a", NULL, 1000000, on_reply, &f);
	f.peer = fd_close(f.peer);
	turn(&f);
	assert_int_equal(f.closed, 1);
	assert_int_equal(f.replies, 1);
	assert_true(f.error[0] != '\0');
	teardown(&f);
}

static void who_does_not_read_gets_a_bounded_queue(void **state) {
	struct fixture f;
	setup(&f, true);
	char text[16384];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	sd_json_variant *arguments = NULL;
	sd_json_buildo(&arguments, SD_JSON_BUILD_PAIR_STRING("x", text));
	int error = 0;
	for (unsigned i = 0; i < 1000 && error == 0; i++) {
		error = qmp_command(f.qmp, "a", arguments, 0, on_reply, &f);
	}
	sd_json_variant_unref(arguments);
	assert_int_equal(error, -ENOBUFS);
	assert_int_equal(f.closed, 0);
	teardown(&f);
}

static void input_waits_for_the_last_answer(void **state) {
	struct fixture f;
	struct input input;
	setup(&f, true);
	assert_int_equal(input_init(&input, f.event, f.qmp, 25, 600), 0);
	struct link_input press = {.count = 1, .events = {{LINK_INPUT_KEY, 30, 1}}};
	struct link_input release = {.count = 1, .events = {{LINK_INPUT_KEY, 30, 0}}};
	input_send(&input, &press);
	assert_string_equal(hear(&f),
		"{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[{\"type\":\"key\","
		"\"data\":{\"down\":true,\"key\":{\"type\":\"qcode\",\"data\":\"a\"}}}]},"
		"\"id\":2}\n");
	input_send(&input, &release);
	assert_string_equal(hear(&f), "");
	say(&f, "{\"id\": 2, \"error\": {\"desc\": \"paused\"}}\n");
	assert_non_null(strstr(hear(&f), "\"down\":false"));
	say(&f, "{\"id\": 3, \"return\": {}}\n");
	assert_string_equal(hear(&f), "");
	struct link_input motion = {
		.count = 2,
		.events = {{LINK_INPUT_ABS_X, 0, 5}, {LINK_INPUT_WHEEL, 0, 1}},
	};
	input_send(&input, &motion);
	assert_non_null(strstr(hear(&f),
		"[{\"type\":\"abs\",\"data\":{\"axis\":\"x\",\"value\":5}},"
		"{\"type\":\"btn\",\"data\":{\"down\":true,\"button\":\"wheel-down\"}},"
		"{\"type\":\"btn\",\"data\":{\"down\":false,\"button\":\"wheel-down\"}}]"));
	say(&f, "{\"id\": 4, \"return\": {}}\n");
	struct link_input locked = {
		.count = 2,
		.events = {{LINK_INPUT_REL_X, 0, -3}, {LINK_INPUT_REL_Y, 0, 4}},
	};
	input_send(&input, &locked);
	assert_non_null(strstr(hear(&f),
		"[{\"type\":\"rel\",\"data\":{\"axis\":\"x\",\"value\":-3}},"
		"{\"type\":\"rel\",\"data\":{\"axis\":\"y\",\"value\":4}}]"));
	input_finish(&input);
	teardown(&f);
}

/* Plays a QEMU that answers, for so many ms; returns how often key was pressed. */
static unsigned presses(struct fixture *f, const char *key, unsigned ms) {
	char wanted[64];
	unsigned n = 0;
	snprintf(wanted, sizeof(wanted),
		"\"down\":true,\"key\":{\"type\":\"qcode\",\"data\":\"%s\"", key);
	for (uint64_t end = clock_usec() + ms * 1000; clock_usec() < end;) {
		sd_event_run(f->event, 1000);
		const char *text = hear(f), *id = strstr(text, "\"id\":");
		n += strstr(text, wanted) != NULL;
		if (id != NULL) {
			char reply[64];
			snprintf(reply, sizeof(reply), "{\"return\": {}, \"id\": %lu}\n",
				strtoul(id + 5, NULL, 10));
			say(f, reply);
		}
	}
	return n;
}

static void a_held_key_repeats_until_it_is_released(void **state) {
	struct fixture f;
	struct input input;
	setup(&f, true);
	assert_int_equal(input_init(&input, f.event, f.qmp, 100, 50), 0);
	struct link_input a = {.count = 1, .events = {{LINK_INPUT_KEY, 30, 1}}};
	struct link_input shift = {.count = 1, .events = {{LINK_INPUT_KEY, 42, 1}}};
	input_send(&input, &a);
	input_send(&input, &shift);
	assert_in_range(presses(&f, "a", 250), 3, 22);
	a.events[0].value = 0;
	input_send(&input, &a);
	presses(&f, "a", 20);
	assert_int_equal(presses(&f, "a", 100), 0);
	assert_int_equal(presses(&f, "shift", 100), 0);
	input_finish(&input);
	teardown(&f);
}

static void a_slow_qemu_gets_no_heap_of_repeats(void **state) {
	struct fixture f;
	struct input input;
	setup(&f, true);
	assert_int_equal(input_init(&input, f.event, f.qmp, 200, 1), 0);
	struct link_input a = {.count = 1, .events = {{LINK_INPUT_KEY, 30, 1}}};
	input_send(&input, &a);
	for (uint64_t end = clock_usec() + 100000; clock_usec() < end;) {
		sd_event_run(f.event, 1000);
	}
	assert_int_equal(input.queue.len, 0);
	input_finish(&input);
	teardown(&f);
}

static void brackets_in_strings_are_no_nesting(void **state) {
	static const struct {
		const char *line;
		bool sane;
	} cases[] = {
		{"[[]]", true},
		{"[[[]]]", false},
		{"[\"[[[[\"]", true},
		{"[\"\\\"[[[\"]", true},
		{"[\"\\\\\"[[", false},
		{"]]]][[", true},
		{"\"\\", true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			json_line_sane(cases[i].line, strlen(cases[i].line), 2), cases[i].sane);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake_comes_before_commands),
		cmocka_unit_test(replies_find_their_command),
		cmocka_unit_test(a_refused_command_says_why),
		cmocka_unit_test(a_command_times_out_and_its_late_reply_is_dropped),
		cmocka_unit_test(events_arrive_in_pieces),
		cmocka_unit_test(many_events_in_one_piece_all_arrive),
		cmocka_unit_test(garbage_ends_the_connection),
		cmocka_unit_test(messages_of_unexpected_shape_are_survived),
		cmocka_unit_test(a_nul_byte_ends_the_connection),
		cmocka_unit_test(a_line_of_a_megabyte_ends_the_connection),
		cmocka_unit_test(deep_json_ends_the_connection),
		cmocka_unit_test(disconnecting_answers_what_waits),
		cmocka_unit_test(who_does_not_read_gets_a_bounded_queue),
		cmocka_unit_test(input_waits_for_the_last_answer),
		cmocka_unit_test(a_held_key_repeats_until_it_is_released),
		cmocka_unit_test(a_slow_qemu_gets_no_heap_of_repeats),
		cmocka_unit_test(brackets_in_strings_are_no_nesting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
