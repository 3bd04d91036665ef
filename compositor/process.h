#ifndef COMPOSITOR_PROCESS_H
#define COMPOSITOR_PROCESS_H

#include <sys/resource.h>
#include <sys/types.h>
#include <wayland-server-core.h>

/*
 * The programs that the session starts. Each gets a session of its own, so that Ctrl+C in
 * the terminal that runs mullion ends mullion alone, which then ends them in order.
 */
struct processes {
	struct wl_list list; // struct process.link
	struct wl_event_source *signal;
	struct rlimit files; // open descriptors, as we were started and they are
};

/* status as waitpid gives it. */
typedef void (*process_exited_func)(void *data, int status);

/*
 * Also raises our own limit of open descriptors: libwayland keeps what a client sends
 * along with its messages, thousands of descriptors, asked for or not, and a device that
 * does so must not leave us without any. Returns 0 or -errno.
 */
int processes_init(struct processes *processes, struct wl_event_loop *loop);

/* Forgets all of them without ending any; safe on a zeroed one. */
void processes_finish(struct processes *processes);

/*
 * Starts argv[0] (a path, or a name that PATH finds). listen_fd, unless negative, becomes
 * descriptor 3 with LISTEN_FDS=1, as systemd passes a socket; it stays the caller's.
 * exited may be NULL. Returns the process id or -errno.
 */
pid_t process_start(struct processes *processes, char *const argv[], int listen_fd,
	process_exited_func exited, void *data);

#endif
