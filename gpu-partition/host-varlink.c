#include "host-varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <systemd/sd-varlink.h>
#include <unistd.h>

#include "fd.h"
#include "guest-json.h"
#include "varlink-interfaces.h"

#define CALLS_MAX 256 // calls that wait or watch, of all connections
#define CONNECTIONS_MAX 128

enum call_kind {
	CALL_WATCH, // List with 'more'
	CALL_START, // until the guest runs
	CALL_KILL,  // until it is gone
	CALL_SHUTDOWN,
};

/* A call that has not had its last reply. */
struct call {
	enum call_kind kind;
	sd_varlink *link;    // owned reference
	struct guest *guest; // borrowed; of start and kill
};

struct host_varlink {
	sd_varlink_server *server;          // owned
	struct guests *guests;              // borrowed
	sd_varlink *links[CONNECTIONS_MAX]; // borrowed from the server
	size_t links_len;
	struct call calls[CALLS_MAX];
	size_t calls_len;
	void (*stop)(void *data);
	void *data;
};

static int refuse_call(sd_varlink *link, const char *reason) {
	return sd_varlink_errorbo(
		link, HOST_ERROR_REFUSED, SD_JSON_BUILD_PAIR_STRING("reason", reason));
}

static int keep_call(
	struct host_varlink *host, enum call_kind kind, sd_varlink *link, struct guest *guest) {
	if (host->calls_len == CALLS_MAX) {
		return refuse_call(link, "too many calls are waiting: try again later");
	}
	host->calls[host->calls_len++] = (struct call){kind, sd_varlink_ref(link), guest};
	return 0;
}

static void drop_call(struct host_varlink *host, size_t i) {
	sd_varlink_unref(host->calls[i].link);
	host->calls[i] = host->calls[--host->calls_len];
}

/* Finds the guest that the parameters name; NULL where the call is answered already. */
static struct guest *take_guest(
	struct host_varlink *host, sd_varlink *link, sd_json_variant *parameters, int *ret_result) {
	static const sd_json_dispatch_field fields[] = {
		{"name", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string, 0,
			SD_JSON_MANDATORY},
		{0},
	};
	const char *name = NULL;
	*ret_result = sd_varlink_dispatch(link, parameters, fields, &name);
	if (*ret_result != 0) {
		return NULL;
	}
	struct guest *guest = guests_find(host->guests, name);
	if (guest == NULL) {
		*ret_result = sd_varlink_errorbo(
			link, HOST_ERROR_NO_SUCH_GUEST, SD_JSON_BUILD_PAIR_STRING("name", name));
	}
	return guest;
}

static int take_nothing(sd_varlink *link, sd_json_variant *parameters) {
	static const sd_json_dispatch_field fields[] = {{0}};
	return sd_varlink_dispatch(link, parameters, fields, NULL);
}

/* Replies and drops the JSON; error is that of its making. */
static int reply_json(sd_varlink *link, sd_json_variant *json, int error) {
	int result = error < 0 ? error : sd_varlink_reply(link, json);
	sd_json_variant_unref(json);
	return result;
}

/* As one field of an object. */
static int wrap(const char *field, sd_json_variant *value, int error, sd_json_variant **ret) {
	if (error >= 0) {
		error = sd_json_buildo(ret, SD_JSON_BUILD_PAIR_VARIANT(field, value));
	}
	sd_json_variant_unref(value);
	return error;
}

static int list_to_json(struct host_varlink *host, sd_json_variant **ret) {
	sd_json_variant *list = NULL;
	int error = guests_to_json(host->guests, &list);
	return wrap("guests", list, error, ret);
}

static int handle_list(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct host_varlink *host = data;
	sd_json_variant *reply = NULL;
	int result = take_nothing(link, parameters);
	if (result != 0) {
		return result;
	}
	int error = list_to_json(host, &reply);
	if ((flags & SD_VARLINK_METHOD_MORE) == 0) {
		return reply_json(link, reply, error);
	}
	if (error >= 0) {
		error = sd_varlink_notify(link, reply);
	}
	sd_json_variant_unref(reply);
	return error < 0 ? error : keep_call(host, CALL_WATCH, link, NULL);
}

static int handle_status(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	sd_json_variant *value = NULL, *reply = NULL;
	int result;
	struct guest *guest = take_guest(data, link, parameters, &result);
	if (guest == NULL) {
		return result;
	}
	int error = guest_status_to_json(guest, &value);
	error = wrap("guest", value, error, &reply);
	return reply_json(link, reply, error);
}

