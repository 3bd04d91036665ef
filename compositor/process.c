#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTEN_FD 3 // sd_listen_fds(3)

struct process {
	struct wl_list link; // struct processes.list
	pid_t pid;
	process_exited_func exited; // may be NULL
	void *data;
};

static int handle_child_signal(int signal_number, void *data) {
	struct processes *processes = data;
	struct process *process, *next;
	// Only our own: libraries wait for children of theirs.
	wl_list_for_each_safe (process, next, &processes->list, link) {
		int status;
		if (waitpid(process->pid, &status, WNOHANG) != process->pid) {
			continue;
		}
		wl_list_remove(&process->link);
		if (process->exited != NULL) {
			process->exited(process->data, status);
		}
		free(process);
	}
	return 0;
}

int processes_init(struct processes *processes, struct wl_event_loop *loop) {
	wl_list_init(&processes->list);
	if (getrlimit(RLIMIT_NOFILE, &processes->files) < 0) {
		return -errno;
	}
	const struct rlimit all = {processes->files.rlim_max, processes->files.rlim_max};
	setrlimit(RLIMIT_NOFILE, &all);
	processes->signal = wl_event_loop_add_signal(loop, SIGCHLD, handle_child_signal, processes);
	return processes->signal == NULL ? -ENOMEM : 0;
}

void processes_finish(struct processes *processes) {
	if (processes->list.next == NULL) {
		return;
	}
	struct process *process, *next;
	wl_list_for_each_safe (process, next, &processes->list, link) {
		wl_list_remove(&process->link);
		free(process);
	}
	if (processes->signal != NULL) {
		wl_event_source_remove(processes->signal);
		processes->signal = NULL;
	}
}

/*
 * Our environment with room for LISTEN_PID, which only the child knows: between fork and
 * exec nothing may allocate. Returns NULL without memory; the caller frees it.
 */
static char **environment_with_listen(char *listen_pid, char *listen_fds) {
	size_t n = 0;
	while (environ[n] != NULL) {
		n++;
	}
	char **result = calloc(n + 3, sizeof(result[0]));
	if (result == NULL) {
		return NULL;
	}
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], "LISTEN_", strlen("LISTEN_")) != 0) {
			result[kept++] = environ[i];
		}
	}
	if (listen_pid != NULL) {
		result[kept++] = listen_pid;
		result[kept++] = listen_fds;
	}
	return result;
}

_Noreturn static void run_child(const struct rlimit *files, char *const argv[], char **environment,
	int listen_fd, char *listen_pid, size_t size) {
	setsid();
	setrlimit(RLIMIT_NOFILE, files);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (listen_fd == LISTEN_FD) {
		fcntl(listen_fd, F_SETFD, 0);
	} else if (listen_fd >= 0) {
		dup2(listen_fd, LISTEN_FD);
	}
	snprintf(listen_pid, size, "LISTEN_PID=%d", (int)getpid());
	execvpe(argv[0], argv, environment);
	_exit(127);
}

pid_t process_start(struct processes *processes, char *const argv[], int listen_fd,
	process_exited_func exited, void *data) {
	char listen_pid[32], listen_fds[] = "LISTEN_FDS=1";
	struct process *process = calloc(1, sizeof(*process));
	char **environment =
		environment_with_listen(listen_fd >= 0 ? listen_pid : NULL, listen_fds);
	if (process == NULL || environment == NULL) {
		free(process);
		free(environment);
		return -ENOMEM;
	}
	pid_t pid = fork();
	if (pid == 0) {
		run_child(&processes->files, argv, environment, listen_fd, listen_pid,
			sizeof(listen_pid));
	}
	int error = errno;
	free(environment);
	if (pid < 0) {
		free(process);
		return -error;
	}
	*process = (struct process){.pid = pid, .exited = exited, .data = data};
	wl_list_insert(&processes->list, &process->link);
	return pid;
}
