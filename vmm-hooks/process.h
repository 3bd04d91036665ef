#ifndef VMM_HOOKS_PROCESS_H
#define VMM_HOOKS_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "sandbox.h"

/*
 * A process that is watched: a child, or one that an earlier process of this program
 * started. A child gets the descriptors named for it and no other, and a session of its
 * own (a terminal's Ctrl+C is for its parent alone).
 * SIGCHLD must be blocked in the parent.
 */
struct process {
	pid_t pid;                // 0: none
	sd_event_source *child;   // owned; of a child
	sd_event_source *adopted; // owned; of any other, watches its pidfd
	void (*exited)(void *data, const siginfo_t *info);
	void *data;
};

/* The first of the descriptors that a process gets; the others follow. */
#define PROCESS_FIRST_FD 3
#define PROCESS_FDS_MAX 8

struct process_spec {
	const char *path;
	char *const *argv;
	const int *fds;                // become 3, 4, ... in the process; stay the caller's
	size_t fds_len;                // at most PROCESS_FDS_MAX
	int stdout_fd;                 // -1: what is standard error here
	int stderr_fd;                 // -1: the same as here
	const struct sandbox *sandbox; // NULL: none; borrowed
	bool outlives;                 // goes on when its parent dies; otherwise it dies with it
};

/*
 * Starts a process. exited() comes once, when it has ended and been reaped. Returns 0 or
 * -errno. A program that cannot be executed ends with status 127, one whose sandbox cannot
 * be made as SANDBOX_EXIT_STATUS says; either says why on standard error. A program in a
 * sandbox gets few of the variables of the environment.
 */
int process_start(struct process *process, sd_event *event, const struct process_spec *spec,
	void (*exited)(void *data, const siginfo_t *info), void *data);

/*
 * Watches a process that is no child. pidfd becomes the process's, also on failure. What
 * exited() then gets is all zero: how it ended is not known. Returns 0 or -errno.
 */
int process_adopt(struct process *process, sd_event *event, pid_t pid, int pidfd,
	void (*exited)(void *data, const siginfo_t *info), void *data);

/* Of one that was adopted: borrowed, readable when it has ended; otherwise -1. */
int process_pidfd(const struct process *process);

/* Sends a signal; nothing happens where there is no process. */
void process_signal(struct process *process, int signal);

/* Kills what still runs, and reaps a child, without exited(); safe on a zeroed one. */
void process_finish(struct process *process);

/* Whether it has ended by the failure of a layer of its sandbox, and which one. */
bool process_sandbox_failed(const siginfo_t *info, enum sandbox_layer *ret_layer);

/*
 * One line of why a process with this sandbox, or NULL, could not be started: which namespace
 * the kernel refuses, or the -errno of process_start().
 */
void process_why(const struct sandbox *sandbox, int error, char line[SANDBOX_LINE_MAX]);

/* "exited with status 1", "was killed by signal 11 (Segmentation fault)", "ended". */
#define PROCESS_HOW_MAX 80
void process_how(const siginfo_t *info, char how[PROCESS_HOW_MAX]);

#endif
