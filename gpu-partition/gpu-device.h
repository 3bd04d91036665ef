#ifndef GPU_PARTITION_GPU_DEVICE_H
#define GPU_PARTITION_GPU_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "backoff.h"
#include "device-link.h"
#include "fd-store.h"
#include "keeper.h"
#include "process.h"

/*
 * The mullion-device process of one guest: started with its link, asked for its pulse, and
 * replaced when it dies, hangs or breaks the link's protocol. What it got from its VMM is
 * kept here meanwhile, so that the guest notices nothing. A device that has never answered
 * is not replaced: it would not either.
 */
struct gpu_device_ops {
	void (*input)(void *data, const struct link_input *input);
	/* A VMM connected or went. */
	void (*changed)(void *data);
	/* The process is gone and another follows: what was shown is shown no more. */
	void (*replaced)(void *data);
	/* The process is gone for good: as ordered, or for this reason. May finish the device. */
	void (*ended)(void *data, const char *reason);
};

struct gpu_device {
	struct process process;
	struct link_setup setup;
	bool sandbox;                          // it is shut in
	const int *fds;                        // borrowed, LINK_FDS_MAX: what LINK_SETUP brings
	int link;                              // owned, -1 when closed
	sd_event_source *link_source;          // owned
	struct keeper keeper;                  // what the process has stored
	struct fd_shelf *shelf;                // borrowed: keeps it beyond this process
	struct link_sandbox untrusted_sandbox; // what the process says of it
	bool connected;                        // a VMM is
	bool ready;                            // one has answered, ever
	bool ordered;                          // its end was asked for
	uint64_t cookie;                       // of the last ping
	bool unanswered;                       // that one is
	unsigned missed;                       // pings that were not answered in their time
	const char *fault;                     // why it was killed from here; NULL: it was not
	sd_event_source *beat, *pause;         // owned: the pulse; until it is started again
	struct backoff backoff;
	uint64_t restarts;
	sd_event *event; // borrowed
	const struct gpu_device_ops *ops;
	void *data;
};

/* Makes one that has no process, of which everything below holds. */
void gpu_device_init(struct gpu_device *device, sd_event *event, const struct link_setup *setup,
	bool sandbox, const int *fds, const struct gpu_device_ops *ops, void *data);

/* Returns 0; or -1 with one line of reason (see refuse()). */
int gpu_device_start(struct gpu_device *device, char **ret_reason);

/*
 * Takes over a process, started by an earlier mulliond, by its pidfd, and its link; both
 * become the device's, also on failure. What it says at first is the caller's to receive,
 * then gpu_device_go_on() goes on as after a start. Each returns 0 or -errno.
 */
int gpu_device_adopt(struct gpu_device *device, pid_t pid, int pidfd, int link);
int gpu_device_go_on(struct gpu_device *device);

/*
 * What LINK_STORE says, or with -1 LINK_DROP; fd becomes the device's. False, and then the fd
 * is closed, for a function that the device does not have.
 */
bool gpu_device_keep(struct gpu_device *device, const struct link_key *key, int fd);

/* True where there is no process, and none follows. */
bool gpu_device_is_gone(const struct gpu_device *device);

/* Shows the guest on this socket, which stays the caller's. Returns 0 or -errno. */
int gpu_device_show(struct gpu_device *device, int display);

/* Ends the process by this signal; ended() follows unless it is gone already. */
void gpu_device_end(struct gpu_device *device, int signal);

/* Kills the process without ended(); safe on a zeroed one. */
void gpu_device_finish(struct gpu_device *device);

#endif