static int handle_start(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct host_varlink *host = data;
	int result;
	struct guest *guest = take_guest(host, link, parameters, &result);
	if (guest == NULL) {
		return result;
	}
	if (host->guests->closing) {
		return refuse_call(link, "mulliond is ending");
	}
	switch (guest->state) {
	case GUEST_RUNNING:
		return sd_varlink_reply(link, NULL);
	case GUEST_STOPPING:
		return refuse_call(link, "it is still stopping: wait, or kill it");
	default:
		guest_start(guest);
		return keep_call(host, CALL_START, link, guest);
	}
}

static int handle_stop(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	int result;
	struct guest *guest = take_guest(data, link, parameters, &result);
	if (guest == NULL) {
		return result;
	}
	guest_stop(guest);
	return sd_varlink_reply(link, NULL);
}

static int handle_kill(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct host_varlink *host = data;
	int result;
	struct guest *guest = take_guest(host, link, parameters, &result);
	if (guest == NULL) {
		return result;
	}
	guest_kill(guest);
	return guest_is_off(guest) ? sd_varlink_reply(link, NULL)
				   : keep_call(host, CALL_KILL, link, guest);
}

static int handle_table(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct host_varlink *host = data;
	sd_json_variant *rows = NULL, *reply = NULL;
	int result = take_nothing(link, parameters);
	if (result != 0) {
		return result;
	}
	int error = guests_table_to_json(host->guests, &rows);
	error = wrap("rows", rows, error, &reply);
	return reply_json(link, reply, error);
}

static int handle_vram(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct host_varlink *host = data;
	sd_json_variant *reply = NULL;
	int result = take_nothing(link, parameters);
	if (result != 0) {
		return result;
	}
	int error = guests_vram_to_json(host->guests, &reply);
	return reply_json(link, reply, error);
}

static int handle_traps(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	sd_json_variant *reply = NULL;
	int result;
	struct guest *guest = take_guest(data, link, parameters, &result);
	if (guest == NULL) {
		return result;
	}
	int error = guest_traps_to_json(guest, &reply);
	if (error == -ENODATA) {
		return refuse_call(link, "it has no GPU now: start it first");
	}
	return reply_json(link, reply, error);
}

