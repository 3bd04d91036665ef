#include "fuzz.h"

#include <linux/vfio.h>

#include "rig.h"
#include "vfio-user-regions.h"

/*
 * Reads and writes of configuration space and BARs at every offset and in every size: of
 * the bochs display, and of a function with all that PCI here knows. A plain model of
 * configuration space runs beside.
 */

#define ACCESS_MAX 300 // bytes of one access
#define STEPS_MAX 4096
#define WIDE_BAR (UINT64_C(1) << 33)

struct model {
	struct pci_function *pci;
	uint8_t config[PCI_CONFIG_SIZE];
};

/* A 64-bit BAR, MSI-X, and a capability with bits that can be written. */
static const uint8_t capability_body[] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66};
static const uint8_t capability_writable[] = {0x00, 0xff, 0x0f, 0x00, 0xf0, 0x01};
static const struct pci_capability capabilities[] = {
	{.id = 0x09, .length = sizeof(capability_body), .body = capability_body},
	{.id = 0x01,
		.length = sizeof(capability_body),
		.body = capability_body,
		.writable = capability_writable},
};

static const struct pci_description rich = {
	.vendor = 0x1af4,
	.device = 0x1050,
	.class = 0x030000,
	.intx = true,
	.bars =
		{
			[0] = {.size = 16, .fd = -1},
			[1] = {.size = UINT64_C(1) << 31, .flags = PCI_BAR_PREFETCH, .fd = -1},
			[2] = {.size = WIDE_BAR, .flags = PCI_BAR_64, .fd = -1},
			[5] = {.size = 4096, .fd = -1},
		},
	.msix = {.vectors = 3, .bar = 5, .table = 0, .pending = 0x800},
	.capabilities = capabilities,
	.capabilities_len = sizeof(capabilities) / sizeof(capabilities[0]),
};

static uint64_t region_size(const struct pci_function *pci, uint32_t region) {
	if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
		return PCI_CONFIG_SIZE;
	}
	return region < PCI_BARS ? pci->description->bars[region].size : 0;
}

static void check_bars(const struct pci_function *pci) {
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct device_state_bar *bar = &pci->state->bars[i];
		FUZZ_CHECK(bar->size == pci->description->bars[i].size);
		FUZZ_CHECK(bar->size != 0 ? bar->address % bar->size == 0 : bar->address == 0);
		FUZZ_CHECK(bar->size == 0 || (pci->description->bars[i].flags & PCI_BAR_64) != 0 ||
			bar->address <= UINT32_MAX);
	}
}

static void write_model(struct model *model, const struct vfio_user_access *access) {
	for (uint32_t i = 0; i < access->count; i++) {
		uint64_t at = access->offset + i;
		uint8_t writable = model->pci->writable[at];
		model->config[at] = (model->config[at] & ~writable) | (access->data[i] & writable);
	}
}

static void check_config(const struct model *model) {
	const struct pci_function *pci = model->pci;
	FUZZ_CHECK(memcmp(pci->state->pci_config, model->config, PCI_CONFIG_SIZE) == 0);
	for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
		FUZZ_CHECK(
			((pci->state->pci_config[i] ^ pci->initial[i]) & ~pci->writable[i]) == 0);
	}
}

static void do_write(struct model *model, struct vfio_user_access *access, void *bytes) {
	bool inside = access->offset <= region_size(model->pci, access->region) &&
		access->count <= region_size(model->pci, access->region) - access->offset;
	access->data = bytes;
	int error = region_access(model->pci, access, NULL);
	FUZZ_CHECK(error == 0 || error == -22);
	FUZZ_CHECK(inside || error < 0);
	if (access->region == VFIO_PCI_CONFIG_REGION_INDEX) {
		FUZZ_CHECK((error == 0) == inside);
		if (inside) {
			write_model(model, access);
		}
	}
}

static void do_read(struct model *model, struct vfio_user_access *access, uint8_t *ret) {
	int error = region_access(model->pci, access, ret);
	FUZZ_CHECK(error == 0 || error == -22);
	if (error < 0) {
		return;
	}
	FUZZ_CHECK(access->offset + access->count <= region_size(model->pci, access->region));
	if (access->region == VFIO_PCI_CONFIG_REGION_INDEX) {
		FUZZ_CHECK(memcmp(ret, model->config + access->offset, access->count) == 0);
	}
}

/* Small numbers, the ends of regions, and any number. */
static uint64_t pick_offset(struct model *model, struct fuzz_input *input, uint32_t region) {
	uint8_t how = fuzz_u8(input);
	switch (how % 4) {
	case 0:
		return fuzz_u8(input);
	case 1:
		return fuzz_u16(input);
	case 2:
		return region_size(model->pci, region) - (int8_t)fuzz_u8(input);
	default:
		return fuzz_u64(input);
	}
}

static void step(struct model *model, struct fuzz_input *input) {
	uint8_t what = fuzz_u8(input);
	if (what == 0xff) {
		pci_reset(model->pci);
		memcpy(model->config, model->pci->initial, PCI_CONFIG_SIZE);
		return;
	}
	struct vfio_user_access access = {.region = (what >> 1) % 9};
	access.region = access.region < 4 ? VFIO_PCI_CONFIG_REGION_INDEX : access.region - 4;
	if ((what & 0x80) != 0) {
		access.region = fuzz_u8(input) % 12;
	}
	access.count = 1 + fuzz_u8(input) % 8;
	if ((what & 0x40) != 0) {
		access.count = 1 + fuzz_u16(input) % ACCESS_MAX;
	}
	access.offset = pick_offset(model, input, access.region);
	uint8_t *bytes = malloc(access.count);
	FUZZ_CHECK(bytes != NULL);
	if (access.offset + access.count < access.offset) {
		// The decoder lets no such access pass.
	} else if ((what & 1) != 0) {
		fuzz_take(input, bytes, access.count);
		do_write(model, &access, bytes);
	} else {
		do_read(model, &access, bytes);
	}
	free(bytes);
}

static void run(struct pci_function *pci, struct fuzz_input input) {
	struct model model = {.pci = pci};
	memcpy(model.config, pci->initial, PCI_CONFIG_SIZE);
	for (unsigned i = 0; i < STEPS_MAX && input.size > 0; i++) {
		step(&model, &input);
		check_bars(pci);
		check_config(&model);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct rig rig;
	// In memory of its own size.
	struct device_state *state = calloc(1, sizeof(*state));
	FUZZ_CHECK(state != NULL);
	rig_init(&rig, state);
	if (fuzz_u8(&input) % 2 == 0) {
		run(&rig.pci, input);
	} else {
		struct device_state *other = calloc(1, sizeof(*other));
		struct pci_function pci;
		FUZZ_CHECK(other != NULL && pci_init(&pci, &rich, other));
		run(&pci, input);
		free(other);
	}
	rig_finish(&rig);
	free(state);
	return 0;
}
