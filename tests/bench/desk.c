#include "desk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "measure.h"

#define GUEST "bench"
#define START_USEC (10 * USEC_PER_SEC)

static const char guest_ini[] = "[guest]\nautostart = yes\n"
				"[gpu]\npersonality = bochs\nvram = 16M\n"
				"[machine]\nvmm = external\n";

static void fail(struct desk *desk, const char *what, int error) {
	char *log = process_log(&desk->session.process);
	fprintf(stderr, "%s: %s\n%s", what, strerror(-error), log != NULL ? log : "");
	free(log);
	desk_finish(desk);
	exit(EXIT_FAILURE);
}

static int ask_guest(
	struct session *session, const char *name, char **ret_socket, pid_t *ret_device) {
	sd_json_variant *reply = NULL;
	int error = session_call_host(session, "Status", "name", name, &reply);
	if (error < 0) {
		return error;
	}
	sd_json_variant *guest = sd_json_variant_by_key(reply, "guest");
	sd_json_variant *socket = sd_json_variant_by_key(guest, "socket");
	sd_json_variant *device = sd_json_variant_by_key(guest, "devicePid");
	error = -ENODATA;
	if (sd_json_variant_is_string(socket) && sd_json_variant_is_integer(device)) {
		*ret_socket = strdup(sd_json_variant_string(socket));
		*ret_device = (pid_t)sd_json_variant_integer(device);
		error = *ret_socket != NULL ? 0 : -ENOMEM;
	}
	sd_json_variant_unref(reply);
	return error;
}

int desk_connect(struct session *session, const char *name, struct vmm *vmm, pid_t *ret_device) {
	int error = -ETIMEDOUT;
	for (uint64_t end = clock_usec() + START_USEC; clock_usec() < end; usleep(20000)) {
		char *socket;
		error = ask_guest(session, name, &socket, ret_device);
		if (error < 0) {
			continue;
		}
		error = vmm_open(vmm, socket);
		free(socket);
		if (error == 0) {
			return 0;
		}
		vmm_close(vmm);
	}
	return error;
}

static int move_window(struct desk *desk) {
	sd_json_variant *parameters = NULL, *reply = NULL;
	const char *refusal = NULL;
	int error = sd_json_buildo(&parameters, SD_JSON_BUILD_PAIR_STRING("name", GUEST),
		SD_JSON_BUILD_PAIR_INTEGER("x", 60), SD_JSON_BUILD_PAIR_INTEGER("y", 60));
	if (error >= 0) {
		error = sd_varlink_call(desk->session.desktop, "io.mullion.Desktop.Move",
			parameters, &reply, &refusal);
	}
	sd_json_variant_unref(parameters);
	return error < 0 ? error : refusal != NULL ? -EREMOTEIO : 0;
}

/* Until the guest's frames arrive and its window is in its place and size. */
static int wait_shown(struct desk *desk) {
	struct session *session = &desk->session;
	uint64_t end = clock_usec() + START_USEC;
	uint32_t colour = 0;
	while (clock_usec() < end) {
		bochs_fill(&desk->guest, 0, 0, desk->guest.width, desk->guest.height, ++colour);
		usleep(50000);
		if (session_window(session, GUEST, "modeWidth") != desk->guest.width ||
			session_window(session, GUEST, "width") != desk->guest.width ||
			move_window(desk) < 0) {
			continue;
		}
		desk->x = (uint32_t)session_window(session, GUEST, "x");
		desk->y = (uint32_t)session_window(session, GUEST, "y");
		return 0;
	}
	return -ETIMEDOUT;
}

void desk_start(struct desk *desk, const char *output, uint32_t width, uint32_t height) {
	char mullion_ini[128];
	static const char *const names[] = {GUEST, NULL};
	static const char *const files[] = {guest_ini};
	snprintf(mullion_ini, sizeof(mullion_ini),
		"[mullion]\nvram = 64M\n[desktop]\noutput = %s\n", output);
	const struct session_options options = {
		.names = names, .files = files, .mullion_ini = mullion_ini};
	*desk = (struct desk){.vmm.fd = -1, .guest.vram.fd = -1};
	int error = session_start(&desk->session, &options);
	if (error < 0) {
		fail(desk, "the session does not start", error);
	}
	error = desk_connect(&desk->session, GUEST, &desk->vmm, &desk->device);
	if (error < 0) {
		fail(desk, "the guest's GPU cannot be reached", error);
	}
	error = bochs_start(&desk->guest, &desk->vmm);
	error = error < 0 ? error : bochs_set_mode(&desk->guest, width, height, 32);
	error = error < 0 ? error : wait_shown(desk);
	if (error < 0) {
		fail(desk, "the guest is not shown", error);
	}
}

void desk_finish(struct desk *desk) {
	observer_destroy(desk->observer);
	bochs_finish(&desk->guest);
	vmm_close(&desk->vmm);
	session_finish(&desk->session);
}

void desk_observe(struct desk *desk) {
	desk->observer = observer_create(session_connect(&desk->session));
	if (desk->observer == NULL || !observer_wait(desk->observer, 5000)) {
		fail(desk, "the output cannot be watched", -EPROTO);
	}
}

void desk_sleep_until(uint64_t nsec) {
	const struct timespec time = {
		.tv_sec = (time_t)(nsec / NSEC_PER_SEC), .tv_nsec = (long)(nsec % NSEC_PER_SEC)};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {
	}
}
