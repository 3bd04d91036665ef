/* io.mullion.Host as seen from its socket, with stand-ins for mullion-device and QEMU. */
#include "host-varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fd.h"
#include "life.h"

#define WATCHERS 40

struct fixture {
	sd_event *event;
	struct guests guests;
	struct host_varlink *host;
	unsigned stops;
};

static char *path_of(const char *name) {
	static char path[64];
	snprintf(path, sizeof(path), "%s/%s", life_directory(), name);
	return path;
}

static void on_changed(void *data) {
	struct fixture *fixture = data;
	host_varlink_changed(fixture->host);
}

static void on_stop(void *data) {
	struct fixture *fixture = data;
	fixture->stops++;
	guests_stop_all(&fixture->guests);
}

static void setup(struct fixture *fixture) {
	struct config config = {.host.vram = 6 * MIB, .guests_len = 2};
	*fixture = (struct fixture){0};
	config.guests = calloc(2, sizeof(config.guests[0]));
	config.guests[0] = life_guest("one", 1, CONFIG_VMM_EXTERNAL);
	config.guests[1] = life_guest("two", 2, CONFIG_VMM_EXTERNAL);
	life_start(&fixture->event, &fixture->guests, &config, on_changed, fixture);
	assert_int_equal(host_varlink_create(&fixture->host, &fixture->guests, path_of("host"), -1,
				 on_stop, fixture),
		0);
}

static void teardown(struct fixture *fixture) {
	host_varlink_destroy(fixture->host);
	guests_finish(&fixture->guests);
	sd_event_unref(fixture->event);
}

static int connect_to_host(void) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_of("host"));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The next reply on a connection; "" where it was closed. */
static const char *hear(struct fixture *f, int fd) {
	static char reply[65536];
	size_t length = 0;
	for (uint64_t end = clock_usec() + PATIENCE_US; clock_usec() < end;) {
		ssize_t n = recv(fd, reply + length, 1, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			return "";
		}
		if (n < 0) {
			sd_event_run(f->event, 10 * USEC_PER_MSEC);
		} else if (reply[length++] == '\0') {
			return reply;
		}
	}
	fail_msg("no reply");
	return "";
}

static void say(int fd, const char *method, const char *parameters, const char *more,
	const int *fds, size_t n) {
	char text[1024];
	int length = snprintf(text, sizeof(text),
		"{\"method\":\"io.mullion.Host.%s\",\"parameters\":%s%s}", method, parameters,
		more);
	assert_int_equal(fd_send(fd, text, (size_t)length + 1, fds, n, 0), length + 1);
}

/* One call on a connection of its own; returns the reply. */
static const char *ask(
	struct fixture *f, const char *method, const char *parameters, const int *fds, size_t n) {
	int fd = connect_to_host();
	say(fd, method, parameters, "", fds, n);
	const char *reply = hear(f, fd);
	close(fd);
	return reply;
}

static void assert_says(const char *reply, const char *words) {
	if (strstr(reply, words) == NULL) {
		fail_msg("%s does not say %s", reply, words);
	}
}

static void start_and_stop_answer_in_their_time(void **state) {
	struct fixture f;
	setup(&f);
	assert_string_equal(ask(&f, "Start", "{\"name\":\"one\"}", NULL, 0), "{\"parameters\":{}}");
	assert_int_equal(f.guests.list[0]->state, GUEST_RUNNING);
	assert_says(ask(&f, "Status", "{\"name\":\"one\"}", NULL, 0), "\"state\":\"running\"");
	assert_says(ask(&f, "Vram", "{}", NULL, 0), "\"free\":2097152");
	assert_says(ask(&f, "Table", "{}", NULL, 0), "\"guest\":\"one\"");
	assert_string_equal(ask(&f, "Kill", "{\"name\":\"one\"}", NULL, 0), "{\"parameters\":{}}");
	assert_int_equal(f.guests.list[0]->state, GUEST_OFF);
	assert_string_equal(ask(&f, "Stop", "{\"name\":\"one\"}", NULL, 0), "{\"parameters\":{}}");
	assert_says(ask(&f, "Traps", "{\"name\":\"one\"}", NULL, 0), "Host.Refused");
	teardown(&f);
}

static void a_refused_start_says_why(void **state) {
	struct fixture f;
	setup(&f);
	ask(&f, "Start", "{\"name\":\"one\"}", NULL, 0);
	const char *reply = ask(&f, "Start", "{\"name\":\"two\"}", NULL, 0);
	assert_says(reply, "io.mullion.Host.Refused");
	assert_says(reply, "'one' 0 to 4 MiB, free 4 to 6 MiB");
	assert_says(ask(&f, "Status", "{\"name\":\"two\"}", NULL, 0), "\"state\":\"off\"");
	teardown(&f);
}

