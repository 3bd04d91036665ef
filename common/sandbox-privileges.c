/* The layers that are a call or two of prctl(), capset() or setrlimit(). */
#include "sandbox-layers.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#define PR_MDWE_REFUSE_EXEC_GAIN 1UL
#endif

#define MIB (UINT64_C(1) << 20)

/* What the device's own layers need: a root of its own, and an empty bounding set. */
static const unsigned device_capabilities[] = {CAP_SYS_ADMIN, CAP_SETPCAP};

int sandbox_no_new_privs(void) {
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		return -errno;
	}
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -ENOSYS;
}

struct capabilities {
	struct __user_cap_data_struct words[2];
};

static int get_capabilities(struct capabilities *ret) {
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	return syscall(SYS_capget, &header, ret->words) < 0 ? -errno : 0;
}

static int set_capabilities(const struct capabilities *capabilities) {
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	return syscall(SYS_capset, &header, capabilities->words) < 0 ? -errno : 0;
}

int sandbox_keep_capabilities(void) {
	struct capabilities capabilities;
	int error = get_capabilities(&capabilities);
	for (size_t i = 0; i < sizeof(device_capabilities) / sizeof(unsigned) && error == 0; i++) {
		unsigned bit = device_capabilities[i];
		capabilities.words[bit / 32].inheritable |= 1u << bit % 32;
	}
	if (error == 0) {
		error = set_capabilities(&capabilities);
	}
	for (size_t i = 0; i < sizeof(device_capabilities) / sizeof(unsigned) && error == 0; i++) {
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, device_capabilities[i], 0, 0) < 0) {
			error = -errno;
		}
	}
	return error;
}

static int check_no_capabilities(void) {
	struct capabilities capabilities;
	int error = get_capabilities(&capabilities);
	for (size_t i = 0; i < 2 && error == 0; i++) {
		const struct __user_cap_data_struct *word = &capabilities.words[i];
		if ((word->effective | word->permitted | word->inheritable) != 0) {
			error = -EPERM;
		}
	}
	for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0 && error == 0; i++) {
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) != 0) {
			error = -EPERM;
		}
	}
	return error;
}

int sandbox_drop_capabilities(void) {
	static const struct capabilities none;
	for (unsigned long i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++) {
		if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0) {
			return -errno;
		}
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) {
		return -errno;
	}
	int error = set_capabilities(&none);
	return error == 0 ? check_no_capabilities() : error;
}

int sandbox_no_exec_gain(void) {
	// Kernels before 6.3 do not know it; there the filter of system calls does the same.
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) < 0) {
		return errno == EINVAL ? 0 : -errno;
	}
	return prctl(PR_GET_MDWE, 0, 0, 0, 0) == PR_MDWE_REFUSE_EXEC_GAIN ? 0 : -ENOSYS;
}

int sandbox_not_dumpable(void) {
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
		return -errno;
	}
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -ENOSYS;
}

sandbox_layers sandbox_read_unseen(void) {
	// Landlock was tried out when it was applied, see sandbox_landlock().
	sandbox_layers seen = 1u << SANDBOX_LANDLOCK;
	seen |= (sandbox_layers)(prctl(PR_GET_MDWE, 0, 0, 0, 0) == PR_MDWE_REFUSE_EXEC_GAIN)
		<< SANDBOX_NO_EXEC_GAIN;
	seen |= (sandbox_layers)(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0) << SANDBOX_NOT_DUMPABLE;
	return seen;
}

static int limit(int resource, rlim_t value) {
	struct rlimit now;
	if (getrlimit(resource, &now) < 0) {
		return -errno;
	}
	// A harder limit that is there already stays.
	if (now.rlim_max < value) {
		value = now.rlim_max;
	}
	struct rlimit wanted = {value, value};
	if (setrlimit(resource, &wanted) < 0 || getrlimit(resource, &now) < 0) {
		return -errno;
	}
	return now.rlim_cur == value && now.rlim_max == value ? 0 : -EPERM;
}

struct limits {
	int resource;
	rlim_t device, vmm;
};

int sandbox_limit(enum sandbox_kind kind) {
	static const struct limits limits[] = {
		// Core dumps would carry a guest's memory to disk.
		{RLIMIT_CORE, 0, 0},
		// It also bounds how many descriptors all of a user's processes may have on their
		// way in sockets before this one can send any: a VMM that leaves as many there
		// as it may must not keep another guest's device from sending one.
		{RLIMIT_NOFILE, 8192, 4096},
		{RLIMIT_NPROC, 1, 1024},
		// A buffer for the largest picture has 127 MiB. Disks have no limit.
		{RLIMIT_FSIZE, 1024 * MIB, RLIM_INFINITY},
		{RLIMIT_MEMLOCK, 0, RLIM_INFINITY},
		{RLIMIT_MSGQUEUE, 0, 0},
		{RLIMIT_RTPRIO, 0, 0},
		{RLIMIT_NICE, 0, 0},
	};
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		rlim_t value = kind == SANDBOX_KIND_DEVICE ? limits[i].device : limits[i].vmm;
		int error = value == RLIM_INFINITY ? 0 : limit(limits[i].resource, value);
		if (error < 0) {
			return error;
		}
	}
	return 0;
}
