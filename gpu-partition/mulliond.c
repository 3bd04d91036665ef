#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "fd.h"
#include "guests.h"
#include "host-varlink.h"
#include "log.h"
#include "program.h"
#include "varlink-interfaces.h"

/* The graphics VMM: owner of the VRAM map and of the guests' lives. */

/* From the order to end until every guest is killed, and until nobody waits any more. */
#define STOP_TIMEOUT_US (100 * USEC_PER_SEC)
#define KILL_TIMEOUT_US (5 * USEC_PER_SEC)

struct daemon {
	sd_event *event;           // owned reference
	struct guests guests;      // owned
	struct host_varlink *host; // owned
	sd_event_source *timer;    // owned: the stop's limit
	bool stopping, killing;
	char *runtime; // owned: directory
	char *path;    // owned: of the control socket
	bool own_path; // made here, not by systemd
	int lock;      // owned, -1 when closed: held while this daemon lives
	bool locked;
	bool again; // an earlier daemon did not end in order
};

static const char usage[] =
	"usage: mulliond [--help | --version]\n"
	"\n"
	"The graphics VMM of mullion: gives every guest its slice of VRAM, starts\n"
	"and stops the guests, and answers mullionctl. See mulliond(8).\n";

static int handle_timeout(sd_event_source *source, uint64_t usec, void *data);

static void set_timer(struct daemon *daemon, uint64_t usec) {
	daemon->timer = sd_event_source_disable_unref(daemon->timer);
	sd_event_add_time_relative(
		daemon->event, &daemon->timer, CLOCK_MONOTONIC, usec, 0, handle_timeout, daemon);
}

static void kill_guests(struct daemon *daemon) {
	daemon->killing = true;
	set_timer(daemon, KILL_TIMEOUT_US);
	guests_kill_all(&daemon->guests);
}

/* What is left dies with this process. */
static int handle_timeout(sd_event_source *source, uint64_t usec, void *data) {
	struct daemon *daemon = data;
	if (daemon->killing) {
		log_error("some guests do not end");
		return sd_event_exit(daemon->event, EXIT_FAILURE);
	}
	log_warning("some guests did not stop in time: killed");
	kill_guests(daemon);
	return 0;
}

static void stop(void *data) {
	struct daemon *daemon = data;
	if (daemon->stopping) {
		return;
	}
	daemon->stopping = true;
	sd_notify(0, "STOPPING=1");
	set_timer(daemon, STOP_TIMEOUT_US);
	guests_stop_all(&daemon->guests);
}

/* Asked once, guests are stopped in order; asked again, they are killed. */
static int handle_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
	struct daemon *daemon = data;
	if (!daemon->stopping) {
		log_info("stops all guests (a second signal kills them)");
		stop(daemon);
	} else if (!daemon->killing) {
		kill_guests(daemon);
	}
	return 0;
}

static void handle_changed(void *data) {
	struct daemon *daemon = data;
	host_varlink_changed(daemon->host);
	if (daemon->stopping && guests_are_off(&daemon->guests)) {
		sd_event_exit(daemon->event, EXIT_SUCCESS);
	}
}

static void print_error(void *data, const char *message) {
	log_error("%s", message);
}

/* One daemon per user: whoever holds the lock. */
static int take_lock(struct daemon *daemon) {
	char path[4096], owner[16] = "";
	snprintf(path, sizeof(path), "%s/mulliond.lock", daemon->runtime);
	daemon->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (daemon->lock < 0) {
		log_error("%s: %s", path, strerror(errno));
		return -1;
	}
	if (flock(daemon->lock, LOCK_EX | LOCK_NB) < 0) {
		ssize_t n = read(daemon->lock, owner, sizeof(owner) - 1);
		log_error("another mulliond (process %s) runs already: use that, or end it",
			n > 0 ? owner : "?");
		return -1;
	}
	daemon->locked = true;
	daemon->again = read(daemon->lock, owner, sizeof(owner) - 1) > 0;
	int length = snprintf(owner, sizeof(owner), "%d", getpid());
	if (ftruncate(daemon->lock, 0) < 0 || pwrite(daemon->lock, owner, (size_t)length, 0) < 0) {
		log_warning("%s: %s", path, strerror(errno));
	}
	return 0;
}

static int prepare_place(struct daemon *daemon) {
	daemon->runtime = program_runtime_dir();
	if (daemon->runtime == NULL) {
		log_error("no runtime directory (%s): set XDG_RUNTIME_DIR", strerror(errno));
		return -1;
	}
	return take_lock(daemon);
}

