#include <string.h>

#include "fd.h"
#include "guest-parts.h"
#include "log.h"
#include "sandbox-cgroup.h"

/* What QEMU and the GPU's process need besides the guest's own memory and processors: a
 * translator's code, tables, pictures; worker threads; the devices' share of time. */
#define MEMORY_OVERHEAD (UINT64_C(2) << 30)
#define THREADS_OVERHEAD 256
#define CPUS_OVERHEAD 2

void guest_open_group(struct guest *guest) {
	const struct config_guest *config = guest->config;
	const struct sandbox_cgroup_limits limits = {
		.memory = config->memory + config->vram + MEMORY_OVERHEAD,
		.threads = THREADS_OVERHEAD + config->cpus,
		.cpus = config->cpus + CPUS_OVERHEAD,
	};
	guest->group = sandbox_cgroup_open(guest->cgroups, guest->config->name, &limits);
}

void guest_fill_group(struct guest *guest) {
	const pid_t pids[] = {guest->gpu.device.process.pid, guest->machine.process.pid};
	for (size_t i = 0; i < 2; i++) {
		if (pids[i] != guest->grouped[i]) {
			guest->grouped[i] = pids[i];
			int error = pids[i] != 0 ? sandbox_cgroup_add(guest->group, pids[i]) : 0;
			if (error < 0) {
				log_warning("guest '%s': process %d is without limits: %s",
					guest->config->name, pids[i], strerror(-error));
			}
		}
	}
}

void guest_close_group(struct guest *guest) {
	guest->group = fd_close(guest->group);
	sandbox_cgroup_remove(guest->cgroups, guest->config->name);
}
