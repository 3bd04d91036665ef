#ifndef VMM_HOOKS_ACCEL_H
#define VMM_HOOKS_ACCEL_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/*
 * Whether a guest runs on KVM. A /dev/kvm that opens proves nothing: it counts only
 * where the CPU has vmx or svm. Returns 0 and the answer; for accel = kvm where KVM is
 * not to be had -ENODEV (no such CPU or no /dev/kvm) or -EACCES (no permission).
 */
int accel_choose(enum config_accel accel, bool *ret_kvm);

/* True where one of the flags lines of a /proc/cpuinfo names vmx or svm. */
bool accel_cpuinfo_has_kvm(const char *cpuinfo);

#endif
