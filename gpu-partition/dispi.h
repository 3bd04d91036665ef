#ifndef GPU_PARTITION_DISPI_H
#define GPU_PARTITION_DISPI_H

#include <stdbool.h>
#include <stdint.h>

#include "device-state.h"
#include "scanout.h"

/*
 * The Bochs display interface (VBE_DISPI, as QEMU's bochs-display has it) and what of VGA
 * belongs to it: the palette and blanking. Registers in, scanout out; no I/O.
 *
 * What a guest writes is kept as it is where a mode could have it, and otherwise ignored:
 * resolutions beyond DISPI_MAX_SIZE, depths that do not exist, writes to what is read-only.
 * Whether a mode fits the slice is decided when the scanout is computed: one that does not
 * shows nothing.
 */

#define DISPI_MAX_SIZE SCANOUT_MAX_SIZE // pixels in a direction: what GETCAPS tells

enum dispi_index {
	DISPI_ID,
	DISPI_XRES,
	DISPI_YRES,
	DISPI_BPP,
	DISPI_ENABLE,
	DISPI_BANK,
	DISPI_VIRT_WIDTH,
	DISPI_VIRT_HEIGHT,
	DISPI_X_OFFSET,
	DISPI_Y_OFFSET,
	DISPI_MEMORY_64K,
	DISPI_REGISTERS, // how many there are
};

enum dispi_enable {
	DISPI_ENABLED = 0x01,
	DISPI_GETCAPS = 0x02, // XRES, YRES and BPP read as the largest values
	DISPI_8BIT_DAC = 0x20,
	DISPI_LFB_ENABLED = 0x40,
	DISPI_NOCLEARMEM = 0x80,
};

#define DISPI_ID0 0xb0c0
#define DISPI_ID5 0xb0c5

/* VGA ports, as offsets from 0x3c0. */
enum dispi_vga_port {
	DISPI_VGA_ATTRIBUTE = 0x00,
	DISPI_VGA_PALETTE_MASK = 0x06,
	DISPI_VGA_PALETTE_READ = 0x07,
	DISPI_VGA_PALETTE_INDEX = 0x08,
	DISPI_VGA_PALETTE_DATA = 0x09,
	DISPI_VGA_STATUS = 0x1a,
	DISPI_VGA_PORTS = 0x20,
};

/* What a write was, in rising order of weight. */
enum dispi_effect {
	DISPI_NOTHING, // the picture stays
	DISPI_COLOURS, // the palette has changed
	DISPI_FLIP,    // the scanout's start was set, perhaps to where it was
	DISPI_MODE,    // size, stride, format, on or off have changed
};

/* As at power-on. */
void dispi_reset(struct device_state_dispi *dispi);

/* Brings what an earlier process left into range. */
void dispi_sanitize(struct device_state_dispi *dispi);

/* index beyond the registers reads as 0xffff. */
uint16_t dispi_read(
	const struct device_state_dispi *dispi, const struct slice *slice, unsigned index);
enum dispi_effect dispi_write(struct device_state_dispi *dispi, unsigned index, uint16_t value);

/* port: offset from 0x3c0, below DISPI_VGA_PORTS. */
uint8_t dispi_vga_read(struct device_state_dispi *dispi, unsigned port);
enum dispi_effect dispi_vga_write(struct device_state_dispi *dispi, unsigned port, uint8_t value);

/*
 * The one way from registers to a scanout. Returns true with *ret filled in:
 * SCANOUT_NONE while the display is off or blanked. Returns false where a mode is on that
 * does not lie in the slice's aperture; *ret is SCANOUT_NONE then, too.
 */
bool dispi_scanout(
	const struct device_state_dispi *dispi, const struct slice *slice, struct scanout *ret);

/* 256 entries of 0x00RRGGBB. */
void dispi_palette(const struct device_state_dispi *dispi, uint32_t ret[256]);

#endif
