/*
 * A guest without a machine: connects to a device's socket as a VMM does, and sets a mode.
 * For `vmm = external` guests in tests.
 *
 *	mock-guest SOCKET WIDTH HEIGHT
 *		draws the test card, and holds it until it is ended
 *	mock-guest SOCKET WIDTH HEIGHT blob
 *		the same as a driver of virtio-gpu, in a blob of its own memory
 *	mock-guest SOCKET WIDTH HEIGHT NUMBER RATE STATUS
 *		draws the moving picture of that number, RATE frames a second, until something
 *		is wrong; the file STATUS is its struct animate_status
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../guests/card.h"
#include "animate.h"
#include "guest-bochs.h"
#include "guest-gpu.h"
#include "vmm.h"

#define TIMEOUT_MSEC 20000 // as mulliond tells QEMU

static bool parse_number(const char *string, uint32_t *ret) {
	char *end;
	unsigned long value = strtoul(string, &end, 10);
	if (*end != '\0' || value == 0 || value > 8192) {
		return false;
	}
	*ret = (uint32_t)value;
	return true;
}

static void draw(struct bochs_guest *guest) {
	for (uint32_t y = 0; y < guest->height; y++) {
		for (uint32_t x = 0; x < guest->width; x++) {
			uint32_t pixel = card_pixel(x, y, guest->width, guest->height);
			memcpy(guest->vram.map + (size_t)y * guest->stride + (size_t)x * 4, &pixel,
				sizeof(pixel));
		}
	}
}

_Noreturn static void hold(void) {
	puts("drawn");
	fflush(stdout);
	for (;;) {
		pause();
	}
}

_Noreturn static void hold_card(struct bochs_guest *guest) {
	draw(guest);
	bochs_hint(guest);
	hold();
}

/* Returns where something is wrong. */
static int hold_blob(struct vmm *vmm, uint32_t width, uint32_t height) {
	const struct virtio_guest_options options = {
		.features = UINT64_C(1) << VIRTIO_GPU_F_RESOURCE_BLOB};
	struct virtio_guest guest = {0};
	struct guest_gpu_picture picture;
	int result = virtio_guest_start(&guest, vmm, &options);
	if (result == 0) {
		result = guest_gpu_picture_create_blob(&picture, &guest, 1, width, height, true);
	}
	if (result != VIRTIO_GPU_RESP_OK_NODATA) {
		return result;
	}
	struct guest_gpu_rect all = guest_gpu_picture_rect(&picture);
	for (uint32_t y = 0; y < height; y++) {
		for (uint32_t x = 0; x < width; x++) {
			*guest_gpu_picture_pixel(&picture, x, y) = card_pixel(x, y, width, height);
		}
	}
	result = guest_gpu_call(&guest,
		guest_gpu_set_scanout_blob(
			0, 1, all, width, height, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM));
	if (result == VIRTIO_GPU_RESP_OK_NODATA) {
		result = guest_gpu_call(&guest, guest_gpu_flush(1, all));
	}
	if (result == VIRTIO_GPU_RESP_OK_NODATA) {
		hold();
	}
	return result;
}

static struct animate_status *open_status(const char *path) {
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(struct animate_status)) < 0) {
		return NULL;
	}
	void *map = mmap(
		NULL, sizeof(struct animate_status), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return map != MAP_FAILED ? map : NULL;
}

static int run_animation(
	struct bochs_guest *guest, uint32_t number, uint32_t rate, const char *path) {
	struct animate settings = {
		.guest = guest,
		.status = open_status(path),
		.number = number,
		.rate = rate,
	};
	if (settings.status == NULL) {
		fprintf(stderr, "mock-guest: %s: %s\n", path, strerror(errno));
		return 1;
	}
	char *complaint = animate(&settings);
	fprintf(stderr, "mock-guest: %s\n", complaint);
	free(complaint);
	return 1;
}

static int usage(void) {
	fprintf(stderr, "usage: mock-guest SOCKET WIDTH HEIGHT [blob | NUMBER RATE STATUS]\n");
	return 2;
}

int main(int argc, char *argv[]) {
	uint32_t width, height, number = 0, rate = 0;
	bool animated = argc == 7, blob = argc == 5 && strcmp(argv[4], "blob") == 0;
	if ((argc != 4 && !animated && !blob) || !parse_number(argv[2], &width) ||
		!parse_number(argv[3], &height) ||
		(animated && (!parse_number(argv[4], &number) || !parse_number(argv[5], &rate)))) {
		return usage();
	}
	struct vmm vmm = {.fd = -1};
	struct bochs_guest guest = {0};
	int error = vmm_connect(&vmm, argv[1], TIMEOUT_MSEC);
	if (error == 0) {
		error = vmm_negotiate(&vmm);
	}
	if (error == 0 && blob) {
		fprintf(stderr, "mock-guest: %#x\n", (unsigned)hold_blob(&vmm, width, height));
		return 1;
	}
	if (error == 0) {
		error = bochs_start(&guest, &vmm);
	}
	if (error == 0) {
		error = bochs_set_mode(&guest, width, height, 32);
	}
	if (error < 0) {
		fprintf(stderr, "mock-guest: %s: %s\n", argv[1], strerror(-error));
		return 1;
	}
	if (animated) {
		return run_animation(&guest, number, rate, argv[6]);
	}
	hold_card(&guest);
}
