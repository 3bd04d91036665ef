#ifndef TESTS_DESK_H
#define TESTS_DESK_H

#include "guest-bochs.h"
#include "observer.h"
#include "session.h"

/*
 * What the benchmarks of the whole way run on: mullion headless at 60 Hz, mulliond and
 * mullion-device as they are, and in QEMU's place the mock VMM with its guest 'bench'.
 */
struct desk {
	struct session session;
	struct vmm vmm;
	struct bochs_guest guest;
	struct observer *observer; // NULL until desk_observe()
	pid_t device;              // mullion-device
	uint32_t x, y;             // of the guest's picture on the output
};

#define DESK_PERIOD_NSEC 16666667 // of the output's refresh

/* Starts all of it, in a mode of width x height at 32 bits, and waits until the guest's
 * picture is shown unscaled at 60, 60. Leaves the program where that cannot be done.
 * output: "1280x1024". */
void desk_start(struct desk *desk, const char *output, uint32_t width, uint32_t height);
void desk_finish(struct desk *desk);

/* Connects a VMM to a guest of the session as soon as that can be done, and tells the process of
 * its device. Returns 0 or -errno. */
int desk_connect(struct session *session, const char *name, struct vmm *vmm, pid_t *ret_device);

/* From now on the output is watched. */
void desk_observe(struct desk *desk);

/* Sleeps until a time of CLOCK_MONOTONIC. */
void desk_sleep_until(uint64_t nsec);

#endif