static int load_guests(struct daemon *daemon) {
	struct config config = {0};
	enum log_level level = LOG_LEVEL_INFO;
	if (!config_load(&config, print_error, NULL)) {
		log_error("the configuration has errors: mend them, or try 'mullionctl check'");
		return -1;
	}
	if (config.host.log_level != NULL) {
		log_level_from_string(config.host.log_level, &level);
	}
	log_init("mulliond", NULL, level);
	int error = guests_init(&daemon->guests, daemon->event, &config, handle_changed, daemon);
	if (error < 0) {
		log_error("the guests cannot be set up: %s", strerror(-error));
	}
	return error;
}

/* Of what systemd has passed, guests' descriptors go to their store. Returns how many others
 * there are; *ret_socket is the last of them. */
static int sort_passed(struct daemon *daemon, int *ret_socket) {
	char **names = NULL;
	int others = 0, n = sd_listen_fds_with_names(1, &names);
	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;
		if (fd_store_owns(names[i])) {
			fd_store_give(&daemon->guests.store, names[i], fd);
		} else {
			*ret_socket = fd;
			others++;
		}
		free(names[i]);
	}
	free(names);
	return others;
}

static int serve(struct daemon *daemon) {
	int passed = -1, n = sort_passed(daemon, &passed);
	if (n > 1) {
		log_error("systemd passed %d sockets, one is wanted", n);
		return -1;
	}
	if (asprintf(&daemon->path, "%s/%s", daemon->runtime, HOST_INTERFACE) < 0) {
		daemon->path = NULL;
		return -ENOMEM;
	}
	int error = host_varlink_create(
		&daemon->host, &daemon->guests, daemon->path, passed, stop, daemon);
	if (error < 0) {
		log_error("%s cannot be served: %s", daemon->path, strerror(-error));
	}
	daemon->own_path = error == 0 && n == 0;
	return error;
}

static int watch_signals(struct daemon *daemon) {
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signal(SIGPIPE, SIG_IGN);
	int error = sd_event_default(&daemon->event);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]) && error >= 0; i++) {
		error = sd_event_add_signal(daemon->event, NULL,
			signals[i] | SD_EVENT_SIGNAL_PROCMASK, handle_signal, daemon);
	}
	if (error < 0) {
		log_error("no event loop: %s", strerror(-error));
	}
	return error;
}

static int run(struct daemon *daemon) {
	if (watch_signals(daemon) < 0 || prepare_place(daemon) < 0 || load_guests(daemon) < 0 ||
		serve(daemon) < 0) {
		return EXIT_FAILURE;
	}
	guests_adopt(&daemon->guests);
	sd_notify(0, "READY=1");
	// What the user has stopped since does not start because mulliond does.
	if (!daemon->again) {
		guests_autostart(&daemon->guests);
	}
	int result = sd_event_loop(daemon->event);
	if (result < 0) {
		log_error("the event loop failed: %s", strerror(-result));
	}
	return result < 0 ? EXIT_FAILURE : result;
}

static void finish(struct daemon *daemon) {
	host_varlink_destroy(daemon->host);
	guests_finish(&daemon->guests);
	sd_event_source_disable_unref(daemon->timer);
	sd_event_unref(daemon->event);
	if (daemon->own_path) {
		unlink(daemon->path);
	}
	free(daemon->path);
	if (daemon->locked && ftruncate(daemon->lock, 0) < 0) {
		log_warning("the lock cannot be emptied: %s", strerror(errno));
	}
	fd_close(daemon->lock);
	free(daemon->runtime);
}

/* A guest takes some 60 of them, and most sessions start with a limit of 1024. */
static void allow_descriptors(void) {
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int main(int argc, char **argv) {
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int option = getopt_long(argc, argv, "hV", options, NULL);
	if (option == 'h') {
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	}
	if (option == 'V') {
		puts("mulliond " MULLION_VERSION);
		return EXIT_SUCCESS;
	}
	if (option != -1 || optind < argc) {
		fputs(usage, stderr);
		return EXIT_FAILURE;
	}
	umask(0077);
	log_init("mulliond", NULL, LOG_LEVEL_INFO);
	allow_descriptors();
	struct daemon daemon = {.lock = -1};
	int status = run(&daemon);
	finish(&daemon);
	return status;
}
