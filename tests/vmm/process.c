#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "sandbox.h"

#define FDS_MAX 8
#define POLL_USEC 2000
#define STOP_MSEC 2000

static char *in_folder(const char *folder, const char *name) {
	char *path;
	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		return NULL;
	}
	if (access(path, X_OK) == 0) {
		return path;
	}
	free(path);
	return NULL;
}

char *process_find(const char *name) {
	const char *programs = getenv("MULLION_PROGRAMS");
	if (programs != NULL) {
		return in_folder(programs, name);
	}
	char folder[4096];
	ssize_t length = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	if (length < 0) {
		return NULL;
	}
	folder[length] = '\0';
	for (int up = 0; up < 4; up++) {
		char *slash = strrchr(folder, '/');
		if (slash == NULL || slash == folder) {
			break;
		}
		*slash = '\0';
		char *path = in_folder(folder, name);
		if (path != NULL) {
			return path;
		}
	}
	return NULL;
}

/* In the child: nothing but the given descriptors survives. */
static void become(const char *path, char *const argv[], const int *fds, size_t n, int log,
	char *const environment[], const struct sandbox *sandbox) {
	struct sandbox_problem problem;
	int high[FDS_MAX];
	for (size_t i = 0; i < n; i++) {
		high[i] = fcntl(fds[i], F_DUPFD, 100);
	}
	dup2(log, STDERR_FILENO);
	for (size_t i = 0; i < n; i++) {
		dup2(high[i], 3 + (int)i);
	}
	close_range(3 + (unsigned)n, ~0u, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
		putenv(environment[i]);
	}
	if (sandbox != NULL && sandbox_enter(sandbox, &problem) < 0) {
		dprintf(STDERR_FILENO, "no %s: %s\n", sandbox_layer_name(problem.layer),
			strerror(problem.error));
	} else if (path != NULL) {
		execv(path, argv);
	} else {
		execvp(argv[0], argv);
	}
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static bool is_to_be_sandboxed(char *const argv[]) {
	bool sandboxed = strcmp(argv[0], "mullion-device") == 0;
	for (size_t i = 1; argv[i] != NULL; i++) {
		sandboxed = sandboxed && strcmp(argv[i], "--no-sandbox") != 0;
	}
	return sandboxed;
}

int process_start(struct process *process, char *const argv[], const int *fds, size_t n,
	char *const environment[]) {
	*process = (struct process){.log = -1};
	if (n > FDS_MAX) {
		return -EMSGSIZE;
	}
	process->log = memfd_create("log", MFD_CLOEXEC);
	if (process->log < 0 || fcntl(process->log, F_SETFL, O_APPEND) < 0) {
		return -errno;
	}
	char *path = process_find(argv[0]);
	// As mulliond does it, with the real device and its sandbox.
	const struct sandbox sandbox = {.kind = SANDBOX_KIND_DEVICE};
	bool sandboxed = is_to_be_sandboxed(argv);
	pid_t pid = sandboxed ? sandbox_fork(&sandbox) : fork();
	int error = pid >= 0 ? 0 : sandboxed ? pid : -errno;
	if (pid == 0) {
		become(path, argv, fds, n, process->log, environment, sandboxed ? &sandbox : NULL);
	}
	free(path);
	process->pid = pid > 0 ? pid : 0;
	return error;
}

int process_wait(struct process *process, int timeout_msec) {
	uint64_t end = clock_usec() + (uint64_t)timeout_msec * USEC_PER_MSEC;
	int status;
	for (;;) {
		pid_t pid = waitpid(process->pid, &status, WNOHANG);
		if (pid < 0) {
			return -errno;
		}
		if (pid == process->pid) {
			process->pid = 0;
			return status;
		}
		if (clock_usec() >= end) {
			return -ETIMEDOUT;
		}
		usleep(POLL_USEC);
	}
}

int process_stop(struct process *process) {
	if (process->pid == 0) {
		process->log = fd_close(process->log);
		return -ESRCH;
	}
	kill(process->pid, SIGTERM);
	int status = process_wait(process, STOP_MSEC);
	if (status == -ETIMEDOUT) {
		kill(process->pid, SIGKILL);
		status = process_wait(process, STOP_MSEC);
	}
	process->log = fd_close(process->log);
	return status;
}

bool process_alive(struct process *process) {
	siginfo_t info = {0};
	return process->pid > 0 &&
		waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		info.si_pid == 0;
}

char *process_log(struct process *process) {
	off_t size = process->log < 0 ? 0 : lseek(process->log, 0, SEEK_END);
	char *text = calloc(1, (size_t)size + 1);
	if (text != NULL && size > 0 && pread(process->log, text, (size_t)size, 0) < 0) {
		text[0] = '\0';
	}
	return text;
}

bool process_log_contains(struct process *process, const char *text) {
	char *log = process_log(process);
	bool found = log != NULL && strstr(log, text) != NULL;
	free(log);
	return found;
}

bool process_complained(struct process *process) {
	return process_log_contains(process, "Sanitizer") ||
		process_log_contains(process, "runtime error");
}

static FILE *open_proc(pid_t pid, const char *file) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	return fopen(path, "re");
}

int process_fds(pid_t pid) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	if (dir == NULL) {
		return -1;
	}
	int count = 0;
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		count += entry->d_name[0] != '.';
	}
	closedir(dir);
	return count;
}

static int64_t status_value(pid_t pid, const char *key) {
	FILE *file = open_proc(pid, "status");
	if (file == NULL) {
		return -1;
	}
	char line[256];
	int64_t value = -1;
	size_t length = strlen(key);
	while (value < 0 && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, length) == 0 && line[length] == ':') {
			value = strtoll(line + length + 1, NULL, 10);
		}
	}
	fclose(file);
	return value;
}

long process_memory(pid_t pid) {
	return (long)status_value(pid, "RssAnon");
}

int64_t process_switches(pid_t pid) {
	return status_value(pid, "voluntary_ctxt_switches");
}

int64_t process_cpu_usec(pid_t pid) {
	// Exact, unlike the ticks of /proc/PID/stat, and with the threads that have ended.
	clockid_t clock;
	struct timespec time;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) < 0) {
		return -1;
	}
	return time.tv_sec * (int64_t)USEC_PER_SEC + time.tv_nsec / 1000;
}
