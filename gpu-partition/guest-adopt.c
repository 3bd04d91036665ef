#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fd.h"
#include "gpu-ports.h"
#include "guest-parts.h"
#include "guest-socket.h"
#include "log.h"
#include "refuse.h"

void guest_save_record(const struct guest *guest) {
	const struct config_guest *config = guest->config;
	const struct gpu *gpu = &guest->gpu;
	struct guest_record kept = {
		.base = gpu->base,
		.limit = gpu->limit,
		.aperture = gpu->aperture,
		.stop_timeout = config->stop_timeout,
		.vmm = config->vmm,
		.sandbox = config->sandbox,
		.colour = config->colour,
		.title = config->title,
		.setup = gpu->device.setup,
	};
	struct stat slice;
	int error =
		fstat(gpu->fds[LINK_FD_SLICE], &slice) < 0 ? -errno : gpu_ports_record(gpu, &kept);
	if (error == 0) {
		kept.slice = slice.st_ino;
		error = guest_record_save(config->name, &kept);
	}
	if (error < 0) {
		log_warning("guest '%s': a restarted mulliond will not know it: %s", config->name,
			strerror(-error));
	}
}

/* A device in the place of one that is gone, where all that it needs was kept. */
static int revive_gpu(
	struct guest *guest, const struct guest_record *record, int *fds, char **ret_reason) {
	const struct gpu_home home = guest_home(guest);
	if (*ret_reason == NULL) {
		refuse(ret_reason, GPU_GONE);
	}
	if (!gpu_can_revive(record, fds)) {
		fd_close_many(fds, FD_SHELF_SLOTS);
		return -1;
	}
	log_warning("guest '%s': %s: started again", guest->config->name,
		*ret_reason != NULL ? *ret_reason : "out of memory");
	free(*ret_reason);
	*ret_reason = NULL;
	gpu_finish(&guest->gpu);
	return gpu_revive(&guest->gpu, guest->event, guest->config->name, record, &home, fds,
		&guest_gpu_ops, guest, ret_reason);
}

static int adopt_gpu(struct guest *guest, const struct guest_record *record, int *fds, int link,
	bool machine_is_there, uint64_t deadline, char **ret_reason) {
	const struct gpu_home home = guest_home(guest);
	int error = -ESRCH;
	if (link >= 0) {
		error = gpu_adopt(&guest->gpu, guest->event, guest->config->name, record, &home,
			link, deadline, &guest_gpu_ops, guest, ret_reason);
	} else if (!machine_is_there) {
		error = refuse(ret_reason, "it ended while no mulliond ran");
	}
	if (error == -ESRCH && machine_is_there) {
		return revive_gpu(guest, record, fds, ret_reason);
	}
	fd_close_many(fds, FD_SHELF_SLOTS);
	return error;
}

static int adopt_machine(struct guest *guest, int qmp, int errors, char **ret_reason) {
	pid_t pid;
	int pidfd = qmp < 0 ? -ESRCH : guest_socket_peer(qmp, &pid);
	if (pidfd < 0) {
		fd_close(qmp);
		fd_close(errors);
		return refuse(ret_reason, "QEMU ended while no mulliond ran");
	}
	int error = machine_adopt(&guest->machine, guest->event, guest->host, guest->config, pid,
		pidfd, qmp, errors, &guest_machine_ops, guest);
	fd_shelf_put(&guest->shelf, FD_SHELF_ERRORS, errors);
	return error < 0 ? refuse(ret_reason, "QEMU cannot be taken over: %s", strerror(-error))
			 : 0;
}

void guest_adopt(struct guest *guest, const struct guest_record *record, int link, int qmp,
	uint64_t deadline) {
	char *reason = NULL;
	guest->state = GUEST_RUNNING;
	guest->ran = true;
	bool machine = record->vmm == CONFIG_VMM_QEMU;
	int fds[FD_SHELF_SLOTS];
	fd_shelf_take(&guest->shelf, fds);
	int errors = fds[FD_SHELF_ERRORS];
	fds[FD_SHELF_ERRORS] = -1;
	int error = adopt_gpu(guest, record, fds, link, !machine || qmp >= 0, deadline, &reason);
	if (!machine) {
		fd_close(qmp);
		fd_close(errors);
	} else if (adopt_machine(guest, qmp, errors, error < 0 ? NULL : &reason) < 0) {
		error = -1;
		machine = false;
	}
	// Of a guest without a file it is not known what it may take: its group stays as it is.
	if (!guest->orphan) {
		guest_open_group(guest);
		guest_fill_group(guest);
	}
	if (error == 0) {
		log_info("guest '%s': goes on", guest->config->name);
		guest->ops->changed(guest->data);
		return;
	}
	guest->reason = reason;
	fd_shelf_clear(&guest->shelf);
	// Without its device the guest can still end in order; a device that lies cannot stay.
	if (machine && link < 0 && guest_stop_in_order(guest)) {
		return;
	}
	gpu_kill(&guest->gpu);
	guest_end(guest, "out of memory");
	guest_finish_if_gone(guest);
}
