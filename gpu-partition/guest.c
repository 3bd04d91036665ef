#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "guest-parts.h"
#include "guest-socket.h"
#include "log.h"
#include "refuse.h"

#define START_TIMEOUT_US (45 * USEC_PER_SEC)
#define LOST_TIMEOUT_US (3 * USEC_PER_SEC) // from the loss of a peer to the end of its process
#define TERMINATE_TIMEOUT_US (2 * USEC_PER_SEC)

enum {
	STEP_NONE,
	STEP_POWER_DOWN,
	STEP_QUIT
};

static const char *const state_names[] = {
	[GUEST_OFF] = "off",
	[GUEST_STARTING] = "starting",
	[GUEST_RUNNING] = "running",
	[GUEST_STOPPING] = "stopping",
	[GUEST_FAILED] = "failed",
};

const char *guest_state_name(enum guest_state state) {
	return state_names[state];
}

static const char *name_of(const struct guest *guest) {
	return guest->config->name;
}

bool guest_is_off(const struct guest *guest) {
	return guest->state == GUEST_OFF || guest->state == GUEST_FAILED;
}

static void changed(struct guest *guest) {
	guest->ops->changed(guest->data);
}

static void set_state(struct guest *guest, enum guest_state state) {
	guest->state = state;
	changed(guest);
}

static void set_timer(struct guest *guest, uint64_t usec, sd_event_time_handler_t handler) {
	guest->timer = sd_event_source_disable_unref(guest->timer);
	if (sd_event_add_time_relative(
		    guest->event, &guest->timer, CLOCK_MONOTONIC, usec, 0, handler, guest) < 0) {
		guest->timer = NULL;
	}
}

static void drop_display(struct guest *guest) {
	guest->display = fd_close(guest->display);
	guest->viewer = fd_close(guest->viewer);
}

static int handle_again(sd_event_source *source, uint64_t usec, void *data) {
	struct guest *guest = data;
	guest->again = sd_event_source_disable_unref(guest->again);
	guest_start(guest);
	return 0;
}

static bool is_to_restart(const struct guest *guest) {
	switch (guest->config->restart) {
	case CONFIG_RESTART_ALWAYS:
		return guest->ran && !guest->asked;
	case CONFIG_RESTART_ON_FAILURE:
		return guest->ran && !guest->asked && guest->state == GUEST_FAILED;
	case CONFIG_RESTART_NEVER:
		break;
	}
	return false;
}

/* A start that fails is not repeated: its reason stays, too. */
static void restart(struct guest *guest) {
	uint64_t wait;
	if (!backoff_died(&guest->backoff, clock_usec(), &wait)) {
		log_error("guest '%s': ended more than %d times in a minute: stays off",
			name_of(guest), BACKOFF_DEATHS_MAX);
		return;
	}
	log_info("guest '%s': starts again%s", name_of(guest), wait > 0 ? " after a pause" : "");
	if (sd_event_add_time_relative(guest->event, &guest->again, CLOCK_MONOTONIC, wait, 1,
		    handle_again, guest) < 0) {
		guest->again = NULL;
	}
}

static void finish_parts(struct guest *guest) {
	fd_shelf_clear(&guest->shelf);
	qemu_needs_finish(&guest->needs);
	machine_finish(&guest->machine);
	gpu_finish(&guest->gpu);
	guest_close_group(guest);
	drop_display(guest);
	if (!guest_is_off(guest)) {
		guest_socket_clean(name_of(guest));
	}
}

void guest_finish_if_gone(struct guest *guest) {
	if (guest->machine.process.pid != 0 || !gpu_is_gone(&guest->gpu)) {
		return;
	}
	guest->timer = sd_event_source_disable_unref(guest->timer);
	qemu_probe_destroy(guest->probe);
	guest->probe = NULL;
	finish_parts(guest);
	free(guest->lost);
	guest->lost = NULL;
	guest->ending = false;
	if (guest->asked || guest->reason == NULL) {
		free(guest->reason);
		guest->reason = NULL;
		log_info("guest '%s': off", name_of(guest));
		set_state(guest, GUEST_OFF);
	} else {
		log_error("guest '%s': %s", name_of(guest), guest->reason);
		set_state(guest, GUEST_FAILED);
	}
	if (is_to_restart(guest)) {
		restart(guest);
	}
}

static int handle_terminate_timeout(sd_event_source *source, uint64_t usec, void *data) {
	struct guest *guest = data;
	gpu_kill(&guest->gpu);
	return 0;
}

void guest_end(struct guest *guest, const char *reason) {
	if (guest->ending) {
		return;
	}
	// Only the first reason counts: what comes after it is its consequence.
	if (guest->reason == NULL && reason != NULL) {
		guest->reason = strdup(reason);
	}
	guest->ending = true;
	guest->step = STEP_NONE;
	machine_kill(&guest->machine);
	gpu_terminate(&guest->gpu);
	set_timer(guest, TERMINATE_TIMEOUT_US, handle_terminate_timeout);
	if (guest->state != GUEST_STOPPING) {
		set_state(guest, GUEST_STOPPING);
	}
}

