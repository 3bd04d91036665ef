#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "log.h"
#include "machine-pci.h"
#include "qemu-args.h"
#include "qemu-sandbox.h"
#include "qmp-lines.h"
#include "refuse.h"
#include "words.h"

#define COMMAND_TIMEOUT_US (20 * USEC_PER_SEC)
#define ERROR_LINES_MAX 4096 // bytes of one line of QEMU's standard error
#define LAST_READS 64        // of standard error, after QEMU's end

/*
 * Keeps a line as the reason of QEMU's end. It goes into logs and JSON: printable ASCII,
 * of bounded length, without the JSON argument that it may begin with, which says nothing
 * to the user. A failed start may have several lines, later on the last one counts.
 */
static void keep_error(struct machine *machine, const char *untrusted_line) {
	const char *argument = strstr(untrusted_line, "}: ");
	const char *c = argument != NULL ? argument + 3 : untrusted_line;
	size_t length = machine->running ? 0 : strlen(machine->last_error);
	if (length > 0 && length + 2 < sizeof(machine->last_error)) {
		machine->last_error[length++] = ';';
		machine->last_error[length++] = ' ';
	}
	for (; *c != '\0' && length + 1 < sizeof(machine->last_error); c++) {
		machine->last_error[length++] = *c >= 0x20 && *c < 0x7f ? *c : '?';
	}
	machine->last_error[length] = '\0';
}

static void take_error_lines(struct machine *machine) {
	const char *line;
	size_t length;
	while ((line = lines_next(&machine->error_lines, &length)) != NULL) {
		if (length == 0) {
			continue;
		}
		// While it starts, the reason of a failure says the same.
		log_limited(&machine->errors_limit,
			machine->running ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG,
			"guest '%s': QEMU: %s", machine->name, line);
		// A warning is never why QEMU ends.
		if (strstr(line, "warning: ") == NULL) {
			keep_error(machine, line);
		}
	}
}

/* Returns false at the end of the stream. */
static bool read_errors(struct machine *machine) {
	size_t size;
	char *room = lines_room(&machine->error_lines, &size);
	if (room == NULL) {
		// A line too long: what follows counts as a new one.
		lines_finish(&machine->error_lines);
		return true;
	}
	ssize_t n = read(machine->errors, room, size);
	if (n < 0) {
		return errno == EAGAIN || errno == EINTR;
	}
	lines_added(&machine->error_lines, (size_t)n);
	take_error_lines(machine);
	return n > 0;
}

static int handle_errors(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct machine *machine = data;
	if (!read_errors(machine)) {
		machine->errors_source = sd_event_source_disable_unref(machine->errors_source);
	}
	return 0;
}

static void handle_pci(void *data, const char *error, sd_json_variant *untrusted_result) {
	struct machine *machine = data;
	char address[MACHINE_PCI_MAX];
	const char *id = link_function_name(LINK_FUNCTION_GPU);
	if (error == NULL && machine_pci_find(untrusted_result, id, address)) {
		memcpy(machine->pci_address, address, sizeof(address));
		machine->ops->changed(machine->data);
	}
}

static void ask_pci(struct machine *machine) {
	qmp_command(machine->qmp, "query-pci", NULL, COMMAND_TIMEOUT_US, handle_pci, machine);
}

static void set_running(struct machine *machine) {
	machine->paused = false;
	if (!machine->running) {
		machine->running = true;
		machine->ops->running(machine->data);
	} else {
		machine->ops->changed(machine->data);
	}
}

static void handle_status(void *data, const char *error, sd_json_variant *untrusted_result) {
	struct machine *machine = data;
	sd_json_variant *running = sd_json_variant_by_key(untrusted_result, "running");
	if (error == NULL && running != NULL && sd_json_variant_is_boolean(running) &&
		sd_json_variant_boolean(running)) {
		set_running(machine);
	}
	// Otherwise a RESUME event follows when somebody lets it run.
}

static void handle_kvm(void *data, const char *error, sd_json_variant *untrusted_result) {
	struct machine *machine = data;
	sd_json_variant *enabled = sd_json_variant_by_key(untrusted_result, "enabled");
	if (error == NULL && enabled != NULL && sd_json_variant_is_boolean(enabled)) {
		machine->kvm = sd_json_variant_boolean(enabled);
		machine->ops->changed(machine->data);
	}
}

