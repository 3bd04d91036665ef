#include "fleet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "desk.h"

#define START_USEC (20 * USEC_PER_SEC)
#define NAME_MAX 16
#define GAP 40 // pixels between windows

static const char guest_ini[] = "[guest]\nautostart = yes\n"
				"[gpu]\nvram = 12M\naperture = 4M\npersonality = virtio-vga\n"
				"size = 320x240\n"
				"[machine]\nvmm = external\n";
static const char big_guest_ini[] = "[guest]\nautostart = yes\n"
				    "[gpu]\nvram = 32M\naperture = 8M\npersonality = virtio-vga\n"
				    "size = 1024x768\n"
				    "[machine]\nvmm = external\n";

static void name_of(unsigned guest, char ret[NAME_MAX]) {
	snprintf(ret, NAME_MAX, "bench%u", guest + 1);
}

static void fail(struct fleet *fleet, const char *what, int error) {
	char *log = process_log(&fleet->session.process);
	fprintf(stderr, "%s: %s\n%s", what, strerror(-error), log != NULL ? log : "");
	free(log);
	fleet_finish(fleet);
	exit(EXIT_FAILURE);
}

static int start_session(struct fleet *fleet, const char *output, bool big) {
	char mullion_ini[128], names[FLEET_MAX][NAME_MAX];
	const char *name_list[FLEET_MAX + 1] = {0}, *files[FLEET_MAX] = {0};
	for (unsigned i = 0; i < fleet->len; i++) {
		name_of(i, names[i]);
		name_list[i] = names[i];
		files[i] = big ? big_guest_ini : guest_ini;
	}
	snprintf(mullion_ini, sizeof(mullion_ini), "[mullion]\nvram = 1G\n[desktop]\noutput = %s\n",
		output);
	const struct session_options options = {
		.names = name_list, .files = files, .mullion_ini = mullion_ini};
	return session_start(&fleet->session, &options);
}

static int start_guest(struct fleet *fleet, unsigned index, uint32_t width, uint32_t height) {
	struct fleet_guest *guest = &fleet->guests[index];
	const struct virtio_guest_options options = {.ram_size = 16 << 20, .poll = true};
	char name[NAME_MAX];
	name_of(index, name);
	int error = desk_connect(&fleet->session, name, &guest->vmm, &guest->device);
	if (error == 0) {
		error = virtio_guest_start(&guest->virtio, &guest->vmm, &options);
	}
	if (error < 0) {
		return error;
	}
	int answer = guest_gpu_picture_create(&guest->picture, &guest->virtio, 1,
		VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, width, height, false);
	if (answer == VIRTIO_GPU_RESP_OK_NODATA) {
		answer = guest_gpu_call(&guest->virtio,
			guest_gpu_set_scanout(0, 1, guest_gpu_picture_rect(&guest->picture)));
	}
	return answer == VIRTIO_GPU_RESP_OK_NODATA ? 0 : -EPROTO;
}

static int place_window(
	struct fleet *fleet, unsigned index, unsigned columns, uint32_t width, uint32_t height) {
	char parameters[128], name[NAME_MAX];
	name_of(index, name);
	snprintf(parameters, sizeof(parameters), "{\"name\":\"%s\",\"x\":%u,\"y\":%u}", name,
		GAP + index % columns * (width + GAP), GAP + index / columns * (height + GAP));
	return session_call_json(&fleet->session, "Move", parameters);
}

/* Until its frames arrive, and its window is in its place. */
static int wait_shown(
	struct fleet *fleet, unsigned index, unsigned columns, uint32_t width, uint32_t height) {
	char name[NAME_MAX];
	uint32_t colour = 0x202020;
	const struct guest_gpu_rect all = {0, 0, width, height};
	name_of(index, name);
	for (uint64_t end = clock_usec() + START_USEC; clock_usec() < end; usleep(20000)) {
		int error = fleet_draw(fleet, index, all, all, ++colour);
		if (error < 0) {
			return error;
		}
		if (session_window(&fleet->session, name, "modeWidth") == width &&
			session_window(&fleet->session, name, "width") == width &&
			place_window(fleet, index, columns, width, height) >= 0) {
			return 0;
		}
	}
	return -ETIMEDOUT;
}