static int handle_lost_timeout(sd_event_source *source, uint64_t usec, void *data) {
	struct guest *guest = data;
	guest_end(guest, guest->lost);
	return 0;
}

/* A peer that is lost is mostly about to exit, in its own order, and that tells more. */
static void lose(struct guest *guest, const char *reason) {
	if (guest->ending || guest->lost != NULL) {
		return;
	}
	log_debug("guest '%s': %s", name_of(guest), reason);
	guest->lost = strdup(reason);
	if (guest->step == STEP_NONE) {
		set_timer(guest, LOST_TIMEOUT_US, handle_lost_timeout);
	}
}

static void handle_gpu_input(void *data, const struct link_input *input) {
	struct guest *guest = data;
	if (guest->machine.ready) {
		input_send(&guest->machine.input, input);
	}
}

static void handle_changed(void *data) {
	guest_fill_group(data); // a device may have taken another one's place
	changed(data);
}

/* Whoever knew what the user holds is gone. */
static void handle_gpu_replaced(void *data) {
	struct guest *guest = data;
	if (guest->machine.ready) {
		input_release(&guest->machine.input);
	}
	handle_changed(guest);
}

static void handle_gpu_ended(void *data, const char *reason) {
	struct guest *guest = data;
	guest_end(guest, reason);
	guest_finish_if_gone(guest);
}

const struct gpu_ops guest_gpu_ops = {
	.input = handle_gpu_input,
	.changed = handle_changed,
	.replaced = handle_gpu_replaced,
	.ended = handle_gpu_ended,
};

static void set_running(struct guest *guest) {
	guest->ran = true;
	guest->timer = sd_event_source_disable_unref(guest->timer);
	if (guest->config->vmm == CONFIG_VMM_EXTERNAL) {
		log_info("guest '%s': its GPU waits for a VMM at %s", name_of(guest),
			guest->gpu.sockets[LINK_FUNCTION_GPU]);
	} else {
		log_info("guest '%s': running (%s)", name_of(guest),
			guest->machine.kvm ? "kvm" : "tcg");
	}
	set_state(guest, GUEST_RUNNING);
}

static void handle_machine_running(void *data) {
	struct guest *guest = data;
	if (guest->state == GUEST_STARTING && guest->lost == NULL) {
		set_running(guest);
	}
}

static void handle_machine_lost(void *data, const char *reason) {
	lose(data, reason);
}

static void handle_machine_ended(void *data, bool orderly, const char *reason) {
	struct guest *guest = data;
	bool wanted = orderly && guest->state != GUEST_STARTING;
	guest_end(guest, wanted ? NULL : reason);
	guest_finish_if_gone(guest);
}

const struct machine_ops guest_machine_ops = {
	.running = handle_machine_running,
	.changed = handle_changed,
	.lost = handle_machine_lost,
	.ended = handle_machine_ended,
};

/* Nothing was started, or it ends now: off, with the reason. */
static void refuse_start(struct guest *guest, char *reason) {
	guest->timer = sd_event_source_disable_unref(guest->timer);
	finish_parts(guest);
	free(guest->reason);
	guest->reason = reason != NULL ? reason : strdup("out of memory");
	log_error("guest '%s': %s", name_of(guest), guest->reason);
	set_state(guest, GUEST_OFF);
}

static int handle_start_timeout(sd_event_source *source, uint64_t usec, void *data) {
	guest_end(data, "QEMU did not start in 45 seconds");
	return 0;
}

/* Somebody wanted to see it before there was anything to see. */
static void show_kept(struct guest *guest) {
	if (guest->display >= 0) {
		int error = gpu_show(&guest->gpu, guest->display, guest->viewer);
		guest->viewer = -1;
		if (error < 0) {
			log_warning("guest '%s': cannot be shown: %s", name_of(guest),
				strerror(-error));
		}
		drop_display(guest);
	}
}

int guest_show(struct guest *guest, int display, int viewer) {
	if (guest->state != GUEST_STARTING || !gpu_is_gone(&guest->gpu)) {
		return gpu_show(&guest->gpu, display, viewer);
	}
	int copy = fcntl(display, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		int error = -errno;
		fd_close(viewer);
		return error;
	}
	drop_display(guest);
	guest->display = copy;
	guest->viewer = viewer;
	return 0;
}

static int start_machine(struct guest *guest, char **ret_reason) {
	char *path = guest_socket_qmp_path(name_of(guest), ret_reason);
	int listener = path == NULL ? -1 : guest_socket_listen(path, SOCK_STREAM, ret_reason);
	int qmp = listener < 0 ? -1 : guest_socket_connect(path, SOCK_STREAM);
	free(path);
	if (qmp < 0) {
		fd_close(listener);
		return listener < 0 ? -1 : refuse(ret_reason, "no QMP: %s", strerror(-qmp));
	}
	const struct machine_sockets sockets = {guest->gpu.sockets, listener, qmp};
	int error = machine_start(&guest->machine, guest->event, guest->host, guest->config,
		&guest->needs, &sockets, &guest_machine_ops, guest, ret_reason);
	// From here on it is there for as long as QEMU listens.
	close(listener);
	return error;
}

