#include "host-link.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <systemd/sd-varlink.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "guest.h"
#include "host-start.h"
#include "log.h"
#include "program.h"
#include "server.h"
#include "session-keep.h"
#include "varlink-interfaces.h"

#define RETRY_MIN (250 * USEC_PER_MSEC)
#define RETRY_MAX (10 * USEC_PER_SEC)
#define STOP_STEPS 3                      // power-down, quit, kill: each has the guest's time-out
#define STOP_MARGIN (10 * USEC_PER_SEC)   // beyond the guests' own time-outs
#define TERMINATE_TIME (5 * USEC_PER_SEC) // between SIGTERM and SIGKILL

struct host_link {
	struct server *server;
	char *path;           // owned, of the socket
	sd_varlink *watch;    // the connection on which List goes on, NULL while there is none
	struct wl_list calls; // struct call.link
	sd_event_source *retry, *deadline;
	uint64_t retry_after;     // us
	bool answered;            // since the last connection was made
	bool told;                // that it cannot be started; not again until it could be
	pid_t child;              // the mulliond that this session started, 0 for none
	int pidfd;                // owned, -1 when closed: of one that an earlier mullion started
	sd_event_source *ended;   // of that
	void (*done)(void *data); // of a shutdown, NULL while none goes on
	void *done_data;
	bool terminated; // by SIGTERM already
};

/* One question on a connection of its own, so that a slow answer holds nothing else up. */
struct call {
	struct wl_list link; // host_link.calls
	struct host_link *host;
	sd_varlink *varlink;
	const char *method;
	char *guest; // owned, may be NULL
};

static void connect_soon(struct host_link *host);

static void call_destroy(struct call *call) {
	wl_list_remove(&call->link);
	sd_varlink_close_unref(call->varlink);
	free(call->guest);
	free(call);
}

static const char *reason_of(sd_json_variant *parameters, const char *error) {
	sd_json_variant *reason = sd_json_variant_by_key(parameters, "reason");
	return sd_json_variant_is_string(reason) ? sd_json_variant_string(reason) : error;
}

static int handle_reply(sd_varlink *varlink, sd_json_variant *parameters, const char *error,
	sd_varlink_reply_flags_t flags, void *data) {
	struct call *call = data;
	bool present = strcmp(call->method, HOST_INTERFACE ".Present") == 0;
	if (error != NULL && strcmp(error, SD_VARLINK_ERROR_DISCONNECTED) != 0) {
		// A device that dies in this moment is no news: mulliond tells of it.
		log_write(present ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "%s of guest '%s': %s",
			strrchr(call->method, '.') + 1, call->guest != NULL ? call->guest : "",
			reason_of(parameters, error));
	}
	struct server *server = call->host->server;
	char *presented = present ? call->guest : NULL;
	call->guest = present ? NULL : call->guest;
	call_destroy(call);
	if (presented != NULL) {
		guest_presented(server, presented, error != NULL);
		free(presented);
	}
	return 0;
}

/* fd, unless negative, goes along; it is taken over. True where there will be a reply. */
static bool host_call(struct host_link *host, const char *method, const char *guest, int fd) {
	int socket = host_connect(host->path);
	struct call *call = calloc(1, sizeof(*call));
	char *name = guest != NULL ? strdup(guest) : NULL;
	if (call == NULL || (name == NULL && guest != NULL) || socket < 0 ||
		sd_varlink_connect_fd(&call->varlink, socket) < 0) {
		log_debug("%s: mulliond cannot be reached", method);
		fd_close(socket);
		fd_close(fd);
		free(name);
		free(call);
		return false;
	}
	call->host = host;
	call->method = method;
	call->guest = name;
	wl_list_insert(&host->calls, &call->link);
	sd_varlink_set_userdata(call->varlink, call);
	sd_json_variant *parameters = NULL;
	int error = sd_varlink_bind_reply(call->varlink, handle_reply);
	if (error >= 0 && fd >= 0) {
		error = sd_varlink_set_allow_fd_passing_output(call->varlink, true);
		error = error < 0 ? error : sd_varlink_push_fd(call->varlink, fd);
		fd = error < 0 ? fd : -1;
	}
	if (error >= 0 && guest != NULL) {
		error = sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("name", guest));
	}
	error = error < 0 ? error : sd_varlink_invoke(call->varlink, method, parameters);
	error = error < 0 ? error
			  : sd_varlink_attach_event(call->varlink, host->server->loop.sd, 0);
	sd_json_variant_unref(parameters);
	if (error < 0) {
		log_error("%s: %s", method, strerror(-error));
		fd_close(fd);
		call_destroy(call);
	}
	loop_kick(&host->server->loop);
	return error >= 0;
}

bool host_link_present(struct host_link *host, const char *guest, int socket) {
	return host_call(host, HOST_INTERFACE ".Present", guest, socket);
}

void host_link_stop(struct host_link *host, const char *guest) {
	host_call(host, HOST_INTERFACE ".Stop", guest, -1);
}

