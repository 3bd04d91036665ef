#ifndef VMM_HOOKS_PCI_H
#define VMM_HOOKS_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device-state.h"

/*
 * A PCI function's configuration space (PCI Local Bus 3.0, chapter 6), made from a
 * description: which bits there are, and which of them the guest may write. The bytes lie
 * in the device's state, so that they outlive the process.
 */

#define PCI_CONFIG_SIZE 256
#define PCI_BARS 6

enum pci_bar_flags {
	PCI_BAR_PREFETCH = 1 << 0,
	PCI_BAR_64 = 1 << 1, // takes the next BAR, too, which must not be described
};

/*
 * What a trapped access to a BAR does. offset + count lies in the BAR. Returns 0, or -EINVAL
 * for a width that the registers do not have. May not free the function.
 */
struct pci_bar_ops {
	int (*read)(void *data, uint64_t offset, void *ret, uint32_t count);
	int (*write)(void *data, uint64_t offset, const void *bytes, uint32_t count);
};

struct pci_bar {
	uint64_t size;  // bytes, a power of two, at least 16; 0: no such BAR
	uint32_t flags; // enum pci_bar_flags
	int fd;         // borrowed: what the guest maps; -1: all accesses are trapped
	const struct pci_bar_ops *ops; // NULL where accesses read as 0 and write nowhere
	void *data;                    // for ops
};

/* Registers in configuration space behind which something happens. body is the capability's as
 * the guest sees it; the registers are what it ends with. */
struct pci_window_ops {
	void (*read)(void *data, uint8_t *body);  // before the guest reads: fills them in
	void (*write)(void *data, uint8_t *body); // after the guest has written
};

struct pci_capability {
	uint8_t id;
	uint8_t length;          // bytes of body
	const uint8_t *body;     // what follows id and next pointer
	const uint8_t *writable; // mask of the body's bits that the guest may write; NULL: none
	uint8_t window;          // bytes at the end of body that are such registers, or 0
	const struct pci_window_ops *ops; // of the window, which one capability at most has
	void *data;
};

struct pci_msix {
	uint16_t vectors;        // 0: no MSI-X
	uint8_t bar;             // of both table and pending bits
	uint32_t table, pending; // offsets in it, multiples of 8
};

struct pci_description {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class; // base class, subclass, interface: 24 bits
	uint8_t revision;
	bool intx; // has pin A
	struct pci_bar bars[PCI_BARS];
	struct pci_msix msix;
	const struct pci_capability *capabilities;
	size_t capabilities_len;
	/* The guest has written the command register; may be NULL. */
	void (*command_written)(void *data);
	void *data;
};

struct pci_function {
	const struct pci_description *description; // borrowed
	struct device_state *state;                // borrowed: configuration space, BARs
	uint8_t writable[PCI_CONFIG_SIZE];         // mask
	uint8_t initial[PCI_CONFIG_SIZE];          // at power-on
	uint8_t msix;                              // where that capability lies; 0: none
	const struct pci_capability *window;       // borrowed: that with a window, or NULL
	uint8_t window_body;                       // where its body lies
};

/*
 * Makes the function. Writable bits that state holds from an earlier process are kept;
 * the rest is as described. Returns false where the description is impossible (a BAR of
 * odd size, capabilities that do not fit).
 */
bool pci_init(struct pci_function *pci, const struct pci_description *description,
	struct device_state *state);

/* As at power-on: BARs 0, nothing enabled. */
void pci_reset(struct pci_function *pci);

/* offset + count must lie in the configuration space. A window takes accesses that lie in it. */
void pci_config_read(const struct pci_function *pci, uint32_t offset, void *ret, uint32_t count);
void pci_config_write(struct pci_function *pci, uint32_t offset, const void *bytes, uint32_t count);

/* Bus mastering: no DMA and no MSI-X without it. */
bool pci_may_master(const struct pci_function *pci);

/* False where the command register disables INTx. */
bool pci_may_intx(const struct pci_function *pci);

/* The guest has enabled MSI-X. */
bool pci_msix_enabled(const struct pci_function *pci);

/* The status register's bit that tells of a pending INTx. */
void pci_set_interrupt_status(struct pci_function *pci, bool pending);

/* A BAR as vfio-user shows it, or NULL: none there, or the upper half of a 64-bit one. */
const struct pci_bar *pci_bar(const struct pci_function *pci, uint32_t index);

#endif
