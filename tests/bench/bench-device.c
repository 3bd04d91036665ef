/*
 * The device alone: a driver at native speed gives mullion-device the work of
 * device-work.h. Against a plain copy or comparison of the same bytes, and against QEMU's own
 * virtio-gpu, driven likewise by bench-device-qemu.
 */
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device-host.h"
#include "device-work.h"
#include "measure.h"

#define ROUNDS 5

struct bench {
	struct device_host host;
	struct vmm vmm;
	struct device_work work;
	pid_t peer; // 0: there is none
	int ask, answer;
};

static bool start_peer(struct bench *bench) {
	char path[4096];
	int to[2], from[2];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof("-qemu"));
	if (length < 0 || pipe(to) < 0 || pipe(from) < 0) {
		return false;
	}
	memcpy(path + length, "-qemu", sizeof("-qemu"));
	bench->peer = fork();
	if (bench->peer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		close(to[1]);
		close(from[0]);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	bench->ask = to[1];
	bench->answer = from[0];
	return bench->peer > 0;
}

static void stop_peer(struct bench *bench) {
	if (bench->peer > 0) {
		close(bench->ask);
		close(bench->answer);
		waitpid(bench->peer, NULL, 0);
		bench->peer = 0;
	}
}

/* A task, and what it is measured against. */
struct duel {
	struct bench *bench;
	struct work_task ours, peer;
};

static double measure_ours(void *data) {
	struct duel *duel = data;
	return device_work_run(&duel->bench->work, &duel->ours);
}

static double measure_memory(void *data) {
	struct duel *duel = data;
	return device_work_run(&duel->bench->work, &duel->peer);
}

static double measure_qemu(void *data) {
	struct duel *duel = data;
	double figure = NAN;
	if (write(duel->bench->ask, &duel->ours, sizeof(duel->ours)) != sizeof(duel->ours) ||
		read(duel->bench->answer, &figure, sizeof(figure)) != sizeof(figure)) {
		return NAN;
	}
	return figure;
}

struct figure {
	const char *name, *what;
	struct work_task task;
	enum work_kind memory; // to compare with; WORK_QUERY: none
	double target;         // of the ratio to that, or of the figure itself
	bool at_least;
	double qemu_target; // of the ratio to QEMU; 0: none
};

static const struct figure figures[] = {
	{"full-%u-1", "a changed frame, one command in flight", {WORK_FULL, .depth = 1},
		WORK_MEMCPY, 0, false, 1},
	{"full-%u-4", "a changed frame, 4 in flight", {WORK_FULL, .depth = 4}, WORK_MEMCPY, 0,
		false, 1},
	{"full-%u-16", "a changed frame, 16 in flight", {WORK_FULL, .depth = 16}, WORK_MEMCPY, 1.05,
		false, 1},
	{"full-%u-16-scattered", "the same on scattered pages",
		{WORK_FULL, .depth = 16, .scattered = true}, WORK_MEMCPY, 0, false, 1},
	{"scroll-%u", "a frame that was scrolled", {WORK_SCROLL, .depth = 16}, WORK_MEMCPY, 0,
		false, 0},
	{"still-%u", "an unchanged frame", {WORK_STILL, .depth = 16}, WORK_MEMCMP, 1.05, false, 0},
	{"rects-%u", "16 changes of 100x20 in a frame", {WORK_RECTS, .depth = 2}, WORK_MEMCMP, 0,
		false, 0},
	{"small-%u", "transfers of 100x20", {WORK_SMALL}, WORK_QUERY, 300, true, 0},
	{"small-%u-scattered", "transfers of 100x20 on scattered pages",
		{WORK_SMALL, .scattered = true}, WORK_QUERY, 300, true, 4},
	{"flip-%u", "SET_SCANOUT, back and forth", {WORK_FLIP}, WORK_QUERY, 0, false, 1},
};