static void handle_ready(void *data) {
	struct machine *machine = data;
	machine->ready = true;
	ask_pci(machine);
	if (machine->adopted) {
		qmp_command(
			machine->qmp, "query-kvm", NULL, COMMAND_TIMEOUT_US, handle_kvm, machine);
	}
	if (machine->power_down) {
		machine_power_down(machine);
	}
	qmp_command(machine->qmp, "query-status", NULL, COMMAND_TIMEOUT_US, handle_status, machine);
}

static bool by_guest(sd_json_variant *untrusted_data) {
	sd_json_variant *guest = sd_json_variant_by_key(untrusted_data, "guest");
	return guest != NULL && sd_json_variant_is_boolean(guest) && sd_json_variant_boolean(guest);
}

static void handle_event(void *data, const char *name, sd_json_variant *untrusted_data) {
	struct machine *machine = data;
	struct log_limit *limit = &machine->events_limit;
	if (strcmp(name, "RESET") == 0) {
		ask_pci(machine);
	} else if (strcmp(name, "RESUME") == 0) {
		set_running(machine);
	} else if (strcmp(name, "STOP") == 0) {
		machine->paused = true;
		log_limited(limit, LOG_LEVEL_INFO, "guest '%s': paused by QEMU", machine->name);
		machine->ops->changed(machine->data);
	} else if (strcmp(name, "SHUTDOWN") == 0) {
		machine->shut_down = true;
		if (by_guest(untrusted_data)) {
			log_limited(
				limit, LOG_LEVEL_INFO, "guest '%s': powered off", machine->name);
		}
	} else if (strcmp(name, "GUEST_PANICKED") == 0) {
		log_limited(limit, LOG_LEVEL_WARNING, "guest '%s': its system has panicked",
			machine->name);
	}
}

static void handle_closed(void *data, const char *reason) {
	struct machine *machine = data;
	machine->ready = false;
	machine->ops->lost(machine->data, reason);
}

static const struct qmp_ops qmp_ops = {
	.ready = handle_ready,
	.event = handle_event,
	.closed = handle_closed,
};

static void handle_exit(void *data, const siginfo_t *info) {
	struct machine *machine = data;
	char how[PROCESS_HOW_MAX], reason[PROCESS_HOW_MAX + MACHINE_LINE_MAX + 16];
	// Its last words are in the pipe already.
	for (unsigned i = 0; machine->errors_source != NULL && i < LAST_READS; i++) {
		if (!read_errors(machine)) {
			break;
		}
	}
	process_how(info, how);
	enum sandbox_layer layer;
	if (process_sandbox_failed(info, &layer) && machine->last_error[0] != '\0') {
		snprintf(reason, sizeof(reason), "QEMU: %s", machine->last_error);
	} else if (machine->last_error[0] != '\0') {
		snprintf(reason, sizeof(reason), "QEMU %s: %s", how, machine->last_error);
	} else {
		snprintf(reason, sizeof(reason), "QEMU %s", how);
	}
	bool orderly = info->si_code == 0 ? machine->shut_down
					  : info->si_code == CLD_EXITED && info->si_status == 0;
	machine->ops->ended(machine->data, orderly, reason);
}

static int spawn(struct machine *machine, sd_event *event, const struct config_guest *guest,
	const struct qemu_needs *needs, const struct machine_sockets *sockets, int errors_fd,
	char why[SANDBOX_LINE_MAX]) {
	struct qemu_context context = {
		.firmware_code = needs->firmware_code,
		.firmware_vars = needs->firmware_vars,
		.option_rom = needs->option_rom,
		.disk_format = needs->disk_format,
		.kvm = needs->kvm,
		.qmp_fd = PROCESS_FIRST_FD,
	};
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		context.sockets[i] = sockets->functions[i];
	}
	char **argv;
	struct sandbox sandbox = {0};
	int error = qemu_args_build(guest, &context, &argv);
	if (error < 0) {
		return error;
	}
	struct process_spec spec = {
		needs->program, argv, &sockets->qmp_listener, 1, errors_fd, errors_fd, NULL, true};
	if (guest->sandbox) {
		qemu_sandbox_init(&sandbox, guest, needs, sockets->functions);
		spec.sandbox = &sandbox;
	}
	error = process_start(&machine->process, event, &spec, handle_exit, machine);
	if (error < 0) {
		process_why(spec.sandbox, error, why);
	}
	sandbox_finish(&sandbox);
	words_free(argv);
	return error;
}

