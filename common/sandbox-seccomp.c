/*
 * The system calls of the device, and no other. What is not named kills the process. What
 * a library does only to look around - opening or reading the name of a file - fails
 * instead, as though the file were not there, which is true.
 */
#include "sandbox-layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <linux/udmabuf.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/* On descriptors that it has, on its own memory, and on its own time. */
static const int plain[] = {
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(accept4),
	SCMP_SYS(splice),
	SCMP_SYS(listen), // on the sockets that it got: it can bind no other
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt),
	SCMP_SYS(close),
	SCMP_SYS(close_range),
	SCMP_SYS(dup),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(eventfd2),
	SCMP_SYS(signalfd4),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(sched_yield),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(getrusage),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getresuid),
	SCMP_SYS(getresgid),
	// Without capabilities these can only give up more.
	SCMP_SYS(capget),
	SCMP_SYS(capset),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Look-ups that libraries survive. */
static const int denied[] = {
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(statx),
	SCMP_SYS(uname),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sysinfo),
};

struct argument_rule {
	int call;
	struct scmp_arg_cmp argument;
};

#define MASKED(call_, n, mask, value)                                                              \
	{SCMP_SYS(call_), SCMP_CMP(n, SCMP_CMP_MASKED_EQ, (uint64_t)(mask), value)}
#define EQUAL(call_, n, value) {SCMP_SYS(call_), SCMP_CMP(n, SCMP_CMP_EQ, (scmp_datum_t)(value))}

/* Allowed with one argument as it is here. Commands and flags are of 32 bits. */
static const struct argument_rule by_argument[] = {
	MASKED(mmap, 2, PROT_EXEC, 0),
	MASKED(mprotect, 2, PROT_EXEC, 0),
	MASKED(newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH),
	EQUAL(memfd_create, 1, MFD_CLOEXEC | MFD_ALLOW_SEALING),
	EQUAL(memfd_create, 1, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL),
	MASKED(fcntl, 1, UINT32_MAX, F_GETFD),
	MASKED(fcntl, 1, UINT32_MAX, F_SETFD),
	MASKED(fcntl, 1, UINT32_MAX, F_GETFL),
	MASKED(fcntl, 1, UINT32_MAX, F_SETFL),
	MASKED(fcntl, 1, UINT32_MAX, F_DUPFD_CLOEXEC),
	MASKED(fcntl, 1, UINT32_MAX, F_ADD_SEALS),
	MASKED(fcntl, 1, UINT32_MAX, F_GET_SEALS),
	MASKED(fcntl, 1, UINT32_MAX, F_GETPIPE_SZ),
	MASKED(ioctl, 1, UINT32_MAX, FIONREAD),
	MASKED(ioctl, 1, UINT32_MAX, UDMABUF_CREATE_LIST),
	MASKED(prctl, 0, UINT32_MAX, PR_CAPBSET_READ),
	MASKED(prctl, 0, UINT32_MAX, PR_CAPBSET_DROP),
	MASKED(prctl, 0, UINT32_MAX, PR_GET_DUMPABLE),
	MASKED(prctl, 0, UINT32_MAX, PR_GET_NO_NEW_PRIVS),
	MASKED(prctl, 0, UINT32_MAX, PR_GET_SECCOMP),
	MASKED(prctl, 0, UINT32_MAX, PR_GET_MDWE),
	// Cannot be taken back.
	MASKED(prctl, 0, UINT32_MAX, PR_SET_MDWE),
};

static int add_lists(scmp_filter_ctx filter) {
	int error = 0;
	for (size_t i = 0; i < SIZE(plain) && error == 0; i++) {
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain[i], 0);
	}
	for (size_t i = 0; i < SIZE(denied) && error == 0; i++) {
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOENT), denied[i], 0);
	}
	for (size_t i = 0; i < SIZE(by_argument) && error == 0; i++) {
		error = seccomp_rule_add_array(
			filter, SCMP_ACT_ALLOW, by_argument[i].call, 1, &by_argument[i].argument);
	}
	return error;
}

/* Those with more than one argument, or one that is known only now. */
static int add_others(scmp_filter_ctx filter) {
	const unsigned writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
	int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOENT), SCMP_SYS(openat), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));
	if (error == 0) {
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
			SCMP_A0(SCMP_CMP_EQ, PR_SET_DUMPABLE), SCMP_A1(SCMP_CMP_EQ, 0));
	}
	if (error == 0) {
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2,
			SCMP_A0(SCMP_CMP_EQ, PR_CAP_AMBIENT),
			SCMP_A1(SCMP_CMP_EQ, PR_CAP_AMBIENT_CLEAR_ALL));
	}
	// Its own limits, which it can only lower; its own signals, as abort() sends one.
	if (error == 0) {
		error = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_EQ, 0));
	}
	if (error == 0) {
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	}
	return error;
}

int sandbox_seccomp(void) {
	const char *debug = getenv("MULLION_SANDBOX");
	bool log = debug != NULL && strcmp(debug, "log") == 0;
	uint32_t otherwise = log ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx filter = seccomp_init(otherwise);
	if (filter == NULL) {
		return -ENOSYS; // the kernel does not know the action, or there is no memory
	}
	int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (error == 0) {
		// The kernel's own error, for the user.
		error = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
	}
	if (error == 0) {
		// A tree: the calls of every trap are found in few steps.
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	}
	if (error == 0) {
		error = add_lists(filter);
	}
	if (error == 0) {
		error = add_others(filter);
	}
	if (error == 0) {
		error = seccomp_load(filter);
	}
	seccomp_release(filter);
	if (error == 0 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER) {
		error = -ENOSYS;
	}
	return error;
}
