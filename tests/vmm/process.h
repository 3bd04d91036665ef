#ifndef TESTS_PROCESS_H
#define TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Programs of the build under test, and what the kernel says about them. All numbers are
 * -1 where the process is gone.
 */

struct process {
	pid_t pid; // 0 when there is none
	int log;   // owned memfd: its standard error; -1 when closed
};

/* Where the program lies: MULLION_PROGRAMS names the build folder, else it is looked for
 * beside the running program and in the folders above. Returns a path to free, or NULL. */
char *process_find(const char *name);

/*
 * Starts argv[0] (found as above, then by PATH). The n descriptors of fds become 3, 4, ...
 * there; all others but 0 and 1 are closed, and standard error is its log. environment:
 * "NAME=value" strings that are added, NULL at the end, or NULL. Returns 0 or -errno.
 */
int process_start(struct process *process, char *const argv[], const int *fds, size_t n,
	char *const environment[]);

/* Asks it to end (SIGTERM), after two seconds makes it. Returns its wait status, or -errno. */
int process_stop(struct process *process);

/* Waits for its end without asking. Returns the wait status or -ETIMEDOUT. */
int process_wait(struct process *process, int timeout_msec);

bool process_alive(struct process *process);

/* All that it has logged; to free. */
char *process_log(struct process *process);
bool process_log_contains(struct process *process, const char *text);
/* A sanitizer has found something in it. */
bool process_complained(struct process *process);

int process_fds(pid_t pid);          // open descriptors
long process_memory(pid_t pid);      // KiB of anonymous memory in use (RssAnon)
int64_t process_cpu_usec(pid_t pid); // user and system time
int64_t process_switches(pid_t pid); // voluntary context switches of its main thread

#endif
