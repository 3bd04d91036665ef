#include "session.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "varlink-interfaces.h"

#define START_MSEC 10000
#define STOP_MSEC 10000
#define CALL_USEC (10 * USEC_PER_SEC)

/* The test as mulliond */

static int append_guest(sd_json_variant **list, const struct session_guest *guest, size_t number) {
	return sd_json_variant_append_arraybo(list, SD_JSON_BUILD_PAIR_STRING("name", guest->name),
		SD_JSON_BUILD_PAIR_UNSIGNED("number", number),
		SD_JSON_BUILD_PAIR_STRING("title", guest->name),
		SD_JSON_BUILD_PAIR_STRING("colour", "#3465a4"),
		SD_JSON_BUILD_PAIR_STRING("state", "running"),
		SD_JSON_BUILD_PAIR_BOOLEAN("connected", true),
		SD_JSON_BUILD_PAIR_STRING("vmm", "external"),
		SD_JSON_BUILD_PAIR_STRING("personality", "bochs"),
		SD_JSON_BUILD_PAIR_BOOLEAN("shown", guest->presented > 0),
		SD_JSON_BUILD_PAIR_BOOLEAN("sandbox", true));
}

static int list_guests(struct session *session, sd_json_variant **ret) {
	sd_json_variant *list = NULL;
	int error = 0;
	for (size_t i = 0; error >= 0 && i < session->guests_len; i++) {
		error = append_guest(&list, &session->guests[i], i + 1);
	}
	if (error >= 0) {
		error = sd_json_buildo(ret, SD_JSON_BUILD_PAIR_VARIANT("guests", list));
	}
	sd_json_variant_unref(list);
	return error;
}

static int handle_list(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct session *session = data;
	sd_json_variant *reply = NULL;
	int error = list_guests(session, &reply);
	if (error >= 0 && (flags & SD_VARLINK_METHOD_MORE) != 0) {
		sd_varlink_unref(session->watch);
		session->watch = sd_varlink_ref(link);
		error = sd_varlink_notify(link, reply);
	} else if (error >= 0) {
		error = sd_varlink_reply(link, reply);
	}
	sd_json_variant_unref(reply);
	return error;
}

static struct session_guest *find_guest(struct session *session, const char *name) {
	for (size_t i = 0; i < session->guests_len; i++) {
		if (strcmp(session->guests[i].name, name) == 0) {
			return &session->guests[i];
		}
	}
	return NULL;
}

static int take(struct session_guest *guest, sd_varlink *link, int fd) {
	fd_close(guest->socket);
	guest->socket = fd;
	guest->presented++;
	return sd_varlink_reply(link, NULL);
}

static int handle_present(sd_varlink *link, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct session *session = data;
	sd_json_variant *name = sd_json_variant_by_key(parameters, "name");
	struct session_guest *guest = sd_json_variant_is_string(name)
		? find_guest(session, sd_json_variant_string(name))
		: NULL;
	int fd = sd_varlink_take_fd(link, 0);
	if (guest == NULL || fd < 0) {
		fd_close(fd);
		return sd_varlink_error_invalid_parameter_name(link, "name");
	}
	if (session->hold && session->held_len < SESSION_HELD_MAX) {
		session->held[session->held_len++] =
			(struct session_present){guest, sd_varlink_ref(link), fd};
		return 0;
	}
	return take(guest, link, fd);
}

void session_let_go(struct session *session) {
	session->hold = false;
	while (session->held_len > 0) {
		struct session_present *held = &session->held[--session->held_len];
		take(held->guest, held->link, held->fd);
		sd_varlink_unref(held->link);
	}
}

static int handle_connect(sd_varlink_server *server, sd_varlink *link, void *data) {
	return sd_varlink_set_allow_fd_passing_input(link, true);
}