void fleet_start(
	struct fleet *fleet, unsigned len, const char *output, uint32_t width, uint32_t height) {
	*fleet = (struct fleet){.len = len, .guests = calloc(len, sizeof(struct fleet_guest))};
	if (fleet->guests == NULL) {
		exit(EXIT_FAILURE);
	}
	for (unsigned i = 0; i < len; i++) {
		fleet->guests[i].vmm.fd = -1;
		fleet->guests[i].virtio.ram_fd = -1;
	}
	int error = start_session(fleet, output, width > 320);
	if (error < 0) {
		fail(fleet, "the session does not start", error);
	}
	unsigned across = (unsigned)strtoul(output, NULL, 10) / (width + GAP);
	for (unsigned i = 0; i < len; i++) {
		error = start_guest(fleet, i, width, height);
		error = error < 0 ? error
				  : wait_shown(fleet, i, across > 0 ? across : 1, width, height);
		if (error < 0) {
			fail(fleet, "a guest is not shown", error);
		}
	}
}

void fleet_finish(struct fleet *fleet) {
	for (unsigned i = 0; i < fleet->len; i++) {
		if (fleet->guests[i].virtio.ram_fd >= 0) {
			virtio_guest_finish(&fleet->guests[i].virtio);
		}
		vmm_close(&fleet->guests[i].vmm);
	}
	session_finish(&fleet->session);
	free(fleet->guests);
	*fleet = (struct fleet){0};
}

static int submit(struct fleet_guest *guest, struct guest_gpu_request request) {
	int slot = guest_gpu_submit(&guest->virtio, GUEST_GPU_CONTROL, &request);
	return slot < 0 ? slot : 0;
}

int fleet_draw(struct fleet *fleet, unsigned index, struct guest_gpu_rect draw,
	struct guest_gpu_rect flush, uint32_t colour) {
	struct fleet_guest *guest = &fleet->guests[index];
	struct virtio_guest_response response;
	while (virtio_guest_take(&guest->virtio, GUEST_GPU_CONTROL, &response) > 0) {
		guest->answered++;
	}
	guest_gpu_picture_fill(&guest->picture, draw, colour);
	int error = submit(guest, guest_gpu_picture_transfer(&guest->picture, flush));
	if (error == 0) {
		error = submit(guest, guest_gpu_flush(guest->picture.id, flush));
	}
	if (error == -EBUSY) {
		return 0; // the guest is behind: that frame is left out
	}
	guest->flushes++;
	return error < 0 ? error : virtio_guest_kick(&guest->virtio, GUEST_GPU_CONTROL);
}

int64_t fleet_frames(struct fleet *fleet) {
	int64_t frames = 0;
	for (unsigned i = 0; i < fleet->len; i++) {
		char name[NAME_MAX];
		name_of(i, name);
		frames += session_window(&fleet->session, name, "frames");
	}
	return frames;
}

int64_t fleet_devices_cpu(const struct fleet *fleet) {
	int64_t usec = 0;
	for (unsigned i = 0; i < fleet->len; i++) {
		usec += process_cpu_usec(fleet->guests[i].device);
	}
	return usec;
}

int64_t fleet_mullion_cpu(const struct fleet *fleet) {
	return process_cpu_usec(fleet->session.process.pid);
}

long fleet_own_memory(pid_t pid) {
	char path[64], line[128];
	long kib = -1;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	FILE *file = fopen(path, "re");
	while (file != NULL && kib < 0 && fgets(line, sizeof(line), file) != NULL) {
		sscanf(line, "Pss_Anon: %ld", &kib);
	}
	if (file != NULL) {
		fclose(file);
	}
	return kib;
}