static bool is_stream_socket(int fd) {
	int domain = 0, type = 0;
	socklen_t size = sizeof(int);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* A pidfd of the caller, for the callee to close. */
static int caller_pidfd(sd_varlink *link) {
	pid_t pid;
	int fd = sd_varlink_get_peer_pidfd(link);
	if (fd >= 0) {
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -errno : fd;
	}
	int error = sd_varlink_get_peer_pid(link, &pid);
	if (error < 0) {
		return error;
	}
	fd = pidfd_open(pid, 0);
	return fd < 0 ? -errno : fd;
}

static int handle_present(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	int result;
	struct guest *guest = take_guest(data, link, parameters, &result);
	if (guest == NULL) {
		return result;
	}
	int display = sd_varlink_peek_fd(link, 0);
	if (display < 0 || sd_varlink_peek_fd(link, 1) >= 0 || !is_stream_socket(display)) {
		return refuse_call(link, "one connected Wayland socket must come with the call");
	}
	if (guest->state != GUEST_RUNNING && guest->state != GUEST_STARTING) {
		return refuse_call(link, "it does not run");
	}
	int viewer = caller_pidfd(link);
	int error = viewer < 0 ? viewer : guest_show(guest, display, viewer);
	if (error < 0) {
		return refuse_call(link, "its GPU process does not take a display now");
	}
	host_varlink_changed(data);
	return sd_varlink_reply(link, NULL);
}

static int handle_shutdown(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct host_varlink *host = data;
	int result = take_nothing(link, parameters);
	if (result != 0) {
		return result;
	}
	result = keep_call(host, CALL_SHUTDOWN, link, NULL);
	host->stop(host->data);
	return result;
}

static void answer_start(struct host_varlink *host, size_t i) {
	const struct call *call = &host->calls[i];
	if (call->guest->state == GUEST_RUNNING) {
		sd_varlink_reply(call->link, NULL);
	} else {
		const char *reason = call->guest->reason;
		refuse_call(call->link, reason != NULL ? reason : "it was stopped");
	}
	drop_call(host, i);
}

static bool is_done(const struct host_varlink *host, const struct call *call) {
	switch (call->kind) {
	case CALL_START:
		return call->guest->state != GUEST_STARTING && call->guest->state != GUEST_STOPPING;
	case CALL_KILL:
		return guest_is_off(call->guest);
	case CALL_SHUTDOWN:
		return guests_are_off(host->guests);
	case CALL_WATCH:
		break;
	}
	return false;
}

void host_varlink_changed(struct host_varlink *host) {
	sd_json_variant *list = NULL;
	int error = list_to_json(host, &list);
	for (size_t i = host->calls_len; i-- > 0;) {
		const struct call *call = &host->calls[i];
		if (call->kind == CALL_WATCH) {
			if (error >= 0) {
				sd_varlink_notify(call->link, list);
			}
		} else if (!is_done(host, call)) {
			continue;
		} else if (call->kind == CALL_START) {
			answer_start(host, i);
		} else {
			sd_varlink_reply(call->link, NULL);
			// The daemon may end before the event loop would send it.
			sd_varlink_flush(call->link);
			drop_call(host, i);
		}
	}
	sd_json_variant_unref(list);
}

static int handle_connect(sd_varlink_server *server, sd_varlink *link, void *data) {
	struct host_varlink *host = data;
	if (host->links_len == CONNECTIONS_MAX) {
		return -EBUSY;
	}
	int error = sd_varlink_set_allow_fd_passing_input(link, 1);
	if (error >= 0) {
		host->links[host->links_len++] = link;
	}
	return error;
}

static void handle_disconnect(sd_varlink_server *server, sd_varlink *link, void *data) {
	struct host_varlink *host = data;
	for (size_t i = host->calls_len; i-- > 0;) {
		if (host->calls[i].link == link) {
			drop_call(host, i);
		}
	}
	for (size_t i = 0; i < host->links_len; i++) {
		if (host->links[i] == link) {
			host->links[i] = host->links[--host->links_len];
			break;
		}
	}
}

static int bind_methods(struct host_varlink *host) {
	sd_varlink_server *server = host->server;
	sd_varlink_server_set_userdata(server, host);
	int error =
		sd_varlink_server_set_info(server, "mullion", "mulliond", MULLION_VERSION, NULL);
	if (error >= 0) {
		error = sd_varlink_server_add_interface(server, &vl_interface_host);
	}
	if (error >= 0) {
		error = sd_varlink_server_bind_method_many(server, HOST_INTERFACE ".List",
			handle_list, HOST_INTERFACE ".Status", handle_status,
			HOST_INTERFACE ".Start", handle_start, HOST_INTERFACE ".Stop", handle_stop,
			HOST_INTERFACE ".Kill", handle_kill, HOST_INTERFACE ".Table", handle_table,
			HOST_INTERFACE ".Vram", handle_vram, HOST_INTERFACE ".Traps", handle_traps,
			HOST_INTERFACE ".Present", handle_present, HOST_INTERFACE ".Shutdown",
			handle_shutdown);
	}
	if (error >= 0) {
		error = sd_varlink_server_bind_connect(server, handle_connect);
	}
	if (error >= 0) {
		error = sd_varlink_server_bind_disconnect(server, handle_disconnect);
	}
	if (error >= 0) {
		error = sd_varlink_server_set_connections_max(server, CONNECTIONS_MAX);
	}
	if (error >= 0) {
		error = sd_varlink_server_set_connections_per_uid_max(server, CONNECTIONS_MAX);
	}
	return error;
}

int host_varlink_create(struct host_varlink **ret, struct guests *guests, const char *path,
	int listener, void (*stop)(void *data), void *data) {
	struct host_varlink *host = calloc(1, sizeof(*host));
	if (host == NULL) {
		fd_close(listener);
		return -ENOMEM;
	}
	host->guests = guests;
	host->stop = stop;
	host->data = data;
	int error = sd_varlink_server_new(
		&host->server, SD_VARLINK_SERVER_MYSELF_ONLY | SD_VARLINK_SERVER_INHERIT_USERDATA);
	if (error >= 0) {
		error = bind_methods(host);
	}
	if (error >= 0) {
		error = listener >= 0 ? sd_varlink_server_listen_fd(host->server, listener)
				      : sd_varlink_server_listen_address(host->server, path, 0600);
	}
	if (error >= 0) {
		error = sd_varlink_server_attach_event(
			host->server, guests->event, SD_EVENT_PRIORITY_NORMAL);
	}
	if (error < 0) {
		host_varlink_destroy(host);
		return error;
	}
	*ret = host;
	return 0;
}

void host_varlink_destroy(struct host_varlink *host) {
	if (host == NULL) {
		return;
	}
	while (host->links_len > 0) {
		// Takes the calls of the connection with it.
		sd_varlink_close(host->links[--host->links_len]);
	}
	sd_varlink_server_unref(host->server);
	free(host);
}