struct gpu_home guest_home(struct guest *guest) {
	return (struct gpu_home){
		.vram = guest->vram, .shelf = &guest->shelf, .group = guest->group};
}

static void start_processes(struct guest *guest) {
	char *reason = NULL;
	guest_open_group(guest);
	const struct gpu_home home = guest_home(guest);
	if (gpu_start(&guest->gpu, guest->event, guest->config, &home, &guest_gpu_ops, guest,
		    &reason) < 0) {
		refuse_start(guest, reason);
		return;
	}
	guest_fill_group(guest);
	guest_save_record(guest);
	show_kept(guest);
	if (guest->config->vmm == CONFIG_VMM_EXTERNAL) {
		set_running(guest);
		return;
	}
	if (start_machine(guest, &reason) < 0) {
		refuse_start(guest, reason);
		return;
	}
	fd_shelf_put(&guest->shelf, FD_SHELF_ERRORS, guest->machine.errors);
	guest_fill_group(guest);
	qemu_needs_finish(&guest->needs);
	set_timer(guest, START_TIMEOUT_US, handle_start_timeout);
	changed(guest);
}

static void handle_probe(void *data, const char *problem) {
	struct guest *guest = data;
	char *reason = NULL;
	if (problem != NULL) {
		refuse(&reason, "%s; or mend 'qemu' in %s", problem, guest->config->file);
	}
	qemu_probe_destroy(guest->probe);
	guest->probe = NULL;
	if (problem != NULL) {
		refuse_start(guest, reason);
	} else {
		start_processes(guest);
	}
}

void guest_start(struct guest *guest) {
	char *reason = NULL;
	if (!guest_is_off(guest)) {
		return;
	}
	guest->again = sd_event_source_disable_unref(guest->again);
	free(guest->reason);
	guest->reason = NULL;
	guest->asked = guest->ending = guest->ran = false;
	set_state(guest, GUEST_STARTING);
	if (guest->orphan) {
		refuse(&reason, "%s was removed", guest->config->file);
		refuse_start(guest, reason);
		return;
	}
	if (guest->config->vmm == CONFIG_VMM_EXTERNAL) {
		start_processes(guest);
		return;
	}
	if (qemu_check(guest->config, &guest->needs, &reason) < 0) {
		refuse_start(guest, reason);
		return;
	}
	int error = qemu_probe_create(
		&guest->probe, guest->event, guest->needs.program, handle_probe, guest);
	if (error < 0) {
		refuse(&reason, "QEMU cannot be started: %s", strerror(-error));
		refuse_start(guest, reason);
	}
}

static int handle_step_timeout(sd_event_source *source, uint64_t usec, void *data) {
	struct guest *guest = data;
	if (guest->step == STEP_POWER_DOWN && machine_quit(&guest->machine)) {
		log_info("guest '%s': did not power down in time: quits", name_of(guest));
		guest->step = STEP_QUIT;
		set_timer(guest, guest->config->stop_timeout, handle_step_timeout);
	} else {
		log_warning("guest '%s': did not stop in time: killed", name_of(guest));
		guest_end(guest, NULL);
	}
	return 0;
}

bool guest_stop_in_order(struct guest *guest) {
	if (!machine_power_down(&guest->machine)) {
		return false;
	}
	guest->step = STEP_POWER_DOWN;
	set_timer(guest, guest->config->stop_timeout, handle_step_timeout);
	set_state(guest, GUEST_STOPPING);
	return true;
}

void guest_stop(struct guest *guest) {
	guest->again = sd_event_source_disable_unref(guest->again);
	if (guest_is_off(guest) || guest->ending || guest->step != STEP_NONE) {
		return;
	}
	guest->asked = true;
	if (guest->state != GUEST_RUNNING || !guest_stop_in_order(guest)) {
		guest_kill(guest);
	}
}

void guest_kill(struct guest *guest) {
	guest->again = sd_event_source_disable_unref(guest->again);
	if (guest_is_off(guest)) {
		return;
	}
	guest->asked = true;
	guest_end(guest, NULL);
	// Where there is no process yet, none will end.
	guest_finish_if_gone(guest);
}

struct guest *guest_create(sd_event *event, const struct config_host *host,
	const struct config_guest *config, struct vram *vram, struct fd_store *store,
	const struct guest_ops *ops, void *data) {
	struct guest *guest = calloc(1, sizeof(*guest));
	if (guest == NULL) {
		return NULL;
	}
	guest->display = guest->viewer = guest->cgroups = guest->group = -1;
	guest->host = host;
	guest->config = config;
	guest->event = sd_event_ref(event);
	guest->vram = vram;
	fd_shelf_init(&guest->shelf, store, config->name);
	guest->ops = ops;
	guest->data = data;
	return guest;
}

void guest_destroy(struct guest *guest) {
	if (guest == NULL) {
		return;
	}
	sd_event_source_disable_unref(guest->timer);
	sd_event_source_disable_unref(guest->again);
	qemu_probe_destroy(guest->probe);
	finish_parts(guest);
	fd_shelf_finish(&guest->shelf);
	sd_event_unref(guest->event);
	free(guest->reason);
	free(guest->lost);
	free(guest);
}