static int serve_host(struct session *session) {
	char path[108];
	snprintf(path, sizeof(path), "%s/" HOST_INTERFACE, session->folder);
	int error = sd_event_new(&session->event);
	error = error < 0
		? error
		: sd_varlink_server_new(&session->server, SD_VARLINK_SERVER_INHERIT_USERDATA);
	error = error < 0 ? error
			  : sd_varlink_server_add_interface(session->server, &vl_interface_host);
	error = error < 0
		? error
		: sd_varlink_server_bind_method_many(session->server, HOST_INTERFACE ".List",
			  handle_list, HOST_INTERFACE ".Present", handle_present);
	error = error < 0 ? error : sd_varlink_server_bind_connect(session->server, handle_connect);
	error = error < 0 ? error : sd_varlink_server_listen_address(session->server, path, 0600);
	error = error < 0 ? error
			  : sd_varlink_server_attach_event(session->server, session->event, 0);
	if (error >= 0) {
		sd_varlink_server_set_userdata(session->server, session);
	}
	return error < 0 ? error : 0;
}

void session_run(struct session *session, int msec) {
	uint64_t end = clock_usec() + (uint64_t)msec * USEC_PER_MSEC;
	for (uint64_t now = clock_usec(); now < end; now = clock_usec()) {
		if (session->event == NULL) {
			usleep((useconds_t)(end - now));
		} else if (sd_event_run(session->event, end - now) < 0) {
			return;
		}
	}
}

/* Files and start */

static int write_file(const char *folder, const char *name, const char *text) {
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "we");
	if (file == NULL) {
		return -errno;
	}
	fputs(text, file);
	return fclose(file) == 0 ? 0 : -errno;
}

static int write_config(struct session *session, const struct session_options *options) {
	char folder[120];
	snprintf(folder, sizeof(folder), "%s/guests", session->folder);
	if (mkdir(folder, 0700) < 0) {
		return -errno;
	}
	int error = write_file(session->folder, "mullion.ini",
		options->mullion_ini != NULL ? options->mullion_ini
					     : "[desktop]\noutput = 1280x1024\n");
	for (size_t i = 0; error == 0 && options->names != NULL && options->names[i] != NULL; i++) {
		char name[100];
		snprintf(name, sizeof(name), "%s.ini", options->names[i]);
		error = write_file(folder, name, options->files[i]);
	}
	return error;
}

static int start_mullion(struct session *session) {
	char runtime[120], config[120], xdg[120], outputs[40];
	snprintf(runtime, sizeof(runtime), "MULLION_RUNTIME_DIR=%s", session->folder);
	snprintf(config, sizeof(config), "MULLION_CONFIG_DIR=%s", session->folder);
	snprintf(xdg, sizeof(xdg), "XDG_RUNTIME_DIR=%s", session->folder);
	snprintf(outputs, sizeof(outputs), "WLR_HEADLESS_OUTPUTS=%u", session->outputs);
	char *environment[] = {runtime, config, xdg, "WLR_BACKENDS=headless", "WLR_RENDERER=pixman",
		"WLR_LIBINPUT_NO_DEVICES=1", outputs, NULL};
	char *argv[] = {(char *)session->program, NULL};
	unsetenv("WAYLAND_DISPLAY");
	unsetenv("DISPLAY");
	return process_start(&session->process, argv, NULL, 0, environment);
}

static bool find_display(struct session *session) {
	for (int i = 0; i < 32; i++) {
		char path[120];
		snprintf(session->display, sizeof(session->display), "wayland-%d", i);
		snprintf(path, sizeof(path), "%s/%s", session->folder, session->display);
		if (access(path, F_OK) == 0) {
			return true;
		}
	}
	return false;
}