static const char *string_of(sd_json_variant *object, const char *key) {
	sd_json_variant *value = sd_json_variant_by_key(object, key);
	return sd_json_variant_is_string(value) ? sd_json_variant_string(value) : NULL;
}

static bool state_from_string(const char *string, enum guest_state *ret) {
	static const char *const names[] = {
		[GUEST_OFF] = "off",
		[GUEST_STARTING] = "starting",
		[GUEST_RUNNING] = "running",
		[GUEST_STOPPING] = "stopping",
		[GUEST_FAILED] = "failed",
	};
	for (size_t i = 0; string != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(string, names[i]) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static void read_guest(struct server *server, sd_json_variant *object) {
	struct guest_report report = {
		.name = string_of(object, "name"),
		.title = string_of(object, "title"),
		.reason = string_of(object, "reason"),
		.number = (uint32_t)sd_json_variant_unsigned(
			sd_json_variant_by_key(object, "number")),
		.device = (uint64_t)sd_json_variant_unsigned(
			sd_json_variant_by_key(object, "devicePid")),
		.shown = sd_json_variant_boolean(sd_json_variant_by_key(object, "shown")),
	};
	const char *colour = string_of(object, "colour");
	if (report.name == NULL || !state_from_string(string_of(object, "state"), &report.state)) {
		log_warning("mulliond told of a guest without name or state");
		return;
	}
	if (colour == NULL || !config_parse_colour(colour, &report.colour)) {
		report.colour = (struct config_colour){0x72, 0x9f, 0xcf};
	}
	if (report.title == NULL) {
		report.title = report.name;
	}
	guest_report(server, &report);
}

static void lost(struct host_link *host) {
	host->watch = sd_varlink_close_unref(host->watch);
	if (!host->answered) {
		host->retry_after =
			host->retry_after * 2 < RETRY_MAX ? host->retry_after * 2 : RETRY_MAX;
	}
	connect_soon(host);
}

static int handle_list(sd_varlink *varlink, sd_json_variant *parameters, const char *error,
	sd_varlink_reply_flags_t flags, void *data) {
	struct host_link *host = data;
	if (error != NULL) {
		if (!host->server->leaving && strcmp(error, SD_VARLINK_ERROR_DISCONNECTED) != 0) {
			log_error("mulliond does not list its guests: %s", error);
		}
		lost(host);
		return 0;
	}
	host->answered = true;
	host->told = false;
	host->retry_after = RETRY_MIN;
	sd_json_variant *guests = sd_json_variant_by_key(parameters, "guests");
	guest_reports_begin(host->server);
	for (size_t i = 0; sd_json_variant_is_array(guests) && i < sd_json_variant_elements(guests);
		i++) {
		read_guest(host->server, sd_json_variant_by_index(guests, i));
	}
	guest_reports_end(host->server);
	if ((flags & SD_VARLINK_REPLY_CONTINUES) == 0) {
		lost(host);
	}
	return 0;
}

/* The mulliond that is ours has gone. */
static void child_gone(struct host_link *host) {
	host->child = 0;
	session_keep_set_host(host->server->keep, 0);
	unlink(host->path); // made for it, and so not its own to remove
	if (host->done != NULL) {
		host->deadline = sd_event_source_disable_unref(host->deadline);
		host->done(host->done_data);
	}
}

static void handle_child_exited(void *data, int status) {
	struct host_link *host = data;
	if (host->done == NULL && WIFSIGNALED(status)) {
		log_error("mulliond was ended by signal %d: starting it again", WTERMSIG(status));
	} else if (host->done == NULL) {
		log_error("mulliond ended with status %d", WEXITSTATUS(status));
	}
	child_gone(host);
}

static void forget_inherited(struct host_link *host) {
	host->ended = sd_event_source_disable_unref(host->ended);
	host->pidfd = fd_close(host->pidfd);
}

static int handle_inherited_ended(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct host_link *host = data;
	if (host->done == NULL) {
		log_error("mulliond has ended: starting it again");
	}
	forget_inherited(host);
	child_gone(host);
	return 0;
}

/* Takes over the mulliond that an earlier compositor of this session started. */
static void inherit(struct host_link *host) {
	pid_t pid = session_keep_get_host(host->server->keep);
	if (pid == 0) {
		session_keep_set_host(host->server->keep, 0);
		return;
	}
	host->pidfd = pidfd_open(pid, 0);
	// Asked again: now its number can be nobody else's any more.
	if (host->pidfd < 0 || session_keep_get_host(host->server->keep) != pid ||
		sd_event_add_io(host->server->loop.sd, &host->ended, host->pidfd, EPOLLIN,
			handle_inherited_ended, host) < 0) {
		forget_inherited(host);
		return;
	}
	host->child = pid;
	log_debug("mulliond, process %d, is this session's", (int)pid);
}

static void signal_child(struct host_link *host, int number) {
	if (host->pidfd >= 0) {
		pidfd_send_signal(host->pidfd, number, NULL, 0);
	} else {
		kill(host->child, number);
	}
}

static int watch_on(struct host_link *host, int fd) {
	int error = sd_varlink_connect_fd(&host->watch, fd);
	if (error < 0) {
		fd_close(fd);
		return error;
	}
	host->answered = false;
	sd_varlink_set_userdata(host->watch, host);
	// Guests may change nothing for days.
	sd_varlink_set_relative_timeout(host->watch, UINT64_MAX);
	error = sd_varlink_bind_reply(host->watch, handle_list);
	error = error < 0 ? error : sd_varlink_observe(host->watch, HOST_INTERFACE ".List", NULL);
	error = error < 0 ? error : sd_varlink_attach_event(host->watch, host->server->loop.sd, 0);
	if (error < 0) {
		host->watch = sd_varlink_close_unref(host->watch);
	}
	loop_kick(&host->server->loop);
	return error;
}

static int handle_retry(sd_event_source *source, uint64_t usec, void *data) {
	struct host_link *host = data;
	host->retry = sd_event_source_disable_unref(host->retry);
	if (host->server->leaving) {
		return 0;
	}
	int fd = host_connect(host->path);
	if ((fd == -ENOENT || fd == -ECONNREFUSED) && host->child == 0) {
		enum log_level level = host->told ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR;
		host->child = host_start(
			&host->server->processes, host->path, level, handle_child_exited, host);
		if (host->child < 0) {
			host->told = true;
			host->child = 0;
			fd = -ECHILD; // logged already
		} else {
			session_keep_set_host(host->server->keep, host->child);
			fd = host_connect(host->path);
		}
	}
	int error = fd < 0 ? fd : watch_on(host, fd);
	if (error < 0) {
		log_debug("%s: %s", host->path, strerror(-error));
		lost(host);
	}
	return 0;
}

static void connect_soon(struct host_link *host) {
	if (host->retry == NULL && !host->server->leaving) {
		sd_event_add_time_relative(host->server->loop.sd, &host->retry, CLOCK_MONOTONIC,
			host->retry_after, USEC_PER_MSEC, handle_retry, host);
		loop_kick(&host->server->loop);
	}
}

struct host_link *host_link_create(struct server *server) {
	char *directory = program_runtime_dir();
	struct host_link *host = calloc(1, sizeof(*host));
	if (directory == NULL || host == NULL ||
		asprintf(&host->path, "%s/" HOST_INTERFACE, directory) < 0) {
		log_error(
			"no directory for sockets: %s (is XDG_RUNTIME_DIR set?)", strerror(errno));
		free(directory);
		free(host);
		return NULL;
	}
	free(directory);
	host->server = server;
	host->pidfd = -1;
	wl_list_init(&host->calls);
	inherit(host);
	connect_soon(host);
	host->retry_after = RETRY_MIN;
	return host;
}

void host_link_destroy(struct host_link *host) {
	if (host == NULL) {
		return;
	}
	struct call *call, *next;
	wl_list_for_each_safe (call, next, &host->calls, link) {
		call_destroy(call);
	}
	sd_varlink_close_unref(host->watch);
	sd_event_source_disable_unref(host->retry);
	sd_event_source_disable_unref(host->deadline);
	forget_inherited(host);
	free(host->path);
	free(host);
}

static void set_deadline(struct host_link *host, uint64_t after);

static int handle_deadline(sd_event_source *source, uint64_t usec, void *data) {
	struct host_link *host = data;
	if (host->child == 0) {
		return 0;
	}
	if (host->terminated) {
		log_error("mulliond does not end: killed");
		signal_child(host, SIGKILL);
		return 0;
	}
	log_warning("mulliond takes too long to stop its guests: told to end at once");
	host->terminated = true;
	signal_child(host, SIGTERM);
	set_deadline(host, TERMINATE_TIME);
	return 0;
}

static void set_deadline(struct host_link *host, uint64_t after) {
	host->deadline = sd_event_source_disable_unref(host->deadline);
	sd_event_add_time_relative(host->server->loop.sd, &host->deadline, CLOCK_MONOTONIC, after,
		0, handle_deadline, host);
	loop_kick(&host->server->loop);
}

static uint64_t longest_stop(const struct config *config) {
	uint64_t longest = 0;
	for (size_t i = 0; i < config->guests_len; i++) {
		if (config->guests[i].stop_timeout > longest) {
			longest = config->guests[i].stop_timeout;
		}
	}
	return STOP_STEPS * longest + STOP_MARGIN;
}

void host_link_shutdown(struct host_link *host, void (*done)(void *data), void *data) {
	if (host->child == 0) {
		done(data);
		return;
	}
	bool again = host->done != NULL;
	host->done = done;
	host->done_data = data;
	if (again) {
		set_deadline(host, 0);
		return;
	}
	host_call(host, HOST_INTERFACE ".Shutdown", NULL, -1);
	set_deadline(host, longest_stop(&host->server->config));
}
