/*
 * Tells when `frames mark` (tests/guests/frames.c) drew its boxes: what it writes to a port comes
 * out of the FIFO that its VMM writes to. Prints the number of each and the time of
 * CLOCK_MONOTONIC, in nanoseconds, until the VMM has gone.
 *
 *	hear-marks FIFO
 *
 * All displays' marks take this way, and no guest's clock is compared with ours.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

int main(int argc, char **argv) {
	// Being heard late would make what is shown seem early. Not everybody may ask for this.
	const struct sched_param first = {.sched_priority = 1};
	sched_setscheduler(0, SCHED_FIFO, &first);
	int fifo = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	if (fifo < 0) {
		fprintf(stderr, "usage: hear-marks FIFO\n");
		return 2;
	}
	unsigned char number;
	while (read(fifo, &number, 1) == 1) {
		printf("%u %" PRIu64 "\n", number, clock_nsec());
		fflush(stdout);
	}
	return EXIT_SUCCESS;
}
