#ifndef VMM_HOOKS_MACHINE_PCI_H
#define VMM_HOOKS_MACHINE_PCI_H

#include <stdbool.h>
#include <systemd/sd-json.h>

/*
 * Finds a device by its id in QEMU's answer to query-pci. Returns true and its address
 * in the guest as "bus:slot.function" (hexadecimal, as lspci shows it), or false.
 */
bool machine_pci_find(sd_json_variant *untrusted_buses, const char *id, char ret_address[16]);

#endif
