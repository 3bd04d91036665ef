#ifndef TESTS_GUEST_BOCHS_H
#define TESTS_GUEST_BOCHS_H

#include <stdint.h>

#include "vmm.h"

/*
 * A guest's driver of the bochs display (QEMU's docs/specs/standard-vga.rst), on top of
 * a VMM: BAR0 mapped, as the guest has it, registers by messages, as traps are.
 */

#define BOCHS_EDID 0x000
#define BOCHS_VGA 0x400 // ports 0x3c0 to 0x3df
#define BOCHS_DISPI 0x500
#define BOCHS_QEXT 0x600

enum bochs_register { // 16 bits each, at BOCHS_DISPI + 2 * register
	BOCHS_ID,
	BOCHS_XRES,
	BOCHS_YRES,
	BOCHS_BPP,
	BOCHS_ENABLE,
	BOCHS_BANK,
	BOCHS_VIRT_WIDTH,
	BOCHS_VIRT_HEIGHT,
	BOCHS_X_OFFSET,
	BOCHS_Y_OFFSET,
	BOCHS_MEMORY_64K,
};

#define BOCHS_ENABLED 0x01
#define BOCHS_LFB 0x40
#define BOCHS_NOCLEARMEM 0x80

#define BOCHS_BAR0_ADDRESS 0xe0000000u
#define BOCHS_BAR2_ADDRESS 0xf0000000u

struct bochs_guest {
	struct vmm *vmm; // borrowed
	struct vmm_region vram;
	uint32_t width, height, bpp; // as bochs_set_mode() set them
	uint32_t stride;             // bytes
};

/* What firmware and driver do first: BARs, command register, BAR0's mapping, the
 * identification. Returns 0 or -errno. */
int bochs_start(struct bochs_guest *guest, struct vmm *vmm);
void bochs_finish(struct bochs_guest *guest);

uint16_t bochs_read(struct bochs_guest *guest, enum bochs_register index);
int bochs_write(struct bochs_guest *guest, enum bochs_register index, uint16_t value);

/* As bochs-drm sets a mode: off, sizes, on. */
int bochs_set_mode(struct bochs_guest *guest, uint32_t width, uint32_t height, uint32_t bpp);

/* What bochs-drm writes after each update of the picture: a hint without a rectangle. */
int bochs_hint(struct bochs_guest *guest);

/* Fills a rectangle of a 32-bit mode with one colour, 0x00RRGGBB. */
void bochs_fill(struct bochs_guest *guest, uint32_t x, uint32_t y, uint32_t width, uint32_t height,
	uint32_t colour);

/* One palette entry, 8 bits a channel as the driver sets 8BIT_DAC; else 6 bits count. */
int bochs_set_palette(
	struct bochs_guest *guest, uint8_t index, uint8_t red, uint8_t green, uint8_t blue);

#endif
