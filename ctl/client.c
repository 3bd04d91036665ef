#include "client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-varlink.h>

#include "fd.h"
#include "program.h"
#include "varlink-interfaces.h"

#define TIMEOUT_USEC (UINT64_C(20) * 1000 * 1000)

void complain(const char *format, ...) {
	char *text;
	va_list args;
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0) {
		return;
	}
	for (char *c = text; *c != '\0'; c++) {
		*c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
	}
	fprintf(stderr, "mullionctl: %s\n", text);
	free(text);
}

static bool is_host(const char *interface) {
	return strcmp(interface, HOST_INTERFACE) == 0;
}

static void complain_unreachable(const char *interface, const char *socket, int error) {
	if (error == -ECONNREFUSED || error == -ENOENT) {
		complain("%s is not running: %s: %s; %s",
			is_host(interface) ? "mulliond" : "mullion, the compositor,", socket,
			strerror(-error),
			is_host(interface) ? "start mullion, or: systemctl --user start mulliond"
					   : "start mullion");
	} else {
		complain("%s: %s", socket, strerror(-error));
	}
}

/* Returns a connection, or NULL after a complaint. */
static sd_varlink *client_connect(const char *interface) {
	char *directory = program_runtime_dir(), *socket;
	if (directory == NULL) {
		complain("there is no runtime directory: %s",
			errno == ENOENT ? "XDG_RUNTIME_DIR is not set" : strerror(errno));
		return NULL;
	}
	int length = asprintf(&socket, "%s/%s", directory, interface);
	free(directory);
	if (length < 0) {
		complain("out of memory");
		return NULL;
	}
	sd_varlink *link = NULL;
	int error = sd_varlink_connect_address(&link, socket);
	if (error < 0) {
		complain_unreachable(interface, socket, error);
	}
	free(socket);
	return link;
}

/* Starting, killing and shutting down answer only when it is done. */
static bool answers_late(const char *method) {
	return strcmp(method, "Start") == 0 || strcmp(method, "Kill") == 0 ||
		strcmp(method, "Shutdown") == 0;
}

static const char *text_of(sd_json_variant *reply, const char *key) {
	const char *text = NULL;
	if (reply != NULL && sd_json_variant_is_object(reply)) {
		sd_json_variant *value = sd_json_variant_by_key(reply, key);
		text = value != NULL && sd_json_variant_is_string(value)
			? sd_json_variant_string(value)
			: NULL;
	}
	return text != NULL ? text : "?";
}

static void complain_about(const char *interface, const char *error, sd_json_variant *reply) {
	const char *peer = is_host(interface) ? "mulliond" : "mullion";
	if (strcmp(error, HOST_ERROR_NO_SUCH_GUEST) == 0) {
		complain("there is no guest '%s'", text_of(reply, "name"));
	} else if (strcmp(error, DESKTOP_ERROR_NO_SUCH_GUEST) == 0) {
		complain("guest '%s' has no window", text_of(reply, "name"));
	} else if (strcmp(error, HOST_ERROR_REFUSED) == 0 ||
		strcmp(error, DESKTOP_ERROR_REFUSED) == 0) {
		complain("%s", text_of(reply, "reason"));
	} else if (strcmp(error, SD_VARLINK_ERROR_TIMEOUT) == 0) {
		complain("%s does not answer", peer);
	} else if (strcmp(error, SD_VARLINK_ERROR_INVALID_PARAMETER) == 0) {
		complain("%s finds '%s' out of range", peer, text_of(reply, "parameter"));
	} else if (strcmp(error, SD_VARLINK_ERROR_METHOD_NOT_FOUND) == 0 ||
		strcmp(error, SD_VARLINK_ERROR_INTERFACE_NOT_FOUND) == 0) {
		complain("%s is of another version and does not know %s", peer,
			text_of(reply, "method"));
	} else {
		complain("%s answers %s", peer, error);
	}
}

bool client_call(const char *interface, const char *method, sd_json_variant *parameters,
	sd_json_variant **ret_reply, int *ret_fd) {
	sd_varlink *link = client_connect(interface);
	if (link == NULL) {
		return false;
	}
	char name[64];
	snprintf(name, sizeof(name), "%s.%s", interface, method);
	sd_varlink_set_relative_timeout(link, answers_late(method) ? UINT64_MAX : TIMEOUT_USEC);
	if (ret_fd != NULL) {
		sd_varlink_set_allow_fd_passing_input(link, true);
	}
	sd_json_variant *reply = NULL;
	const char *error_id = NULL;
	int error = sd_varlink_call(link, name, parameters, &reply, &error_id);
	bool ok = error >= 0 && error_id == NULL;
	if (error == -ETIME || error == -ETIMEDOUT) {
		complain_about(interface, SD_VARLINK_ERROR_TIMEOUT, NULL);
	} else if (error < 0) {
		bool gone = error == -ECONNRESET || error == -EPIPE || error == -ENOTCONN;
		complain("%s %s: %s", is_host(interface) ? "mulliond" : "mullion",
			gone ? "has gone while it was asked" : "cannot be asked", strerror(-error));
	} else if (error_id != NULL) {
		complain_about(interface, error_id, reply);
	}
	if (ok && ret_fd != NULL) {
		int fd = sd_varlink_take_fd(link, 0);
		*ret_fd = fd < 0 ? -1 : fd;
	}
	if (ok && ret_reply != NULL) {
		*ret_reply = sd_json_variant_ref(reply);
	}
	sd_varlink_close_unref(link); // the reply is the connection's until here
	return ok;
}
