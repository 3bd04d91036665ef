#include "bochs.h"

#include <errno.h>
#include <string.h>

#define VGA_OFFSET 0x400
#define DISPI_OFFSET 0x500
#define DISPI_END (DISPI_OFFSET + 2 * DISPI_REGISTERS)
#define QEXT_OFFSET 0x600
#define QEXT_END 0x608
#define QEXT_BYTE_ORDER 0x604
#define LITTLE_ENDIAN_MAGIC 0x1e1e1e1e

/* Which of the registers an offset belongs to. */
enum bank {
	BANK_EDID,
	BANK_VGA,
	BANK_DISPI,
	BANK_QEXT,
	BANK_NONE,
};

static enum bank bank_at(uint64_t offset) {
	if (offset < VGA_OFFSET) {
		return BANK_EDID;
	}
	if (offset < VGA_OFFSET + DISPI_VGA_PORTS) {
		return BANK_VGA;
	}
	if (offset >= DISPI_OFFSET && offset < DISPI_END) {
		return BANK_DISPI;
	}
	return offset >= QEXT_OFFSET && offset < QEXT_END ? BANK_QEXT : BANK_NONE;
}

static uint8_t read_qext(uint64_t offset) {
	// A little-endian word of its own size, then one of the byte order.
	const uint8_t bytes[QEXT_END - QEXT_OFFSET] = {
		QEXT_END - QEXT_OFFSET, 0, 0, 0, 0x1e, 0x1e, 0x1e, 0x1e};
	return bytes[offset - QEXT_OFFSET];
}

static uint8_t read_byte(struct bochs *bochs, uint64_t offset) {
	switch (bank_at(offset)) {
	case BANK_EDID:
		return offset < sizeof(bochs->edid) ? bochs->edid[offset] : 0;
	case BANK_VGA:
		return dispi_vga_read(&bochs->state->dispi, offset - VGA_OFFSET);
	case BANK_DISPI:
		return dispi_read(
			       &bochs->state->dispi, bochs->slice, (offset - DISPI_OFFSET) / 2) >>
			8 * (offset % 2);
	case BANK_QEXT:
		return read_qext(offset);
	case BANK_NONE:
		break;
	}
	return 0;
}

static bool width_valid(uint32_t count) {
	return count == 1 || count == 2 || count == 4 || count == 8;
}

static int registers_read(void *data, uint64_t offset, void *ret, uint32_t count) {
	static const enum trap_class traps[] = {
		[BANK_EDID] = TRAP_EDID_READ,
		[BANK_VGA] = TRAP_PALETTE,
		[BANK_DISPI] = TRAP_DISPI_READ,
		[BANK_QEXT] = TRAP_QEXT,
		[BANK_NONE] = TRAP_OTHER,
	};
	struct bochs *bochs = data;
	if (!width_valid(count)) {
		return -EINVAL;
	}
	bochs->state->traps[traps[bank_at(offset)]]++;
	uint8_t *to = ret;
	for (uint32_t i = 0; i < count; i++) {
		to[i] = read_byte(bochs, offset + i);
	}
	return 0;
}

/* Registers are 16 bits wide: a lone byte goes nowhere. */
static enum dispi_effect write_dispi(
	struct bochs *bochs, uint64_t offset, const uint8_t *bytes, uint32_t count) {
	enum dispi_effect effect = DISPI_NOTHING;
	if (offset % 2 != 0) {
		return effect;
	}
	for (uint32_t i = 0; i + 2 <= count && bank_at(offset + i) == BANK_DISPI; i += 2) {
		uint16_t value = bytes[i] | bytes[i + 1] << 8;
		enum dispi_effect one =
			dispi_write(&bochs->state->dispi, (offset + i - DISPI_OFFSET) / 2, value);
		effect = one > effect ? one : effect;
	}
	return effect;
}

static enum dispi_effect write_vga(
	struct bochs *bochs, uint64_t offset, const uint8_t *bytes, uint32_t count) {
	enum dispi_effect effect = DISPI_NOTHING;
	for (uint32_t i = 0; i < count && bank_at(offset + i) == BANK_VGA; i++) {
		enum dispi_effect one =
			dispi_vga_write(&bochs->state->dispi, offset + i - VGA_OFFSET, bytes[i]);
		effect = one > effect ? one : effect;
	}
	return effect;
}

/* Says so where the guest has set a mode that its slice cannot show. */
static void check_mode(struct bochs *bochs) {
	struct scanout scanout;
	const uint16_t *regs = bochs->state->dispi.regs;
	if (!dispi_scanout(&bochs->state->dispi, bochs->slice, &scanout)) {
		log_limited(&bochs->refused, LOG_LEVEL_WARNING,
			"a mode of %ux%u at %u bits, virtual width %u, offset %u,%u does not lie in the "
			"%llu KiB of the aperture: it is not shown",
			regs[DISPI_XRES], regs[DISPI_YRES], regs[DISPI_BPP], regs[DISPI_VIRT_WIDTH],
			regs[DISPI_X_OFFSET], regs[DISPI_Y_OFFSET],
			(unsigned long long)bochs->slice->aperture / 1024);
	}
}

