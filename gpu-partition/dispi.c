#include "dispi.h"

#include <string.h>

#define MEMORY_UNIT 65536
#define ENABLE_BITS                                                                                \
	(DISPI_ENABLED | DISPI_GETCAPS | DISPI_8BIT_DAC | DISPI_LFB_ENABLED | DISPI_NOCLEARMEM)
#define ATTRIBUTE_DISPLAY_ON 0x20 // in the attribute controller's index
#define STATUS_RETRACE 0x09       // display off and vertical retrace

void dispi_reset(struct device_state_dispi *dispi) {
	*dispi = (struct device_state_dispi){.palette_mask = 0xff};
	dispi->regs[DISPI_ID] = DISPI_ID5;
}

static bool depth_valid(uint16_t bpp) {
	return bpp == 0 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

static bool value_valid(unsigned index, uint16_t value) {
	switch (index) {
	case DISPI_ID:
		return value >= DISPI_ID0 && value <= DISPI_ID5;
	case DISPI_XRES:
	case DISPI_YRES:
		return value <= DISPI_MAX_SIZE;
	case DISPI_BPP:
		return depth_valid(value);
	case DISPI_MEMORY_64K:
		return false;
	}
	return index < DISPI_REGISTERS;
}

void dispi_sanitize(struct device_state_dispi *dispi) {
	struct device_state_dispi good;
	dispi_reset(&good);
	for (unsigned i = 0; i < DISPI_REGISTERS; i++) {
		if (value_valid(i, dispi->regs[i])) {
			good.regs[i] = dispi->regs[i];
		}
	}
	good.regs[DISPI_ENABLE] &= ENABLE_BITS;
	memcpy(good.palette, dispi->palette, sizeof(good.palette));
	good.palette_index = dispi->palette_index;
	good.palette_read_index = dispi->palette_read_index;
	good.palette_mask = dispi->palette_mask;
	good.palette_component = dispi->palette_component % 3;
	good.blanked = dispi->blanked != 0;
	good.attribute_data = dispi->attribute_data != 0;
	*dispi = good;
}

static uint16_t read_limit(unsigned index, uint16_t value) {
	switch (index) {
	case DISPI_XRES:
	case DISPI_YRES:
		return DISPI_MAX_SIZE;
	case DISPI_BPP:
		return 32;
	}
	return value;
}

/* The virtual screen is never narrower than the visible one. */
static uint16_t virtual_width(const struct device_state_dispi *dispi) {
	uint16_t real = dispi->regs[DISPI_XRES], wanted = dispi->regs[DISPI_VIRT_WIDTH];
	return wanted < real ? real : wanted;
}

uint16_t dispi_read(
	const struct device_state_dispi *dispi, const struct slice *slice, unsigned index) {
	if (index >= DISPI_REGISTERS) {
		return 0xffff;
	}
	uint16_t value = dispi->regs[index];
	uint64_t units = slice->aperture / MEMORY_UNIT;
	switch (index) {
	case DISPI_MEMORY_64K:
		return units > UINT16_MAX ? UINT16_MAX : (uint16_t)units;
	case DISPI_VIRT_WIDTH:
		return (dispi->regs[DISPI_ENABLE] & DISPI_ENABLED) != 0 ? virtual_width(dispi)
									: value;
	}
	return (dispi->regs[DISPI_ENABLE] & DISPI_GETCAPS) != 0 ? read_limit(index, value) : value;
}

enum dispi_effect dispi_write(struct device_state_dispi *dispi, unsigned index, uint16_t value) {
	if (!value_valid(index, value)) {
		return DISPI_NOTHING;
	}
	if (index == DISPI_ENABLE) {
		value &= ENABLE_BITS;
	}
	uint16_t before = dispi->regs[index];
	dispi->regs[index] = value;
	bool shown = (dispi->regs[DISPI_ENABLE] & DISPI_ENABLED) != 0;
	switch (index) {
	case DISPI_ENABLE:
		return ((before ^ value) & DISPI_ENABLED) != 0     ? DISPI_MODE
			: ((before ^ value) & DISPI_8BIT_DAC) != 0 ? DISPI_COLOURS
								   : DISPI_NOTHING;
	case DISPI_XRES:
	case DISPI_YRES:
	case DISPI_BPP:
	case DISPI_VIRT_WIDTH:
		return shown && before != value ? DISPI_MODE : DISPI_NOTHING;
	case DISPI_X_OFFSET:
	case DISPI_Y_OFFSET:
		return shown ? DISPI_FLIP : DISPI_NOTHING;
	}
	return DISPI_NOTHING;
}

static uint8_t read_colour(struct device_state_dispi *dispi) {
	uint8_t value = dispi->palette[dispi->palette_read_index][dispi->palette_component % 3];
	dispi->palette_component = (dispi->palette_component + 1) % 3;
	if (dispi->palette_component == 0) {
		dispi->palette_read_index++;
	}
	return value;
}

static void write_colour(struct device_state_dispi *dispi, uint8_t value) {
	dispi->palette[dispi->palette_index][dispi->palette_component % 3] = value;
	dispi->palette_component = (dispi->palette_component + 1) % 3;
	if (dispi->palette_component == 0) {
		dispi->palette_index++;
	}
}

uint8_t dispi_vga_read(struct device_state_dispi *dispi, unsigned port) {
	switch (port) {
	case DISPI_VGA_ATTRIBUTE:
		return dispi->blanked != 0 ? 0 : ATTRIBUTE_DISPLAY_ON;
	case DISPI_VGA_PALETTE_MASK:
		return dispi->palette_mask;
	case DISPI_VGA_PALETTE_INDEX:
		return dispi->palette_index;
	case DISPI_VGA_PALETTE_DATA:
		return read_colour(dispi);
	case DISPI_VGA_STATUS:
		dispi->attribute_data = 0;
		dispi->status ^= STATUS_RETRACE;
		return dispi->status;
	}
	return 0;
}

/* One port takes an index and its data in turn; the index also turns the display on and off. */
static enum dispi_effect write_attribute(struct device_state_dispi *dispi, uint8_t value) {
	dispi->attribute_data = !dispi->attribute_data;
	if (!dispi->attribute_data) {
		return DISPI_NOTHING;
	}
	uint8_t before = dispi->blanked;
	dispi->blanked = (value & ATTRIBUTE_DISPLAY_ON) == 0;
	return before != dispi->blanked ? DISPI_MODE : DISPI_NOTHING;
}

enum dispi_effect dispi_vga_write(struct device_state_dispi *dispi, unsigned port, uint8_t value) {
	switch (port) {
	case DISPI_VGA_ATTRIBUTE:
		return write_attribute(dispi, value);
	case DISPI_VGA_PALETTE_MASK:
		dispi->palette_mask = value;
		return DISPI_COLOURS;
	case DISPI_VGA_PALETTE_READ:
		dispi->palette_read_index = value;
		dispi->palette_component = 0;
		return DISPI_NOTHING;
	case DISPI_VGA_PALETTE_INDEX:
		dispi->palette_index = value;
		dispi->palette_component = 0;
		return DISPI_NOTHING;
	case DISPI_VGA_PALETTE_DATA:
		write_colour(dispi, value);
		return DISPI_COLOURS;
	}
	return DISPI_NOTHING;
}

static enum scanout_format format_of(uint16_t bpp) {
	switch (bpp) {
	case 0: // as Bochs has it
	case 8:
		return SCANOUT_C8;
	case 15:
		return SCANOUT_XRGB1555;
	case 16:
		return SCANOUT_RGB565;
	case 24:
		return SCANOUT_RGB888;
	case 32:
		return SCANOUT_XRGB8888;
	}
	return SCANOUT_NONE;
}

bool dispi_scanout(
	const struct device_state_dispi *dispi, const struct slice *slice, struct scanout *ret) {
	*ret = (struct scanout){.format = SCANOUT_NONE};
	if ((dispi->regs[DISPI_ENABLE] & DISPI_ENABLED) == 0 || dispi->blanked != 0) {
		return true;
	}
	enum scanout_format format = format_of(dispi->regs[DISPI_BPP]);
	uint64_t bytes = scanout_format_bytes(format);
	// Sixteen-bit registers: no overflow.
	uint64_t stride = virtual_width(dispi) * bytes;
	uint64_t offset =
		dispi->regs[DISPI_Y_OFFSET] * stride + dispi->regs[DISPI_X_OFFSET] * bytes;
	return scanout_compute(slice, slice->aperture, format, dispi->regs[DISPI_XRES],
		dispi->regs[DISPI_YRES], stride, offset, ret);
}

void dispi_palette(const struct device_state_dispi *dispi, uint32_t ret[256]) {
	bool wide = (dispi->regs[DISPI_ENABLE] & DISPI_8BIT_DAC) != 0;
	for (unsigned i = 0; i < 256; i++) {
		ret[i] = 0;
		for (unsigned j = 0; j < 3; j++) {
			uint8_t value = dispi->palette[i & dispi->palette_mask][j];
			if (!wide) { // six bits, the top ones repeated below
				value = (uint8_t)((value & 0x3f) << 2 | (value & 0x3f) >> 4);
			}
			ret[i] = ret[i] << 8 | value;
		}
	}
}