static bool run_alone(struct duel *duel, const char *name, const struct figure *figure) {
	double values[2 * ROUNDS];
	for (unsigned i = 0; i < 2 * ROUNDS; i++) {
		values[i] = measure_ours(duel);
		if (isnan(values[i])) {
			return false;
		}
	}
	measure_print(name, figure->what, figure->at_least ? "k/s" : "us", values, 2 * ROUNDS,
		figure->target, figure->at_least);
	return true;
}

static bool run_figure(
	struct bench *bench, const struct figure *figure, uint32_t width, uint32_t height) {
	char name[64], other[80];
	snprintf(name, sizeof(name), figure->name, height);
	struct duel duel = {.bench = bench, .ours = figure->task};
	duel.ours.width = width;
	duel.ours.height = height;
	duel.peer = duel.ours;
	duel.peer.kind = figure->memory;
	const char *unit = figure->at_least ? "k/s" : "us";
	bool good;
	if (figure->memory == WORK_QUERY) {
		good = run_alone(&duel, name, figure);
	} else {
		const struct measure memory = {name, figure->what, unit,
			figure->memory == WORK_MEMCPY ? "memcpy" : "memcmp", figure->target,
			figure->at_least, measure_ours, measure_memory, &duel, ROUNDS};
		good = measure_run(&memory);
	}
	if (good && bench->peer > 0) {
		snprintf(other, sizeof(other), "%s-qemu", name);
		const struct measure qemu = {other, figure->what, unit, "QEMU's virtio-gpu",
			figure->qemu_target, figure->at_least, measure_ours, measure_qemu, &duel,
			ROUNDS};
		good = measure_run(&qemu);
	}
	return good;
}

static bool run_latency(struct bench *bench) {
	struct duel duel = {bench, {.kind = WORK_QUERY, .width = 1024, .height = 768}, {0}};
	const struct figure polling = {
		.what = "doorbell to completion, the driver polls", .target = 30};
	const struct figure asleep = {
		.what = "doorbell to completion, the driver sleeps", .target = 30};
	bool good = run_alone(&duel, "doorbell-polling", &polling);
	bench->work.guest.options.poll = false;
	good = good && run_alone(&duel, "doorbell-asleep", &asleep);
	bench->work.guest.options.poll = true;
	return good;
}

static bool pin(pid_t pid, int processor) {
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	return sched_setaffinity(pid, sizeof(set), &set) == 0;
}

static bool start(struct bench *bench) {
	const struct device_options options = {
		.personality = LINK_PERSONALITY_VIRTIO_VGA,
		.slice_size = UINT64_C(128) << 20,
		.aperture_size = UINT64_C(16) << 20,
	};
	if (device_host_start(&bench->host, &options) < 0 ||
		vmm_open(&bench->vmm, bench->host.paths[0]) < 0 ||
		!device_work_init(&bench->work, &bench->vmm, true)) {
		return false;
	}
	bench->work.pid = bench->host.process.pid;
	pin(0, WORK_DRIVER_PROCESSOR);
	pin(bench->host.process.pid, WORK_DEVICE_PROCESSOR);
	struct duel duel = {bench, {WORK_QUERY, 64, 64, false, 1}, {0}};
	if (!start_peer(bench) || isnan(measure_qemu(&duel))) {
		fprintf(stderr, "device: QEMU does not run here: there is no peer\n");
		stop_peer(bench);
	}
	return true;
}

int main(void) {
	static struct bench bench = {.vmm.fd = -1};
	static const uint32_t sizes[][2] = {{1024, 768}, {1920, 1080}};
	signal(SIGPIPE, SIG_IGN);
	bool good = start(&bench);
	good = good && run_latency(&bench);
	for (size_t i = 0; good && i < 2; i++) {
		for (size_t n = 0; good && n < sizeof(figures) / sizeof(figures[0]); n++) {
			good = run_figure(&bench, &figures[n], sizes[i][0], sizes[i][1]);
		}
	}
	stop_peer(&bench);
	device_work_finish(&bench.work);
	vmm_close(&bench.vmm);
	device_host_stop(&bench.host);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