static enum trap_class act_on(
	struct bochs *bochs, enum dispi_effect effect, enum trap_class plain) {
	switch (effect) {
	case DISPI_MODE:
		check_mode(bochs);
		bochs->ops->mode_changed(bochs->data);
		return TRAP_MODE_SET;
	case DISPI_FLIP:
		bochs->ops->drawn(bochs->data);
		return TRAP_FLIP;
	case DISPI_COLOURS:
		bochs->ops->drawn(bochs->data);
		return plain;
	case DISPI_NOTHING:
		break;
	}
	return plain;
}

/* Linux writes the byte order with every update. Any but little-endian is ignored. */
static void write_qext(struct bochs *bochs, uint64_t offset, const uint8_t *bytes, uint32_t count) {
	uint32_t order = 0;
	if (offset == QEXT_BYTE_ORDER && count == sizeof(order)) {
		memcpy(&order, bytes, sizeof(order));
		if (order != LITTLE_ENDIAN_MAGIC) {
			log_limited(&bochs->refused, LOG_LEVEL_WARNING,
				"byte order %#x is not supported: pixels stay little-endian",
				order);
		}
	}
}

static int registers_write(void *data, uint64_t offset, const void *bytes, uint32_t count) {
	struct bochs *bochs = data;
	if (!width_valid(count)) {
		return -EINVAL;
	}
	enum trap_class trap = TRAP_OTHER;
	switch (bank_at(offset)) {
	case BANK_VGA:
		trap = act_on(bochs, write_vga(bochs, offset, bytes, count), TRAP_PALETTE);
		break;
	case BANK_DISPI:
		trap = act_on(bochs, write_dispi(bochs, offset, bytes, count), TRAP_DISPI_WRITE);
		break;
	case BANK_QEXT:
		write_qext(bochs, offset, bytes, count);
		trap = TRAP_QEXT;
		break;
	case BANK_EDID: // read-only
	case BANK_NONE:
		break;
	}
	bochs->state->traps[trap]++;
	return 0;
}

/* An access to VRAM that the VMM did not do through its mapping. */
static int vram_read(void *data, uint64_t offset, void *ret, uint32_t count) {
	struct bochs *bochs = data;
	const void *from = slice_range(bochs->slice, offset, count);
	if (from == NULL) {
		return -EINVAL;
	}
	bochs->state->traps[TRAP_VRAM]++;
	memcpy(ret, from, count);
	return 0;
}

static int vram_write(void *data, uint64_t offset, const void *bytes, uint32_t count) {
	struct bochs *bochs = data;
	void *to = slice_range(bochs->slice, offset, count);
	if (to == NULL) {
		return -EINVAL;
	}
	bochs->state->traps[TRAP_VRAM]++;
	memcpy(to, bytes, count);
	return 0;
}

static const struct pci_bar_ops vram_ops = {.read = vram_read, .write = vram_write};
static const struct pci_bar_ops registers_ops = {.read = registers_read, .write = registers_write};

void bochs_init(struct bochs *bochs, struct device_state *state, const struct slice *slice,
	const struct link_setup *mode, const struct bochs_ops *ops, void *data) {
	*bochs = (struct bochs){.state = state, .slice = slice, .ops = ops, .data = data};
	bochs->description = (struct pci_description){
		.vendor = 0x1234,
		.device = 0x1111,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class = 0x038000,
		.revision = 2,
		.bars = {[0] = {.size = slice->aperture,
				 .flags = PCI_BAR_PREFETCH,
				 .fd = slice->fd,
				 .ops = &vram_ops,
				 .data = bochs},
			[2] = {.size = BOCHS_REGISTERS_SIZE,
				.fd = -1,
				.ops = &registers_ops,
				.data = bochs}},
	};
	const struct edid_monitor monitor = {
		.width = mode->prefer_width,
		.height = mode->prefer_height,
		.refresh = mode->refresh,
		.serial = 1,
		.name = mode->name,
	};
	edid_generate(bochs->edid, &monitor);
	dispi_sanitize(&state->dispi);
}

void bochs_reset(struct bochs *bochs) {
	dispi_reset(&bochs->state->dispi);
	bochs->ops->mode_changed(bochs->data);
}

void bochs_get_scanout(struct bochs *bochs, struct scanout *ret) {
	dispi_scanout(&bochs->state->dispi, bochs->slice, ret);
}