static void calls_that_are_wrong_are_refused(void **state) {
	static const struct {
		const char *method, *parameters, *words;
	} cases[] = {
		{"Start", "{\"name\":\"nobody\"}",
			"NoSuchGuest\",\"parameters\":{\"name\":\"nobody\""},
		{"Start", "{}", "InvalidParameter"},
		{"Kill", "{\"name\":5}", "InvalidParameter"},
		{"Stop", "{\"name\":\"one\",\"more\":1}", "InvalidParameter"},
		{"List", "{\"x\":1}", "InvalidParameter"},
		{"Nothing", "{}", "MethodNotFound"},
		{"Present", "{\"name\":\"one\"}", "Refused"},
	};
	struct fixture f;
	setup(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_says(ask(&f, cases[i].method, cases[i].parameters, NULL, 0), cases[i].words);
	}
	int fd = connect_to_host();
	assert_int_equal(send(fd, "garbage", 8, 0), 8);
	assert_string_equal(hear(&f, fd), "");
	close(fd);
	assert_says(ask(&f, "List", "{}", NULL, 0), "\"two\"");
	teardown(&f);
}

static void only_one_socket_is_taken_as_a_display(void **state) {
	struct fixture f;
	int pair[2], ends[2];
	char text[8] = "";
	setup(&f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_says(ask(&f, "Present", "{\"name\":\"one\"}", pair, 1), "does not run");
	ask(&f, "Start", "{\"name\":\"one\"}", NULL, 0);
	assert_says(ask(&f, "Present", "{\"name\":\"one\"}", pair, 2), "Refused");
	assert_says(ask(&f, "Present", "{\"name\":\"one\"}", ends, 1), "Refused");
	assert_string_equal(
		ask(&f, "Present", "{\"name\":\"one\"}", &pair[1], 1), "{\"parameters\":{}}");
	close(pair[1]);
	assert_int_equal(read(pair[0], text, 5), 5);
	assert_string_equal(text, "shown");
	assert_says(ask(&f, "Status", "{\"name\":\"one\"}", NULL, 0), "\"shown\":true");
	close(pair[0]);
	fd_close_many(ends, 2);
	teardown(&f);
}

static void watchers_hear_of_each_change_and_may_go(void **state) {
	struct fixture f;
	int fds[WATCHERS];
	setup(&f);
	for (unsigned i = 0; i < WATCHERS; i++) {
		fds[i] = connect_to_host();
		say(fds[i], "List", "{}", ",\"more\":true", NULL, 0);
		assert_says(hear(&f, fds[i]), "\"continues\":true");
	}
	for (unsigned i = 1; i < WATCHERS; i += 2) {
		close(fds[i]);
	}
	ask(&f, "Start", "{\"name\":\"one\"}", NULL, 0);
	for (unsigned i = 0; i < WATCHERS; i += 2) {
		while (strstr(hear(&f, fds[i]), "\"state\":\"running\"") == NULL) {
		}
		close(fds[i]);
	}
	assert_says(ask(&f, "List", "{}", NULL, 0), "\"running\"");
	teardown(&f);
}

static void shutting_down_answers_when_all_is_off(void **state) {
	struct fixture f;
	setup(&f);
	ask(&f, "Start", "{\"name\":\"one\"}", NULL, 0);
	assert_string_equal(ask(&f, "Shutdown", "{}", NULL, 0), "{\"parameters\":{}}");
	assert_int_equal(f.stops, 1);
	assert_true(guests_are_off(&f.guests));
	assert_says(ask(&f, "Start", "{\"name\":\"one\"}", NULL, 0), "is ending");
	teardown(&f);
}

static void the_socket_is_for_its_owner_alone(void **state) {
	struct fixture f;
	struct stat status;
	setup(&f);
	assert_int_equal(stat(path_of("host"), &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	teardown(&f);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_and_stop_answer_in_their_time),
		cmocka_unit_test(a_refused_start_says_why),
		cmocka_unit_test(calls_that_are_wrong_are_refused),
		cmocka_unit_test(only_one_socket_is_taken_as_a_display),
		cmocka_unit_test(watchers_hear_of_each_change_and_may_go),
		cmocka_unit_test(shutting_down_answers_when_all_is_off),
		cmocka_unit_test(the_socket_is_for_its_owner_alone),
	};
	return cmocka_run_group_tests(tests, life_prepare, life_clean_up);
}