/* The compositor serves once its control socket answers. */
static int wait_for_mullion(struct session *session) {
	char path[120];
	snprintf(path, sizeof(path), "%s/" DESKTOP_INTERFACE, session->folder);
	uint64_t end = clock_usec() + START_MSEC * USEC_PER_MSEC;
	while (clock_usec() < end) {
		if (!process_alive(&session->process)) {
			return -ECHILD;
		}
		if (find_display(session) &&
			sd_varlink_connect_address(&session->desktop, path) >= 0) {
			sd_varlink_set_relative_timeout(session->desktop, CALL_USEC);
			return 0;
		}
		session_run(session, 10);
	}
	return -ETIMEDOUT;
}

int session_start(struct session *session, const struct session_options *options) {
	*session = (struct session){
		.process.log = -1,
		.program = options->program != NULL ? options->program : "mullion",
		.outputs = options->outputs > 0 ? options->outputs : 1,
	};
	const char *parent = getenv("XDG_RUNTIME_DIR");
	snprintf(session->folder, sizeof(session->folder), "%s/session-XXXXXX",
		parent != NULL ? parent : "/tmp");
	if (mkdtemp(session->folder) == NULL) {
		int error = -errno;
		session->folder[0] = '\0';
		return error;
	}
	for (size_t i = 0; options->guests != NULL && options->guests[i] != NULL; i++) {
		if (i == SESSION_GUESTS_MAX) {
			return -E2BIG;
		}
		session->guests[session->guests_len++] =
			(struct session_guest){.name = options->guests[i], .socket = -1};
	}
	int error = write_config(session, options);
	if (error == 0 && session->guests_len > 0) {
		error = serve_host(session);
	}
	if (error == 0) {
		error = start_mullion(session);
	}
	return error == 0 ? wait_for_mullion(session) : error;
}

int session_restart(struct session *session) {
	session->desktop = sd_varlink_close_unref(session->desktop);
	kill(session->process.pid, SIGKILL);
	process_wait(&session->process, STOP_MSEC);
	session->process.log = fd_close(session->process.log);
	for (size_t i = 0; i < session->guests_len; i++) {
		session->guests[i].presented = 0;
	}
	// What the next one must not be taken for.
	char path[120];
	snprintf(path, sizeof(path), "%s/" DESKTOP_INTERFACE, session->folder);
	unlink(path);
	int error = start_mullion(session);
	return error == 0 ? wait_for_mullion(session) : error;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
	return remove(path);
}

static int stop_mullion(struct session *session) {
	if (session->process.pid == 0) {
		return process_stop(&session->process);
	}
	// It ends its guests in order, which takes longer than a process alone.
	kill(session->process.pid, SIGTERM);
	int status = process_wait(&session->process, STOP_MSEC);
	if (status != 0) {
		char *log = process_log(&session->process);
		fprintf(stderr, "--- mullion's log, status %#x\n%s---\n", (unsigned)status,
			log != NULL ? log : "");
		free(log);
	}
	if (status != -ETIMEDOUT) {
		session->process.log = fd_close(session->process.log);
		return status;
	}
	kill(session->process.pid, SIGKILL);
	return process_stop(&session->process);
}

int session_finish(struct session *session) {
	session->desktop = sd_varlink_close_unref(session->desktop);
	int status = stop_mullion(session);
	// The connections end with their peer, once that is noticed.
	session_run(session, session->event != NULL ? 10 : 0);
	session_let_go(session);
	session->watch = sd_varlink_close_unref(session->watch);
	session->server = sd_varlink_server_unref(session->server);
	session->event = sd_event_unref(session->event);
	for (size_t i = 0; i < session->guests_len; i++) {
		session->guests[i].socket = fd_close(session->guests[i].socket);
	}
	if (session->folder[0] != '\0') {
		nftw(session->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	}
	return status;
}

/* Use */

int session_take_display(struct session *session, const char *name, int timeout_msec) {
	struct session_guest *guest = find_guest(session, name);
	uint64_t end = clock_usec() + (uint64_t)timeout_msec * USEC_PER_MSEC;
	while (guest != NULL && guest->socket < 0 && clock_usec() < end) {
		session_run(session, 5);
	}
	if (guest == NULL) {
		return -1;
	}
	int fd = guest->socket;
	guest->socket = -1;
	return fd;
}

int session_connect(struct session *session) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", session->folder,
		session->display);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path)) {
		return -ENAMETOOLONG;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;
		fd_close(fd);
		return error;
	}
	return fd < 0 ? -errno : fd;
}

