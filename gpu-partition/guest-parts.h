#ifndef GPU_PARTITION_GUEST_PARTS_H
#define GPU_PARTITION_GUEST_PARTS_H

#include "guest.h"

/* What the files of a guest's life have in common. */

/* guest.c */

extern const struct gpu_ops guest_gpu_ops;
extern const struct machine_ops guest_machine_ops;

struct gpu_home guest_home(struct guest *guest);

/* Power-down, and what follows where that does not help. False where QEMU cannot be told. */
bool guest_stop_in_order(struct guest *guest);

/* Ends both processes; the state follows when they are gone. The first reason counts; NULL: as
 * ordered. */
void guest_end(struct guest *guest, const char *reason);

/* Off, or failed with the reason, once both processes are gone. */
void guest_finish_if_gone(struct guest *guest);

/* guest-group.c: the guest's cgroup. */

void guest_open_group(struct guest *guest);

/* Takes processes in that are new. */
void guest_fill_group(struct guest *guest);

void guest_close_group(struct guest *guest);

/* guest-adopt.c */

/* For a later mulliond; without it the guest ends with this one. */
void guest_save_record(const struct guest *guest);

#endif