static void init(struct machine *machine, const struct config_guest *guest,
	const struct machine_ops *ops, void *data) {
	*machine = (struct machine){
		.errors = -1,
		.error_lines.max = ERROR_LINES_MAX,
		.name = guest->name,
		.ops = ops,
		.data = data,
	};
}

/* Takes the connection over. */
static int control(
	struct machine *machine, sd_event *event, const struct config_host *host, int qmp) {
	int error = qmp_create(&machine->qmp, event, qmp, &qmp_ops, machine);
	if (error >= 0) {
		error = input_init(&machine->input, event, machine->qmp, host->repeat_rate,
			host->repeat_delay);
	}
	return error;
}

static int start(struct machine *machine, sd_event *event, const struct config_guest *guest,
	const struct qemu_needs *needs, const struct machine_sockets *sockets,
	char why[SANDBOX_LINE_MAX]) {
	int errors[2];
	if (pipe2(errors, O_CLOEXEC) < 0) {
		return -errno;
	}
	fd_set_nonblock(errors[0], true);
	// It may be kept open while nobody reads: that must not hold QEMU up.
	fd_set_nonblock(errors[1], true);
	machine->errors = errors[0];
	int error = spawn(machine, event, guest, needs, sockets, errors[1], why);
	close(errors[1]);
	if (error >= 0) {
		error = sd_event_add_io(event, &machine->errors_source, machine->errors, EPOLLIN,
			handle_errors, machine);
	}
	return error;
}

int machine_start(struct machine *machine, sd_event *event, const struct config_host *host,
	const struct config_guest *guest, const struct qemu_needs *needs,
	const struct machine_sockets *sockets, const struct machine_ops *ops, void *data,
	char **ret_reason) {
	init(machine, guest, ops, data);
	machine->kvm = needs->kvm;
	char why[SANDBOX_LINE_MAX] = "";
	int error = control(machine, event, host, sockets->qmp);
	if (error >= 0) {
		error = start(machine, event, guest, needs, sockets, why);
	}
	if (error >= 0) {
		return 0;
	}
	machine_finish(machine);
	return error == -EINVAL
		? refuse(ret_reason, "a quote without its end: mend 'extra' in %s", guest->file)
		: refuse(ret_reason, "QEMU cannot be started: %s",
			  why[0] != '\0' ? why : strerror(-error));
}

int machine_adopt(struct machine *machine, sd_event *event, const struct config_host *host,
	const struct config_guest *guest, pid_t pid, int pidfd, int qmp, int errors,
	const struct machine_ops *ops, void *data) {
	init(machine, guest, ops, data);
	machine->adopted = true;
	machine->errors = errors;
	int error = process_adopt(&machine->process, event, pid, pidfd, handle_exit, machine);
	if (error >= 0 && errors >= 0) {
		error = sd_event_add_io(
			event, &machine->errors_source, errors, EPOLLIN, handle_errors, machine);
	}
	if (error < 0) {
		fd_close(qmp);
		return error;
	}
	return control(machine, event, host, qmp);
}

static bool tell(struct machine *machine, const char *command) {
	return machine->ready && qmp_command(machine->qmp, command, NULL, 0, NULL, NULL) == 0;
}

bool machine_power_down(struct machine *machine) {
	// A QEMU that was adopted just now may not have greeted yet.
	machine->power_down = machine->adopted && !machine->running && !machine->ready;
	return machine->power_down || tell(machine, "system_powerdown");
}

bool machine_quit(struct machine *machine) {
	return tell(machine, "quit");
}

void machine_kill(struct machine *machine) {
	process_signal(&machine->process, SIGKILL);
}

void machine_finish(struct machine *machine) {
	process_finish(&machine->process);
	input_finish(&machine->input);
	qmp_destroy(machine->qmp);
	sd_event_source_disable_unref(machine->errors_source);
	if (machine->ops != NULL) {
		fd_close(machine->errors);
	}
	lines_finish(&machine->error_lines);
	*machine = (struct machine){.errors = -1};
}
