#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"

/* Above every descriptor that a process gets, where none can be overwritten. */
#define SPARE_FD 64

static void reset_signals(void) {
	sigset_t none;
	for (int signal = 1; signal < NSIG; signal++) {
		if (signal != SIGKILL && signal != SIGSTOP) {
			struct sigaction action = {.sa_handler = SIG_DFL};
			sigaction(signal, &action, NULL);
		}
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int place_fds(const struct process_spec *spec) {
	int sources[3 + PROCESS_FDS_MAX];
	size_t n = PROCESS_FIRST_FD + spec->fds_len;
	sources[STDIN_FILENO] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sources[STDERR_FILENO] = spec->stderr_fd >= 0 ? spec->stderr_fd : STDERR_FILENO;
	sources[STDOUT_FILENO] = spec->stdout_fd >= 0 ? spec->stdout_fd : STDERR_FILENO;
	for (size_t i = 0; i < spec->fds_len; i++) {
		sources[PROCESS_FIRST_FD + i] = spec->fds[i];
	}
	// Out of the way first: a source may be another one's target.
	for (size_t i = 0; i < n; i++) {
		sources[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, SPARE_FD);
		if (sources[i] < 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (dup2(sources[i], (int)i) < 0) {
			return -1;
		}
	}
	return close_range((unsigned)n, ~0U, 0);
}

/* Nothing of the session's is told: no sockets, no credentials. */
static void clean_environment(void) {
	static const char *const kept[] = {"LANG=", "LC_", "TZ=", "MULLION_LOG=",
		"MULLION_SANDBOX=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS="};
	char **to = environ;
	for (char **from = environ; *from != NULL; from++) {
		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
			if (strncmp(*from, kept[i], strlen(kept[i])) == 0) {
				*to++ = *from;
				break;
			}
		}
	}
	*to = NULL;
}

static void enter_sandbox(const struct sandbox *sandbox) {
	struct sandbox_problem problem;
	clean_environment();
	if (sandbox_enter(sandbox, &problem) < 0) {
		char line[SANDBOX_LINE_MAX];
		sandbox_describe(&problem, line);
		dprintf(STDERR_FILENO, "%s\n", line);
		_exit(SANDBOX_EXIT_STATUS + (int)problem.layer);
	}
}

static bool is_alive(int parent) {
	struct pollfd poll_fd = {.fd = parent, .events = POLLIN};
	return poll(&poll_fd, 1, 0) == 0;
}

static void __attribute__((noreturn)) run(const struct process_spec *spec, int parent) {
	reset_signals();
	setsid();
	// The parent may have died before the signal was asked for.
	bool bound = spec->outlives || (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && is_alive(parent));
	if (bound && place_fds(spec) == 0) {
		if (spec->sandbox != NULL) {
			enter_sandbox(spec->sandbox);
		}
		execv(spec->path, spec->argv);
	}
	dprintf(STDERR_FILENO, "%s: %s\n", spec->path, strerror(errno));
	_exit(127);
}

/* A pidfd tells of the parent's end across pid namespaces, where getppid() is 0. */
static pid_t fork_child(const struct process_spec *spec) {
	int parent = pidfd_open(getpid(), 0);
	if (parent < 0) {
		return -errno;
	}
	pid_t pid = spec->sandbox != NULL ? sandbox_fork(spec->sandbox) : fork();
	int error = errno;
	if (pid == 0) {
		run(spec, parent);
	}
	close(parent);
	return pid < 0 && spec->sandbox == NULL ? -error : pid;
}

static int handle_child(sd_event_source *source, const siginfo_t *info, void *data) {
	struct process *process = data;
	process->pid = 0;
	process->child = sd_event_source_disable_unref(process->child);
	process->exited(process->data, info);
	return 0;
}

int process_start(struct process *process, sd_event *event, const struct process_spec *spec,
	void (*exited)(void *data, const siginfo_t *info), void *data) {
	if (spec->fds_len > PROCESS_FDS_MAX) {
		return -EINVAL;
	}
	pid_t pid = fork_child(spec);
	if (pid < 0) {
		return pid;
	}
	int error = sd_event_add_child(event, &process->child, pid, WEXITED, handle_child, process);
	if (error < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return error;
	}
	process->pid = pid;
	process->exited = exited;
	process->data = data;
	// Unreferencing the source then kills and reaps the process.
	sd_event_source_set_child_process_own(process->child, 1);
	return 0;
}

static int handle_pidfd(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct process *process = data;
	const siginfo_t unknown = {0};
	process->pid = 0;
	process->adopted = sd_event_source_disable_unref(process->adopted);
	process->exited(process->data, &unknown);
	return 0;
}

int process_adopt(struct process *process, sd_event *event, pid_t pid, int pidfd,
	void (*exited)(void *data, const siginfo_t *info), void *data) {
	int error =
		sd_event_add_io(event, &process->adopted, pidfd, EPOLLIN, handle_pidfd, process);
	if (error < 0) {
		fd_close(pidfd);
		return error;
	}
	sd_event_source_set_io_fd_own(process->adopted, 1);
	process->pid = pid;
	process->exited = exited;
	process->data = data;
	return 0;
}

int process_pidfd(const struct process *process) {
	return process->adopted != NULL ? sd_event_source_get_io_fd(process->adopted) : -1;
}

void process_signal(struct process *process, int signal) {
	if (process->child != NULL) {
		sd_event_source_send_child_signal(process->child, signal, NULL, 0);
	} else if (process->adopted != NULL) {
		pidfd_send_signal(process_pidfd(process), signal, NULL, 0);
	}
}

void process_finish(struct process *process) {
	if (process->adopted != NULL) {
		process_signal(process, SIGKILL);
		process->adopted = sd_event_source_disable_unref(process->adopted);
	}
	process->child = sd_event_source_disable_unref(process->child);
	process->pid = 0;
}

void process_how(const siginfo_t *info, char how[PROCESS_HOW_MAX]) {
	if (info->si_code == 0) {
		snprintf(how, PROCESS_HOW_MAX, "ended");
	} else if (info->si_code == CLD_EXITED) {
		snprintf(how, PROCESS_HOW_MAX, "exited with status %d", info->si_status);
	} else {
		snprintf(how, PROCESS_HOW_MAX, "was killed by signal %d (%.40s)", info->si_status,
			strsignal(info->si_status));
	}
}

bool process_sandbox_failed(const siginfo_t *info, enum sandbox_layer *ret_layer) {
	int layer = info->si_status - SANDBOX_EXIT_STATUS;
	if (info->si_code != CLD_EXITED || layer < 0 || layer >= SANDBOX_LAYERS) {
		return false;
	}
	*ret_layer = layer;
	return true;
}

void process_why(const struct sandbox *sandbox, int error, char line[SANDBOX_LINE_MAX]) {
	struct sandbox_problem problem;
	if (sandbox != NULL && sandbox_find_refused(sandbox, &problem)) {
		sandbox_describe(&problem, line);
	} else {
		snprintf(line, SANDBOX_LINE_MAX, "%s", strerror(-error));
	}
}
