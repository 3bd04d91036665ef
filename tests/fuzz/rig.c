#include "rig.h"

#include "log.h"
#include "memfd.h"

static void handle_mode_changed(void *data) {
	struct rig *rig = data;
	rig->modes++;
}

static void handle_drawn(void *data) {
	struct rig *rig = data;
	rig->drawn++;
}

static const struct bochs_ops ops = {
	.mode_changed = handle_mode_changed,
	.drawn = handle_drawn,
};

/* One for all inputs: making it anew takes longer than most of them. */
static struct slice the_slice;
static uint8_t heap[RIG_LIMIT - RIG_APERTURE];

void rig_prepare(void) {
	if (the_slice.map != NULL) {
		return;
	}
	int fd = memfd_create_sealed("slice", RIG_LIMIT);
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(slice_init(&the_slice, fd, 0, RIG_LIMIT, RIG_APERTURE) == 0);
	memset(heap, RIG_HEAP_BYTE, sizeof(heap));
	memcpy(the_slice.map + RIG_APERTURE, heap, sizeof(heap));
}

void rig_init(struct rig *rig, struct device_state *state) {
	log_init("fuzz", NULL, LOG_LEVEL_ERROR);
	rig_prepare();
	memset(the_slice.map, 0, RIG_APERTURE);
	*rig = (struct rig){.slice = the_slice};
	dispi_reset(&state->dispi);
	rig_take_over(rig, state);
}

void rig_take_over(struct rig *rig, struct device_state *state) {
	rig->state = state;
	const struct link_setup mode = {
		.prefer_width = 1024, .prefer_height = 768, .refresh = 60000};
	bochs_init(&rig->bochs, rig->state, &rig->slice, &mode, &ops, rig);
	FUZZ_CHECK(pci_init(&rig->pci, &rig->bochs.description, rig->state));
}

void rig_check_scanout(struct rig *rig) {
	struct scanout scanout;
	memset(&scanout, 0x5a, sizeof(scanout));
	bochs_get_scanout(&rig->bochs, &scanout);
	if (scanout.format == SCANOUT_NONE) {
		FUZZ_CHECK(scanout.width == 0 && scanout.height == 0);
		return;
	}
	FUZZ_CHECK(scanout.width >= 1 && scanout.width <= SCANOUT_MAX_SIZE);
	FUZZ_CHECK(scanout.height >= 1 && scanout.height <= SCANOUT_MAX_SIZE);
	unsigned __int128 row =
		(unsigned __int128)scanout.width * scanout_format_bytes(scanout.format);
	FUZZ_CHECK(row > 0 && scanout.stride >= row);
	FUZZ_CHECK((unsigned __int128)scanout.offset +
			(unsigned __int128)scanout.stride * (scanout.height - 1) + row <=
		RIG_APERTURE);
}

void rig_finish(struct rig *rig) {
	rig_check_scanout(rig);
	FUZZ_CHECK(memcmp(rig->slice.map + RIG_APERTURE, heap, sizeof(heap)) == 0);
}
