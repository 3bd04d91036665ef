#include "fuzz.h"

#include "rig.h"

/*
 * Register sequences of the bochs display: mode sets, flips, palette, EDID. Whatever is
 * written, the scanout lies in the aperture; and so it does from any state that an
 * earlier process may have left.
 */

#define STEPS_MAX 4096
#define DISPI 0x500
#define VGA 0x400

static void check_palette(const struct rig *rig) {
	uint32_t palette[256];
	dispi_palette(&rig->state->dispi, palette);
	for (unsigned i = 0; i < 256; i++) {
		FUZZ_CHECK(palette[i] <= 0xffffff);
	}
}

static void check_edid(const uint8_t edid[EDID_SIZE]) {
	static const uint8_t magic[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
	FUZZ_CHECK(memcmp(edid, magic, sizeof(magic)) == 0);
	FUZZ_CHECK(edid[126] <= 1);
	for (unsigned block = 0; block < EDID_SIZE; block += 128) {
		uint8_t sum = 0;
		for (unsigned i = 0; i < 128; i++) {
			sum = (uint8_t)(sum + edid[block + i]);
		}
		FUZZ_CHECK(sum == 0);
	}
}

static void any_edid(struct fuzz_input *input) {
	uint8_t edid[EDID_SIZE];
	struct edid_monitor monitor = {.width = fuzz_u32(input)};
	monitor.height = fuzz_u32(input);
	monitor.refresh = fuzz_u32(input);
	monitor.scale = monitor.refresh ^ monitor.width;
	char name[8] = {0};
	memcpy(name, &monitor, sizeof(name) - 1);
	monitor.name = name;
	edid_generate(edid, &monitor);
	check_edid(edid);
}

/* What an earlier process, or whoever writes the state's memory, has left. */
static void any_state(struct rig *rig, struct fuzz_input *input) {
	fuzz_take(input, &rig->state->dispi, sizeof(rig->state->dispi));
	dispi_sanitize(&rig->state->dispi);
}

static void write_register(struct rig *rig, uint64_t offset, uint64_t value, uint32_t count) {
	const struct pci_bar *bar = pci_bar(&rig->pci, 2);
	int error = bar->ops->write(bar->data, offset, &value, count);
	FUZZ_CHECK((error == 0) == (count == 1 || count == 2 || count == 4 || count == 8));
}

static uint64_t read_register(struct rig *rig, uint64_t offset, uint32_t count) {
	const struct pci_bar *bar = pci_bar(&rig->pci, 2);
	uint64_t value = 0;
	bar->ops->read(bar->data, offset, &value, count);
	return value;
}

static void check_registers(struct rig *rig) {
	FUZZ_CHECK(read_register(rig, DISPI + 2 * DISPI_MEMORY_64K, 2) == RIG_APERTURE / 65536);
	uint64_t id = read_register(rig, DISPI + 2 * DISPI_ID, 2);
	FUZZ_CHECK(id >= DISPI_ID0 && id <= DISPI_ID5);
	FUZZ_CHECK(rig->state->dispi.regs[DISPI_XRES] <= DISPI_MAX_SIZE);
	FUZZ_CHECK(rig->state->dispi.regs[DISPI_YRES] <= DISPI_MAX_SIZE);
	FUZZ_CHECK(rig->state->dispi.palette_component < 3);
}

static void step(struct rig *rig, struct fuzz_input *input) {
	uint8_t what = fuzz_u8(input);
	switch (what % 8) {
	case 0: // one dispi register
	case 1:
	case 2:
		write_register(rig, DISPI + 2 * (fuzz_u8(input) % 16), fuzz_u16(input), 2);
		break;
	case 3: // the palette and its neighbours
		write_register(rig, VGA + fuzz_u8(input) % 32, fuzz_u8(input), 1);
		break;
	case 4: {
		uint64_t offset = fuzz_u16(input) % (BOCHS_REGISTERS_SIZE - 8);
		write_register(rig, offset, fuzz_u64(input), 1 + what / 8 % 8);
		break;
	}
	case 5:
		read_register(rig, fuzz_u16(input) % (BOCHS_REGISTERS_SIZE - 8), 1 + what / 8 % 8);
		break;
	case 6:
		any_edid(input);
		break;
	case 7:
		if (what < 128) {
			bochs_reset(&rig->bochs);
		} else {
			any_state(rig, input);
		}
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct rig rig;
	// In memory of its own size.
	struct device_state *state = calloc(1, sizeof(*state));
	FUZZ_CHECK(state != NULL);
	rig_init(&rig, state);
	uint8_t edid[EDID_SIZE];
	memcpy(edid, rig.bochs.edid, sizeof(edid));
	check_edid(edid);
	for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
		step(&rig, &input);
		rig_check_scanout(&rig);
		check_registers(&rig);
	}
	check_palette(&rig);
	FUZZ_CHECK(memcmp(edid, rig.bochs.edid, sizeof(edid)) == 0);
	rig_finish(&rig);
	free(state);
	return 0;
}
