/*
 * Puts itself into the device's sandbox, as mullion-device does, and tries one thing. Its
 * exit status tells what came of it; see trials.h.
 */
#include <stdio.h>
#include <string.h>

#include "sandbox.h"
#include "trials.h"

int main(int argc, char **argv) {
	struct sandbox_problem problem;
	sandbox_layers seen;
	unsigned landlock;
	if (sandbox_enter_device(&landlock, &seen, &problem) < 0) {
		char line[SANDBOX_LINE_MAX];
		sandbox_describe(&problem, line);
		fprintf(stderr, "%s\n", line);
		return SANDBOX_EXIT_STATUS + (int)problem.layer;
	}
	for (size_t i = 0; i < trials_len && argc > 1; i++) {
		if (strcmp(trials[i].name, argv[1]) == 0) {
			return trials[i].attempt() >= 0 ? PROBE_WORKED : PROBE_FAILED;
		}
	}
	return PROBE_UNKNOWN;
}
