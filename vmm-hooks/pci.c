#include "pci.h"

#include <linux/pci_regs.h>
#include <string.h>

#define CAPABILITIES_START 0x40
#define CLASS_VGA 0x0300

static void put16(uint8_t *space, unsigned at, uint16_t value) {
	space[at] = value & 0xff;
	space[at + 1] = value >> 8;
}

static void put32(uint8_t *space, unsigned at, uint32_t value) {
	put16(space, at, value & 0xffff);
	put16(space, at + 2, value >> 16);
}

static uint32_t get32(const uint8_t *space, unsigned at) {
	return space[at] | (uint32_t)space[at + 1] << 8 | (uint32_t)space[at + 2] << 16 |
		(uint32_t)space[at + 3] << 24;
}

static unsigned bar_register(unsigned index) {
	return PCI_BASE_ADDRESS_0 + 4 * index;
}

const struct pci_bar *pci_bar(const struct pci_function *pci, uint32_t index) {
	if (index >= PCI_BARS || pci->description->bars[index].size == 0) {
		return NULL;
	}
	return &pci->description->bars[index];
}

static void init_header(struct pci_function *pci, const struct pci_description *description) {
	uint8_t *initial = pci->initial;
	put16(initial, PCI_VENDOR_ID, description->vendor);
	put16(initial, PCI_DEVICE_ID, description->device);
	put16(initial, PCI_SUBSYSTEM_VENDOR_ID, description->subsystem_vendor);
	put16(initial, PCI_SUBSYSTEM_ID, description->subsystem);
	put32(initial, PCI_CLASS_REVISION, description->class << 8 | description->revision);
	initial[PCI_INTERRUPT_PIN] = description->intx ? 1 : 0;
	// A BIOS runs the ROM of a VGA card only where its I/O, which ours has not, can be enabled.
	uint16_t io = description->class >> 8 == CLASS_VGA ? PCI_COMMAND_IO : 0;
	put16(pci->writable, PCI_COMMAND,
		io | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	pci->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	pci->writable[PCI_INTERRUPT_LINE] = 0xff;
}

/* Sizing works by itself: the bits below the size cannot be written. */
static bool init_bar(struct pci_function *pci, unsigned index) {
	const struct pci_bar *bar = &pci->description->bars[index];
	if (bar->size == 0) {
		return true;
	}
	bool wide = (bar->flags & PCI_BAR_64) != 0;
	if (bar->size < 16 || (bar->size & (bar->size - 1)) != 0 ||
		(!wide && bar->size > UINT64_C(1) << 31) ||
		(wide && (index + 1 >= PCI_BARS || pci->description->bars[index + 1].size != 0))) {
		return false;
	}
	uint64_t mask = ~(bar->size - 1);
	put32(pci->initial, bar_register(index),
		(wide ? PCI_BASE_ADDRESS_MEM_TYPE_64 : PCI_BASE_ADDRESS_MEM_TYPE_32) |
			((bar->flags & PCI_BAR_PREFETCH) != 0 ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0));
	put32(pci->writable, bar_register(index), (uint32_t)mask);
	if (wide) {
		put32(pci->writable, bar_register(index + 1), (uint32_t)(mask >> 32));
	}
	return true;
}

struct capability_list {
	struct pci_function *pci;
	unsigned link; // where the pointer to the next one belongs
	unsigned at;   // where it would lie
};

static bool add_capability(struct capability_list *list, const struct pci_capability *capability) {
	unsigned length = 2 + capability->length;
	if (list->at + length > PCI_CONFIG_SIZE) {
		return false;
	}
	uint8_t *initial = list->pci->initial, *writable = list->pci->writable;
	initial[list->link] = (uint8_t)list->at;
	initial[list->at] = capability->id;
	memcpy(&initial[list->at + 2], capability->body, capability->length);
	if (capability->writable != NULL) {
		memcpy(&writable[list->at + 2], capability->writable, capability->length);
	}
	if (capability->window != 0) {
		if (list->pci->window != NULL || capability->window > capability->length) {
			return false;
		}
		list->pci->window = capability;
		list->pci->window_body = (uint8_t)(list->at + 2);
	}
	list->link = list->at + 1;
	list->at = (list->at + length + 3) & ~3u;
	initial[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	return true;
}

static bool add_msix(struct capability_list *list, const struct pci_msix *msix) {
	if (msix->vectors == 0) {
		return true;
	}
	if (msix->vectors > PCI_MSIX_FLAGS_QSIZE + 1 || msix->bar >= PCI_BARS ||
		(msix->table | msix->pending) % 8 != 0) {
		return false;
	}
	uint8_t body[PCI_CAP_MSIX_SIZEOF - 2], writable[sizeof(body)] = {0};
	put16(body, 0, msix->vectors - 1);
	put32(body, PCI_MSIX_TABLE - 2, msix->table | msix->bar);
	put32(body, PCI_MSIX_PBA - 2, msix->pending | msix->bar);
	put16(writable, 0, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	const struct pci_capability capability = {
		.id = PCI_CAP_ID_MSIX,
		.length = sizeof(body),
		.body = body,
		.writable = writable,
	};
	list->pci->msix = (uint8_t)list->at;
	return add_capability(list, &capability);
}

static bool init_capabilities(struct pci_function *pci) {
	struct capability_list list = {pci, PCI_CAPABILITY_LIST, CAPABILITIES_START};
	if (!add_msix(&list, &pci->description->msix)) {
		return false;
	}
	for (size_t i = 0; i < pci->description->capabilities_len; i++) {
		if (!add_capability(&list, &pci->description->capabilities[i])) {
			return false;
		}
	}
	return true;
}

static uint64_t bar_address(const struct pci_function *pci, unsigned index) {
	const struct pci_bar *bar = &pci->description->bars[index];
	uint64_t address = get32(pci->state->pci_config, bar_register(index));
	if ((bar->flags & PCI_BAR_64) != 0) {
		address |= (uint64_t)get32(pci->state->pci_config, bar_register(index + 1)) << 32;
	}
	return address & ~(bar->size - 1);
}

/* The address while a guest asks for the size is none. */
static bool sizing(const struct pci_bar *bar, uint64_t address) {
	uint64_t low = (uint32_t)~(bar->size - 1);
	return low != 0 ? (address & low) == low : address >> 32 == (~(bar->size - 1)) >> 32;
}

static void publish_bars(struct pci_function *pci) {
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *bar = &pci->description->bars[i];
		uint64_t address = bar->size != 0 ? bar_address(pci, i) : 0;
		if (bar->size != 0 && address != 0 && sizing(bar, address)) {
			continue;
		}
		pci->state->bars[i] =
			(struct device_state_bar){.address = address, .size = bar->size};
	}
}

bool pci_init(struct pci_function *pci, const struct pci_description *description,
	struct device_state *state) {
	*pci = (struct pci_function){.description = description, .state = state};
	init_header(pci, description);
	for (unsigned i = 0; i < PCI_BARS; i++) {
		if (!init_bar(pci, i)) {
			return false;
		}
	}
	if (!init_capabilities(pci)) {
		return false;
	}
	for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
		uint8_t kept = pci->writable[i] | (i == PCI_STATUS ? PCI_STATUS_INTERRUPT : 0);
		state->pci_config[i] = pci->initial[i] | (state->pci_config[i] & kept);
	}
	publish_bars(pci);
	return true;
}

void pci_reset(struct pci_function *pci) {
	memcpy(pci->state->pci_config, pci->initial, PCI_CONFIG_SIZE);
	publish_bars(pci);
}

static bool in_window(const struct pci_function *pci, uint32_t offset, uint32_t count) {
	if (pci->window == NULL) {
		return false;
	}
	uint32_t end = pci->window_body + pci->window->length;
	return offset >= end - pci->window->window && offset + count <= end;
}

static uint8_t *window_body(const struct pci_function *pci) {
	return &pci->state->pci_config[pci->window_body];
}

void pci_config_read(const struct pci_function *pci, uint32_t offset, void *ret, uint32_t count) {
	if (in_window(pci, offset, count)) {
		pci->window->ops->read(pci->window->data, window_body(pci));
	}
	memcpy(ret, pci->state->pci_config + offset, count);
}

void pci_config_write(
	struct pci_function *pci, uint32_t offset, const void *bytes, uint32_t count) {
	const uint8_t *from = bytes;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *at = &pci->state->pci_config[offset + i];
		uint8_t writable = pci->writable[offset + i];
		*at = (*at & ~writable) | (from[i] & writable);
	}
	publish_bars(pci);
	if (in_window(pci, offset, count)) {
		pci->window->ops->write(pci->window->data, window_body(pci));
	}
	if (offset < PCI_COMMAND + 2 && offset + count > PCI_COMMAND &&
		pci->description->command_written != NULL) {
		pci->description->command_written(pci->description->data);
	}
}

static uint16_t command(const struct pci_function *pci) {
	return get32(pci->state->pci_config, PCI_COMMAND) & 0xffff;
}

bool pci_may_master(const struct pci_function *pci) {
	return (command(pci) & PCI_COMMAND_MASTER) != 0;
}

bool pci_may_intx(const struct pci_function *pci) {
	return (command(pci) & PCI_COMMAND_INTX_DISABLE) == 0;
}

bool pci_msix_enabled(const struct pci_function *pci) {
	return pci->msix != 0 &&
		(get32(pci->state->pci_config, pci->msix) >> 16 & PCI_MSIX_FLAGS_ENABLE) != 0;
}

void pci_set_interrupt_status(struct pci_function *pci, bool pending) {
	uint8_t *status = &pci->state->pci_config[PCI_STATUS];
	*status = (*status & ~PCI_STATUS_INTERRUPT) | (pending ? PCI_STATUS_INTERRUPT : 0);
}
