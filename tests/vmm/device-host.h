#ifndef TESTS_DEVICE_HOST_H
#define TESTS_DEVICE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include <pthread.h>

#include "device-link.h"
#include "device-state.h"
#include "keeper.h"
#include "process.h"

/*
 * Plays mulliond's part for one mullion-device: makes the slice, states, listening sockets and
 * the link, starts the program and sends LINK_SETUP. The tests see what
 * mulliond sees: the slice's bytes, the state, the log, the messages that come up.
 */

struct device_options {
	const char *name;       // NULL: "test"
	uint32_t guest;         // 0: 1
	uint64_t slice_size;    // 0: 16 MiB
	uint64_t aperture_size; // 0: slice_size
	uint32_t width, height; // 0: 1024x768
	uint32_t personality;   // enum link_personality; 0: bochs
	uint32_t heads;         // 0: 1
	uint32_t functions;     // 0: 1
	bool follow;
	uint32_t hidden_refresh; // mHz; 0: 1 Hz
	const char *alone;       // of --alone; NULL: not given
};

struct device_host {
	struct process process;
	struct link_setup setup;
	const char *alone;     // of device_options
	int link;              // owned: mulliond's end
	int fds[LINK_FDS_MAX]; // owned: those of LINK_SETUP
	uint8_t *slice;
	uint64_t slice_size;
	const struct device_state_file *state_file;
	struct device_state_view view; // of device_host_state()

	// What comes up the link is read by a thread, as mulliond reads it at once.
	pthread_t reader;
	bool reading;
	struct keeper keeper; // the reader's, while it runs
	int messages[2];      // owned: a socketpair, from the reader to device_host_receive()
	char paths[LINK_FUNCTIONS][108]; // of the vfio-user sockets
};

/* Starts a device; options may be NULL. Returns 0 or -errno. device_host_stop() undoes
 * also what a failed start has made. */
int device_host_start(struct device_host *host, const struct device_options *options);

/* Ends the device; returns its wait status, or -errno where it never started. */
int device_host_stop(struct device_host *host);

/*
 * Ends the device by SIGKILL, as a crash does, and starts another in its place with all that
 * was kept, as mulliond does. Returns 0 or -errno.
 */
int device_host_replace(struct device_host *host);

/* Connects as a new mulliond does. Returns the link, the caller's to close, or -errno. */
int device_host_adopt(const struct device_host *host);

/* The state in force, in a place that each call fills anew. All zero while the device has made none. */
const struct device_state *device_host_state(struct device_host *host);

/* What changes without a message: counters and marks, always as they are now. */
const volatile struct device_state_live *device_host_live(const struct device_host *host);

/* Gives the device a connected Wayland socket, which stays the caller's. */
int device_host_display(struct device_host *host, int fd);

/* The next message from the device. Returns 1, 0 at its end, -ETIMEDOUT, or -errno. */
int device_host_receive(struct device_host *host, struct link_message *ret, int timeout_msec);

/* Waits until exactly this many descriptors of a function are kept, which the reader hears of a
 * little later than the VMM. Returns the number that there are at the end. */
unsigned device_host_wait_kept(
	const struct device_host *host, enum link_function function, unsigned n, int timeout_msec);

/* Waits until the device has exactly this many open descriptors. Returns the number that
 * it has at the end. */
int device_host_wait_fds(struct device_host *host, int fds, int timeout_msec);

#endif