static int call(sd_varlink *link, const char *method, const char *key, const char *value,
	sd_json_variant **ret) {
	sd_json_variant *parameters = NULL, *reply = NULL;
	const char *refusal = NULL;
	int error = key == NULL
		? sd_json_variant_new_object(&parameters, NULL, 0)
		: sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING(key, value));
	error = error < 0 ? error : sd_varlink_call(link, method, parameters, &reply, &refusal);
	sd_json_variant_unref(parameters);
	if (error >= 0 && refusal == NULL && ret != NULL) {
		*ret = sd_json_variant_ref(reply);
	}
	return error < 0 ? error : refusal != NULL ? -EREMOTEIO : 0;
}

int session_call(struct session *session, const char *method, const char *key, const char *value,
	sd_json_variant **ret) {
	char full[80];
	snprintf(full, sizeof(full), DESKTOP_INTERFACE ".%s", method);
	return call(session->desktop, full, key, value, ret);
}

int64_t session_window(struct session *session, const char *guest, const char *key) {
	sd_json_variant *reply = NULL;
	int64_t value = -1;
	if (session_call(session, "Windows", NULL, NULL, &reply) < 0) {
		return -1;
	}
	const char *colon = strchr(guest, ':');
	size_t length = colon != NULL ? (size_t)(colon - guest) : strlen(guest);
	uint64_t head = colon != NULL ? strtoull(colon + 1, NULL, 10) : 1;
	sd_json_variant *windows = sd_json_variant_by_key(reply, "windows");
	for (size_t i = 0; i < sd_json_variant_elements(windows); i++) {
		sd_json_variant *window = sd_json_variant_by_index(windows, i);
		sd_json_variant *name = sd_json_variant_by_key(window, "guest");
		sd_json_variant *number = sd_json_variant_by_key(window, key);
		if (sd_json_variant_is_string(name) &&
			strlen(sd_json_variant_string(name)) == length &&
			strncmp(sd_json_variant_string(name), guest, length) == 0 &&
			sd_json_variant_unsigned(sd_json_variant_by_key(window, "head")) == head &&
			number != NULL) {
			value = sd_json_variant_is_boolean(number)
				? sd_json_variant_boolean(number)
				: sd_json_variant_integer(number);
		}
	}
	sd_json_variant_unref(reply);
	return value;
}

int session_call_json(struct session *session, const char *method, const char *parameters) {
	char full[80];
	const char *refusal = NULL;
	sd_json_variant *object = NULL, *reply = NULL;
	snprintf(full, sizeof(full), DESKTOP_INTERFACE ".%s", method);
	int error = sd_json_parse(parameters, 0, &object, NULL, NULL);
	error = error < 0 ? error
			  : sd_varlink_call(session->desktop, full, object, &reply, &refusal);
	sd_json_variant_unref(object);
	return error < 0 ? error : refusal != NULL ? -EREMOTEIO : 0;
}

int session_call_host(struct session *session, const char *method, const char *key,
	const char *value, sd_json_variant **ret) {
	char path[120], full[80];
	sd_varlink *link = NULL;
	snprintf(path, sizeof(path), "%s/" HOST_INTERFACE, session->folder);
	snprintf(full, sizeof(full), HOST_INTERFACE ".%s", method);
	int error = sd_varlink_connect_address(&link, path);
	if (error >= 0) {
		sd_varlink_set_relative_timeout(link, CALL_USEC);
		error = call(link, full, key, value, ret);
	}
	sd_varlink_close_unref(link);
	return error;
}
