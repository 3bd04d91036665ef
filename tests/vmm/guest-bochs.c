#include "guest-bochs.h"

#include <errno.h>

#define PCI_COMMAND 0x04
#define PCI_BAR(n) (0x10 + 4 * (n))
#define PCI_COMMAND_MEMORY 0x2
#define PCI_COMMAND_MASTER 0x4

/* Writes until one fails. */
struct batch {
	struct bochs_guest *guest;
	int error;
};

static void batch_write(struct batch *batch, enum bochs_register index, uint32_t value) {
	if (batch->error == 0) {
		batch->error = bochs_write(batch->guest, index, (uint16_t)value);
	}
}

static int enable_pci(struct vmm *vmm) {
	int error = vmm_write32(vmm, VFU_REGION_CONFIG, PCI_BAR(0), BOCHS_BAR0_ADDRESS);
	if (error == 0) {
		error = vmm_write32(vmm, VFU_REGION_CONFIG, PCI_BAR(2), BOCHS_BAR2_ADDRESS);
	}
	if (error == 0) {
		error = vmm_write16(vmm, VFU_REGION_CONFIG, PCI_COMMAND,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	}
	return error;
}

int bochs_start(struct bochs_guest *guest, struct vmm *vmm) {
	*guest = (struct bochs_guest){.vmm = vmm, .vram = {.fd = -1}};
	int error = enable_pci(vmm);
	if (error == 0) {
		error = vmm_get_region(vmm, VFU_REGION_BAR0, &guest->vram);
	}
	if (error == 0) {
		error = vmm_region_map(&guest->vram);
	}
	if (error < 0) {
		return error;
	}
	return (bochs_read(guest, BOCHS_ID) & 0xfff0) == 0xb0c0 ? 0 : -ENODEV;
}

void bochs_finish(struct bochs_guest *guest) {
	vmm_region_finish(&guest->vram);
}

uint16_t bochs_read(struct bochs_guest *guest, enum bochs_register index) {
	return vmm_read16(guest->vmm, VFU_REGION_BAR2, BOCHS_DISPI + 2 * (uint64_t)index);
}

int bochs_write(struct bochs_guest *guest, enum bochs_register index, uint16_t value) {
	return vmm_write16(guest->vmm, VFU_REGION_BAR2, BOCHS_DISPI + 2 * (uint64_t)index, value);
}

int bochs_set_mode(struct bochs_guest *guest, uint32_t width, uint32_t height, uint32_t bpp) {
	// Port 0x3c0, bit 5: the screen is not blanked.
	int error = vmm_write8(guest->vmm, VFU_REGION_BAR2, BOCHS_VGA, 0x20);
	struct batch batch = {.guest = guest, .error = error};
	batch_write(&batch, BOCHS_ENABLE, 0);
	batch_write(&batch, BOCHS_BPP, bpp);
	batch_write(&batch, BOCHS_XRES, width);
	batch_write(&batch, BOCHS_YRES, height);
	batch_write(&batch, BOCHS_BANK, 0);
	batch_write(&batch, BOCHS_VIRT_WIDTH, width);
	batch_write(&batch, BOCHS_VIRT_HEIGHT, height);
	batch_write(&batch, BOCHS_X_OFFSET, 0);
	batch_write(&batch, BOCHS_Y_OFFSET, 0);
	batch_write(&batch, BOCHS_ENABLE, BOCHS_ENABLED | BOCHS_LFB | BOCHS_NOCLEARMEM);
	guest->width = width;
	guest->height = height;
	guest->bpp = bpp;
	guest->stride = width * ((bpp + 7) / 8);
	return batch.error;
}

int bochs_hint(struct bochs_guest *guest) {
	// 0x604 is the byte order: little-endian, as it was.
	struct batch batch = {.guest = guest};
	batch.error = vmm_write32(guest->vmm, VFU_REGION_BAR2, BOCHS_QEXT + 4, 0x1e1e1e1e);
	batch_write(&batch, BOCHS_VIRT_WIDTH, guest->width);
	batch_write(&batch, BOCHS_X_OFFSET, 0);
	batch_write(&batch, BOCHS_Y_OFFSET, 0);
	return batch.error;
}

void bochs_fill(struct bochs_guest *guest, uint32_t x, uint32_t y, uint32_t width, uint32_t height,
	uint32_t colour) {
	for (uint32_t row = y; row < y + height; row++) {
		uint32_t *pixel = (uint32_t *)(guest->vram.map + (uint64_t)row * guest->stride) + x;
		for (uint32_t i = 0; i < width; i++) {
			pixel[i] = colour;
		}
	}
}

int bochs_set_palette(
	struct bochs_guest *guest, uint8_t index, uint8_t red, uint8_t green, uint8_t blue) {
	const uint8_t writes[][2] = {{0x8, index}, {0x9, red}, {0x9, green}, {0x9, blue}};
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		int error = vmm_write8(
			guest->vmm, VFU_REGION_BAR2, BOCHS_VGA + writes[i][0], writes[i][1]);
		if (error < 0) {
			return error;
		}
	}
	return 0;
}
