#ifndef GPU_PARTITION_GUEST_JSON_H
#define GPU_PARTITION_GUEST_JSON_H

#include <systemd/sd-json.h>

#include "guests.h"

/*
 * Guests as io.mullion.Host shows them. Each returns 0 and a reference for the caller to
 * drop, or -errno.
 */

int guest_to_json(const struct guest *guest, sd_json_variant **ret);          // type Guest
int guest_status_to_json(const struct guest *guest, sd_json_variant **ret);   // with its layers
int guests_to_json(const struct guests *guests, sd_json_variant **ret);       // array of Guest
int guests_table_to_json(const struct guests *guests, sd_json_variant **ret); // array of TableRow
int guests_vram_to_json(const struct guests *guests, sd_json_variant **ret);  // reply of Vram

/* Reply of Traps; -ENODATA where the guest has no device. */
int guest_traps_to_json(const struct guest *guest, sd_json_variant **ret);

#endif
