/* What the device's sandbox forbids, and that it does not start without one. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"
#include "trials.h"

static char probe[4096 + 16];

/* A system call that fails as though the kernel could not do it; -1 for none. */
struct fault {
	int call;
	unsigned long argument; // the first; UINT64_MAX for any
	int error;
};

static void inject(const struct fault *fault) {
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool any = fault->argument == UINT64_MAX;
	if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) < 0 ||
		seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)fault->error), fault->call,
			any ? 0 : 1, SCMP_A0(SCMP_CMP_EQ, fault->argument)) < 0 ||
		seccomp_load(filter) < 0) {
		_exit(99);
	}
	seccomp_release(filter);
}

static void report(const struct sandbox_problem *problem) {
	char line[SANDBOX_LINE_MAX];
	sandbox_describe(problem, line);
	dprintf(STDERR_FILENO, "%s\n", line);
	_exit(SANDBOX_EXIT_STATUS + (int)problem->layer);
}

static void __attribute__((noreturn)) become(
	const char *trial, const struct fault *fault, int socket, int errors) {
	const struct sandbox sandbox = {.kind = SANDBOX_KIND_DEVICE};
	struct sandbox_problem problem;
	char *argv[] = {probe, (char *)trial, NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(errors, STDERR_FILENO);
	dup2(socket, PROBE_SOCKET);
	dup2(null, PROBE_TTY);
	close_range(PROBE_TTY + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	// In the child already, as CAP_SYS_ADMIN in its namespace lets anybody have a filter.
	if (fault != NULL) {
		inject(fault);
	}
	if (sandbox_enter(&sandbox, &problem) < 0) {
		report(&problem);
	}
	execv(probe, argv);
	_exit(127);
}

/* Runs the probe; returns what waitpid() says, and in text what it complained of. */
static int run(const char *trial, const struct fault *fault, char *text, size_t size) {
	const struct sandbox sandbox = {.kind = SANDBOX_KIND_DEVICE};
	int pair[2], errors[2], status;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), errno);
	assert_return_code(pipe2(errors, O_CLOEXEC), errno);
	pid_t pid = sandbox_fork(&sandbox);
	if (pid == 0) {
		int socket = fcntl(pair[1], F_DUPFD_CLOEXEC, 20);
		become(trial, fault, socket, fcntl(errors[1], F_DUPFD_CLOEXEC, 20));
	}
	if (pid < 0) {
		fail_msg("no namespaces: %s", strerror(-pid));
	}
	close(errors[1]);
	size_t length = 0;
	ssize_t n;
	while (length + 1 < size && (n = read(errors[0], text + length, size - 1 - length)) > 0) {
		length += (size_t)n;
	}
	text[length] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(errors[0]);
	fd_close_many(pair, 2);
	return status;
}

static void assert_refused(const struct trial *trial, int status, const char *text) {
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGSYS) {
		fail_msg("%s: killed by signal %d", trial->name, WTERMSIG(status));
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) != PROBE_FAILED) {
		fail_msg("%s: status %d %s", trial->name, WEXITSTATUS(status), text);
	}
}

static void is_refused(void **state) {
	const struct trial *trial = *state;
	char text[SANDBOX_LINE_MAX];
	int status = run(trial->name, NULL, text, sizeof(text));
	if (trial->outcome == TRIAL_WORKS) {
		if (!WIFEXITED(status) || WEXITSTATUS(status) != PROBE_WORKED) {
			fail_msg("%s: status %#x %s", trial->name, (unsigned)status, text);
		}
		return;
	}
	assert_refused(trial, status, text);
	assert_int_equal(WIFSIGNALED(status), trial->outcome == TRIAL_IS_FATAL);
}

static void is_refused_without_seccomp(void **state) {
	const struct trial *trial = *state;
	char text[SANDBOX_LINE_MAX];
	setenv("MULLION_SANDBOX", "log", 1);
	int status = run(trial->name, NULL, text, sizeof(text));
	unsetenv("MULLION_SANDBOX");
	assert_true(WIFEXITED(status));
	assert_refused(trial, status, text);
}

