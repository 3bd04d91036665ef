#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char how[PROCESS_HOW_MAX];
static bool ended;

static void on_exit_of(void *data, const siginfo_t *info) {
	process_how(info, how);
	ended = true;
}

static sd_event *make_event(void) {
	sd_event *event = NULL;
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	assert_return_code(sd_event_new(&event), 0);
	ended = false;
	return event;
}

/* Runs a shell command to its end; returns what it wrote, all of it short. */
static const char *run(const char *command, const int *fds, size_t fds_len) {
	static char output[4096];
	struct process process = {0};
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
	int ends[2];
	sd_event *event = make_event();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	struct process_spec spec = {"/bin/sh", argv, fds, fds_len, ends[1], -1};
	assert_int_equal(process_start(&process, event, &spec, on_exit_of, NULL), 0);
	close(ends[1]);
	while (!ended) {
		assert_return_code(sd_event_run(event, UINT64_MAX), 0);
	}
	assert_int_equal(process.pid, 0);
	ssize_t n = read(ends[0], output, sizeof(output) - 1);
	output[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	process_finish(&process);
	sd_event_unref(event);
	return output;
}

static void the_end_is_described(void **state) {
	run("exit 0", NULL, 0);
	assert_string_equal(how, "exited with status 0");
	run("exit 7", NULL, 0);
	assert_string_equal(how, "exited with status 7");
	run("kill -SEGV $$", NULL, 0);
	assert_string_equal(how, "was killed by signal 11 (Segmentation fault)");
}

static void it_gets_only_the_descriptors_that_are_named(void **state) {
	int pipes[2], leaks[8];
	assert_int_equal(pipe(pipes), 0);
	for (size_t i = 0; i < 8; i++) {
		leaks[i] = dup(pipes[0]); // without close-on-exec
	}
	// Named in an order in which each stands where another has to go.
	const int fds[] = {pipes[1], leaks[0], pipes[0]};
	// 6 is the folder that the shell is listing.
	assert_string_equal(run("cd /proc/$$/fd; echo *", fds, 3), "0 1 2 3 4 5 6\n");
	run("echo hello >&3", fds, 3);
	char text[8] = "";
	assert_int_equal(read(pipes[0], text, sizeof(text) - 1), 6);
	assert_string_equal(text, "hello\n");
	for (size_t i = 0; i < 8; i++) {
		close(leaks[i]);
	}
	close(pipes[0]);
	close(pipes[1]);
}

static void it_has_a_session_of_its_own_and_no_signal_blocked(void **state) {
	assert_string_equal(run("grep -c '^SigBlk:.*0000$' /proc/self/status", NULL, 0), "1\n");
	assert_string_equal(
		run("set -- $(cat /proc/$$/stat); [ $6 = $$ ] && echo yes", NULL, 0), "yes\n");
}

static void a_program_that_is_not_there_ends_with_127(void **state) {
	struct process process = {0};
	char *argv[] = {(char *)"nothing", NULL};
	sd_event *event = make_event();
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct process_spec spec = {"/nowhere/nothing", argv, NULL, 0, null, null};
	assert_int_equal(process_start(&process, event, &spec, on_exit_of, NULL), 0);
	while (!ended) {
		assert_return_code(sd_event_run(event, UINT64_MAX), 0);
	}
	assert_string_equal(how, "exited with status 127");
	close(null);
	sd_event_unref(event);
}

static void finishing_kills_and_reaps(void **state) {
	struct process process = {0};
	char *argv[] = {(char *)"sleep", (char *)"1000", NULL};
	sd_event *event = make_event();
	struct process_spec spec = {"/bin/sleep", argv, NULL, 0, -1, -1};
	assert_int_equal(process_start(&process, event, &spec, on_exit_of, NULL), 0);
	pid_t pid = process.pid;
	assert_int_equal(kill(pid, 0), 0);
	process_finish(&process);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_false(ended);
	process_finish(&process);
	process_signal(&process, SIGTERM);
	sd_event_unref(event);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_is_described),
		cmocka_unit_test(it_gets_only_the_descriptors_that_are_named),
		cmocka_unit_test(it_has_a_session_of_its_own_and_no_signal_blocked),
		cmocka_unit_test(a_program_that_is_not_there_ends_with_127),
		cmocka_unit_test(finishing_kills_and_reaps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
