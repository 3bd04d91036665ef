/*
 * What a trapped register access costs: one REGION_READ or REGION_WRITE round trip to the
 * device, against messages of the same length bounced by a process that does nothing else.
 * Device and echo sit on the same processor in turn, beside the VMM's or on it: which of
 * the two it is matters more than anything either program does.
 */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "device-host.h"
#include "guest-bochs.h"
#include "measure.h"

#define TRIPS 1000
#define REQUEST 32 // bytes of a REGION_READ
#define REPLY 34   // and of its reply, with two bytes of data

struct bench {
	struct device_host host;
	struct vmm vmm;
	int echo;
	pid_t echo_pid;
};

/* The median of many round trips, in us. */
static double median_trip(bool (*trip)(struct bench *bench), struct bench *bench) {
	static double usec[TRIPS];
	for (size_t i = 0; i < TRIPS; i++) {
		uint64_t before = clock_nsec();
		if (!trip(bench)) {
			return NAN;
		}
		usec[i] = (double)(clock_nsec() - before) / 1000;
	}
	return measure_quantile(usec, TRIPS, 0.5);
}

static bool read_trip(struct bench *bench) {
	uint16_t value;
	return vmm_read(&bench->vmm, VFU_REGION_BAR2, BOCHS_DISPI, &value, sizeof(value)) == 0;
}

static bool write_trip(struct bench *bench) {
	return vmm_write16(&bench->vmm, VFU_REGION_BAR2, BOCHS_DISPI + 2 * BOCHS_BANK, 0) == 0;
}

static bool config_trip(struct bench *bench) {
	uint32_t value;
	return vmm_read(&bench->vmm, VFU_REGION_CONFIG, 0, &value, sizeof(value)) == 0;
}

static bool echo_trip(struct bench *bench) {
	char message[REPLY] = {0};
	return send(bench->echo, message, REQUEST, MSG_NOSIGNAL) == REQUEST &&
		recv(bench->echo, message, REPLY, MSG_WAITALL) == REPLY;
}

static double measure_read(void *data) {
	return median_trip(read_trip, data);
}

static double measure_write(void *data) {
	return median_trip(write_trip, data);
}

static double measure_config(void *data) {
	return median_trip(config_trip, data);
}

static double measure_echo(void *data) {
	return median_trip(echo_trip, data);
}

static void echo_forever(int fd) {
	char message[REPLY] = {0};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (recv(fd, message, REQUEST, MSG_WAITALL) == REQUEST &&
		send(fd, message, REPLY, MSG_NOSIGNAL) == REPLY) {
	}
	_exit(0);
}

static bool start_echo(struct bench *bench) {
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		return false;
	}
	bench->echo = pair[0];
	bench->echo_pid = fork();
	if (bench->echo_pid == 0) {
		close(pair[0]);
		echo_forever(pair[1]);
	}
	close(pair[1]);
	return bench->echo_pid > 0;
}

static bool pin(pid_t pid, int processor) {
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	return sched_setaffinity(pid, sizeof(set), &set) == 0;
}

static bool place(struct bench *bench, int peer_processor) {
	return pin(0, 0) && pin(bench->echo_pid, peer_processor) &&
		pin(bench->host.process.pid, peer_processor);
}

int main(void) {
	struct bench bench = {.vmm.fd = -1};
	if (!start_echo(&bench)) {
		return EXIT_FAILURE;
	}
	int error = device_host_start(&bench.host, NULL);
	if (error == 0) {
		error = vmm_open(&bench.vmm, bench.host.paths[0]);
	}
	bool good = error == 0;
	const struct measure near[] = {
		{"trap-read-near", "trapped read of a dispi register, same processor", "us",
			"bare echo process", 2, false, measure_read, measure_echo, &bench, 7},
		{"trap-write-near", "trapped write with its reply, same processor", "us",
			"bare echo process", 2, false, measure_write, measure_echo, &bench, 7},
	};
	const struct measure across[] = {
		{"trap-read", "trapped read of a dispi register, across processors", "us",
			"bare echo process", 1.5, false, measure_read, measure_echo, &bench, 7},
		{"trap-write", "trapped write with its reply, across processors", "us",
			"bare echo process", 1.5, false, measure_write, measure_echo, &bench, 7},
		{"trap-config", "read of PCI configuration space, across processors", "us",
			"bare echo process", 1.5, false, measure_config, measure_echo, &bench, 7},
	};
	good = good && place(&bench, 0);
	for (size_t i = 0; good && i < sizeof(near) / sizeof(near[0]); i++) {
		good = measure_run(&near[i]);
	}
	bool two = good && place(&bench, 1);
	for (size_t i = 0; two && good && i < sizeof(across) / sizeof(across[0]); i++) {
		good = measure_run(&across[i]);
	}
	vmm_close(&bench.vmm);
	device_host_stop(&bench.host);
	close(bench.echo);
	waitpid(bench.echo_pid, NULL, 0);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
