/*
 * A guest without a machine: connects to a device's socket as a VMM does, sets a mode and
 * draws the test card, and holds it until it is ended. For `vmm = external` guests in tests.
 *
 *	mock-guest SOCKET WIDTH HEIGHT
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../guests/card.h"
#include "guest-bochs.h"
#include "vmm.h"

static bool parse_size(const char *string, uint32_t *ret) {
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

int main(int argc, char *argv[]) {
	uint32_t width, height;
	if (argc != 4 || !parse_size(argv[2], &width) || !parse_size(argv[3], &height)) {
		fprintf(stderr, "usage: mock-guest SOCKET WIDTH HEIGHT\n");
		return 2;
	}
	struct vmm vmm = {.fd = -1};
	struct bochs_guest guest = {0};
	int error = vmm_open(&vmm, argv[1]);
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
	draw(&guest);
	bochs_hint(&guest);
	puts("drawn");
	fflush(stdout);
	for (;;) {
		pause();
	}
}
