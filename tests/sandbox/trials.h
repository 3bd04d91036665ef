#ifndef TESTS_SANDBOX_TRIALS_H
#define TESTS_SANDBOX_TRIALS_H

#include <stddef.h>

/* What a process in the device's sandbox tries. */

enum trial_outcome {
	TRIAL_WORKS,    // has to
	TRIAL_FAILS,    // with an error
	TRIAL_IS_FATAL, // the kernel kills the process
};

struct trial {
	const char *name;
	long (*attempt)(void); // as a system call: -1 and errno where it fails
	enum trial_outcome outcome;
	/* Fails also where the system calls are only logged: another layer refuses it. */
	int alone;
};

extern const struct trial trials[];
extern const size_t trials_len;

/* Exit statuses of the probe. */
#define PROBE_WORKED 0
#define PROBE_FAILED 1
#define PROBE_UNKNOWN 2 // no such trial
// and SANDBOX_EXIT_STATUS and the layer

/* Descriptors of the probe. */
#define PROBE_SOCKET 3 // connected
#define PROBE_TTY 4    // not a terminal, but may be asked
#define PROBE_OTHER_PID_VARIABLE "PROBE_OTHER"

#endif
