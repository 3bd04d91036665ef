/*
 * Bandwidth of a guest's writes to its VRAM: through BAR0's mapping, as the VMM received
 * it over vfio-user, against the host's own writes to the same memfd.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "device-host.h"
#include "guest-bochs.h"
#include "measure.h"

#define FRAME (1024u * 768 * 4)
#define REPEAT 24

struct bench {
	struct device_host host;
	struct vmm vmm;
	struct bochs_guest guest;
	uint8_t *frame; // what is copied in
};

static double gigabytes(uint64_t bytes, uint64_t nsec) {
	return (double)bytes / (double)nsec;
}

static double fill(uint8_t *vram, uint64_t size) {
	uint64_t before = clock_nsec();
	for (int i = 0; i < REPEAT; i++) {
		memset(vram, i, size);
		__asm__ volatile("" : : "r"(vram) : "memory");
	}
	return gigabytes(size * REPEAT, clock_nsec() - before);
}

static double copy(uint8_t *vram, const uint8_t *frame) {
	uint64_t before = clock_nsec();
	for (int i = 0; i < 4 * REPEAT; i++) {
		memcpy(vram, frame, FRAME);
		__asm__ volatile("" : : "r"(vram) : "memory");
	}
	return gigabytes((uint64_t)FRAME * 4 * REPEAT, clock_nsec() - before);
}

static double fill_guest(void *data) {
	struct bench *bench = data;
	return fill(bench->guest.vram.map, bench->guest.vram.size);
}

static double fill_host(void *data) {
	struct bench *bench = data;
	return fill(bench->host.slice, bench->host.slice_size);
}

static double copy_guest(void *data) {
	struct bench *bench = data;
	return copy(bench->guest.vram.map, bench->frame);
}

static double copy_host(void *data) {
	struct bench *bench = data;
	return copy(bench->host.slice, bench->frame);
}

int main(void) {
	struct bench bench = {.vmm.fd = -1, .guest.vram.fd = -1};
	bench.frame = calloc(1, FRAME);
	int error = bench.frame == NULL ? -1 : device_host_start(&bench.host, NULL);
	if (error == 0) {
		error = vmm_open(&bench.vmm, bench.host.paths[0]);
	}
	if (error == 0) {
		error = bochs_start(&bench.guest, &bench.vmm);
	}
	const struct measure measures[] = {
		{"vram-fill", "guest's memset of the aperture through BAR0", "GB/s",
			"host's memset of the same memfd", 0.95, true, fill_guest, fill_host,
			&bench, 9},
		{"vram-copy", "guest's memcpy of a 1024x768 frame through BAR0", "GB/s",
			"host's memcpy into the same memfd", 0.95, true, copy_guest, copy_host,
			&bench, 9},
	};
	bool good = error == 0;
	for (size_t i = 0; good && i < sizeof(measures) / sizeof(measures[0]); i++) {
		good = measure_run(&measures[i]);
	}
	if (good && device_host_state(&bench.host)->traps[TRAP_VRAM] != 0) {
		good = false;
	}
	bochs_finish(&bench.guest);
	vmm_close(&bench.vmm);
	device_host_stop(&bench.host);
	free(bench.frame);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