static void nothing_starts_without_a_layer(void **state) {
	static const struct {
		struct fault fault;
		enum sandbox_layer layer;
	} faults[] = {
		{{SCMP_SYS(fsopen), UINT64_MAX, ENOSYS}, SANDBOX_ROOT},
		{{SCMP_SYS(pivot_root), UINT64_MAX, EPERM}, SANDBOX_ROOT},
		{{SCMP_SYS(umount2), UINT64_MAX, EPERM}, SANDBOX_ROOT},
		{{SCMP_SYS(landlock_create_ruleset), UINT64_MAX, ENOSYS}, SANDBOX_LANDLOCK},
		{{SCMP_SYS(landlock_restrict_self), UINT64_MAX, EPERM}, SANDBOX_LANDLOCK},
		{{SCMP_SYS(prctl), PR_SET_NO_NEW_PRIVS, EINVAL}, SANDBOX_NO_NEW_PRIVS},
		{{SCMP_SYS(seccomp), UINT64_MAX, ENOSYS}, SANDBOX_SECCOMP},
		{{SCMP_SYS(capset), UINT64_MAX, EPERM}, SANDBOX_NO_CAPABILITIES},
		{{SCMP_SYS(prctl), PR_CAPBSET_DROP, EPERM}, SANDBOX_NO_CAPABILITIES},
		{{SCMP_SYS(prctl), PR_SET_MDWE, EPERM}, SANDBOX_NO_EXEC_GAIN},
		{{SCMP_SYS(prctl), PR_SET_DUMPABLE, EPERM}, SANDBOX_NOT_DUMPABLE},
		{{SCMP_SYS(prlimit64), UINT64_MAX, EPERM}, SANDBOX_LIMITS},
	};
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		char text[SANDBOX_LINE_MAX];
		enum sandbox_layer layer = faults[i].layer;
		int status = run("ordinary_work", &faults[i].fault, text, sizeof(text));
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) != SANDBOX_EXIT_STATUS + (int)layer) {
			fail_msg("%zu: status %d instead of %d: %s", i, WEXITSTATUS(status),
				SANDBOX_EXIT_STATUS + (int)layer, text);
		}
		// One line, with the layer, the error and what to do.
		if (strstr(text, sandbox_layer_name(layer)) == NULL ||
			strstr(text, strerror(faults[i].fault.error)) == NULL ||
			strstr(text, "sandbox = off") == NULL) {
			fail_msg("%zu does not say it all: %s", i, text);
		}
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	}
}

static void a_device_outside_of_namespaces_refuses(void **state) {
	struct sandbox_problem problem;
	sandbox_layers seen;
	unsigned landlock;
	assert_int_equal(sandbox_enter_device(&landlock, &seen, &problem), -1);
	assert_int_equal(problem.layer, SANDBOX_USER_NS);
}

static void find_probe(void) {
	char self[4096] = "";
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0) {
		snprintf(probe, sizeof(probe), "%s/sandbox-probe", dirname(self));
	}
}

static struct CMUnitTest make_test(
	const struct trial *trial, const char *suffix, void (*function)(void **state)) {
	char *name = NULL;
	if (asprintf(&name, "%s%s", trial->name, suffix) < 0) {
		abort();
	}
	return (struct CMUnitTest){name, function, NULL, NULL, (void *)trial};
}

int main(void) {
	static struct CMUnitTest tests[256];
	size_t n = 0;
	char pid[16];
	if (getenv("MULLION_SANITIZED") != NULL) {
		puts("1..0 # SKIP sanitizers need what no sandbox allows");
		return 0;
	}
	find_probe();
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv(PROBE_OTHER_PID_VARIABLE, pid, 1);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(nothing_starts_without_a_layer);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_device_outside_of_namespaces_refuses);
	for (size_t i = 0; i < trials_len; i++) {
		bool works = trials[i].outcome == TRIAL_WORKS;
		tests[n++] =
			make_test(&trials[i], works ? "_is_possible" : "_is_refused", is_refused);
		if (trials[i].alone) {
			tests[n++] = make_test(&trials[i], "_is_refused_without_seccomp_too",
				is_refused_without_seccomp);
		}
	}
	return _cmocka_run_group_tests("device's sandbox", tests, n, NULL, NULL);
}
