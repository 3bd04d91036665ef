#include "trials.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "memfd.h"

/* The test's own process, which has the same user. */
static pid_t other(void) {
	const char *text = getenv(PROBE_OTHER_PID_VARIABLE);
	return text != NULL ? (pid_t)strtol(text, NULL, 10) : 1;
}

#define CALL(name, ...)                                                                            \
	static long name(void) {                                                                   \
		return __VA_ARGS__;                                                                \
	}

static char *const no_words[] = {NULL};
static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"};
static char bytes[64];
static struct iovec iov = {bytes, sizeof(bytes)};

CALL(open_to_read, syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY))
CALL(open_root, syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY))
CALL(open_to_write, syscall(SYS_openat, AT_FDCWD, "/made", O_WRONLY | O_CREAT, 0600))
CALL(open_relative, syscall(SYS_openat, PROBE_SOCKET, "../../etc/passwd", O_RDONLY))
CALL(open_old, syscall(SYS_open, "/etc/passwd", O_RDONLY))
CALL(open_new, syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", bytes, 24))
CALL(look_up_name, syscall(SYS_access, "/etc/passwd", R_OK))
CALL(status_by_name, syscall(SYS_newfstatat, AT_FDCWD, "/", bytes, 0))
CALL(unlink_file, syscall(SYS_unlinkat, AT_FDCWD, "/tmp/x", 0))
CALL(make_folder, syscall(SYS_mkdirat, AT_FDCWD, "/folder", 0700))
CALL(rename_file, syscall(SYS_renameat2, AT_FDCWD, "/a", AT_FDCWD, "/b", 0))
CALL(make_node, syscall(SYS_mknodat, AT_FDCWD, "/node", S_IFIFO | 0600, 0))
CALL(change_mode, syscall(SYS_fchmod, PROBE_TTY, 0777))
CALL(change_folder, syscall(SYS_chdir, "/"))

CALL(socket_inet, syscall(SYS_socket, AF_INET, SOCK_STREAM, 0))
CALL(socket_unix, syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0))
CALL(socket_netlink, syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0))
CALL(connect_out, syscall(SYS_connect, PROBE_SOCKET, &address, sizeof(address)))
CALL(bind_socket, syscall(SYS_bind, PROBE_SOCKET, &address, sizeof(address)))
CALL(listen_socket, syscall(SYS_listen, PROBE_SOCKET, 1))
CALL(socket_pair, syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, bytes))

CALL(execute, syscall(SYS_execve, "/bin/sh", no_words, no_words))
CALL(execute_at, syscall(SYS_execveat, PROBE_TTY, "", no_words, no_words, AT_EMPTY_PATH))
CALL(fork_process, syscall(SYS_fork))
CALL(clone_process, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))
CALL(clone_thread,
	syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, bytes + sizeof(bytes), 0, 0, 0))
CALL(clone_new, syscall(SYS_clone3, bytes, 64))

CALL(map_code, (long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
CALL(remap_as_code,
	mprotect((void *)((uintptr_t)bytes & ~UINT64_C(4095)), 4096, PROT_READ | PROT_EXEC))
CALL(protect_key, syscall(SYS_pkey_mprotect, bytes, 4096, PROT_EXEC, -1))
CALL(memfd_unsealed, memfd_create("x", MFD_CLOEXEC))
CALL(memfd_of_code, syscall(SYS_memfd_create, "x", MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x10))
CALL(lock_memory, mlock(bytes, sizeof(bytes)))

CALL(trace_other, ptrace(PTRACE_ATTACH, other(), NULL, NULL))
CALL(trace_itself, ptrace(PTRACE_TRACEME, 0, NULL, NULL))
CALL(kill_other, syscall(SYS_kill, other(), 0))
CALL(kill_everyone, syscall(SYS_kill, -1, 0))
CALL(kill_thread_of_other, syscall(SYS_tgkill, other(), other(), 0))
CALL(read_other, syscall(SYS_process_vm_readv, other(), &iov, 1, &iov, 1, 0))
CALL(pidfd_of_other, syscall(SYS_pidfd_open, other(), 0))
CALL(limit_other, syscall(SYS_prlimit64, other(), RLIMIT_CORE, NULL, bytes))
CALL(own_files, fcntl(PROBE_SOCKET, F_SETOWN, other()))

CALL(mount_something, mount("x", "/", "tmpfs", 0, NULL))
CALL(unmount, umount2("/", MNT_DETACH))
CALL(clone_tree, syscall(SYS_open_tree, AT_FDCWD, "/", 1))
CALL(enter_namespace, syscall(SYS_setns, PROBE_TTY, 0))
CALL(new_user_namespace, syscall(SYS_unshare, CLONE_NEWUSER))
CALL(change_root, syscall(SYS_chroot, "/"))
CALL(pivot, syscall(SYS_pivot_root, ".", "."))
CALL(become_root, syscall(SYS_setuid, 0))
CALL(host_name, syscall(SYS_sethostname, "x", 1))

CALL(be_dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
CALL(new_filter, syscall(SYS_seccomp, 1, 0, NULL))
CALL(new_filter_by_prctl, prctl(PR_SET_SECCOMP, 2, bytes, 0, 0))
CALL(raise_ambient, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0))
CALL(change_personality, syscall(SYS_personality, 0x0400000))

CALL(push_input, ioctl(PROBE_TTY, TIOCSTI, "x"))
CALL(ask_terminal, ioctl(PROBE_TTY, TCGETS, bytes))
CALL(ring, syscall(SYS_io_uring_setup, 1, bytes))
CALL(bpf, syscall(SYS_bpf, 0, bytes, sizeof(bytes)))
CALL(performance, syscall(SYS_perf_event_open, bytes, 0, -1, -1, 0))
CALL(page_faults, syscall(SYS_userfaultfd, 0))
CALL(keys, syscall(SYS_add_key, "user", "x", "x", 1, -3))
CALL(kernel_module, syscall(SYS_finit_module, PROBE_TTY, "", 0))
CALL(shared_memory, syscall(SYS_shmget, 0, 4096, 0600))
CALL(message_queue, syscall(SYS_mq_open, "/x", O_CREAT | O_RDWR, 0600, NULL))
CALL(watch_files, syscall(SYS_inotify_init1, 0))
CALL(real_time, syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, bytes))
CALL(call_of_x32, syscall(0x40000000 | SYS_getpid))

static long capabilities_back(void) {
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct all[2] = {{~0u, ~0u, ~0u}, {~0u, ~0u, ~0u}};
	return syscall(SYS_capset, &header, all);
}

static long core_dump_back(void) {
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	return setrlimit(RLIMIT_CORE, &limit);
}

static long more_files(void) {
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_max++;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

static long map_file_as_code(void) {
	int fd = memfd_create_sealed("x", 4096);
	return (long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
}

#if defined(__x86_64__)
/* The other table of system calls: 20 is getpid() there. */
static long call_of_i386(void) {
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
	return result;
}
#endif

/* All that a device does with memory, timers and its peers. */
static long ordinary_work(void) {
	struct epoll_event event = {.events = EPOLLIN};
	struct itimerspec soon = {.it_value.tv_nsec = 1000000};
	uint64_t count = 1;
	int fd = memfd_create_sealed("x", 8192);
	void *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int queue = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, 0);
	int interrupt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0 || map == MAP_FAILED || queue < 0 || timer < 0 || interrupt < 0) {
		return -1;
	}
	memset(map, 1, 8192);
	if (timerfd_settime(timer, 0, &soon, NULL) < 0 ||
		epoll_ctl(queue, EPOLL_CTL_ADD, timer, &event) < 0 ||
		epoll_wait(queue, &event, 1, 5000) != 1 ||
		write(interrupt, &count, sizeof(count)) != sizeof(count) ||
		fd_send(PROBE_SOCKET, "x", 1, &fd, 1, 0) != 1 || memfd_check(fd, 8192, NULL) < 0 ||
		munmap(map, 8192) < 0) {
		return -1;
	}
	free(malloc(64 << 20));
	return 0;
}

#define WORKS(attempt) {#attempt, attempt, TRIAL_WORKS, 0}
#define FAILS(attempt) {#attempt, attempt, TRIAL_FAILS, 1}
#define FATAL(attempt) {#attempt, attempt, TRIAL_IS_FATAL, 0}
/* Two layers at least stand against it. */
#define FATAL_AND_ALONE(attempt) {#attempt, attempt, TRIAL_IS_FATAL, 1}

const struct trial trials[] = {
	WORKS(ordinary_work),
	FAILS(open_to_read),
	FAILS(open_root),
	FAILS(open_relative),
	FAILS(look_up_name),
	FATAL(status_by_name),
	FATAL_AND_ALONE(open_to_write),
	FATAL_AND_ALONE(open_old),
	FATAL_AND_ALONE(open_new),
	FATAL_AND_ALONE(unlink_file),
	FATAL_AND_ALONE(make_folder),
	FATAL_AND_ALONE(rename_file),
	FATAL_AND_ALONE(make_node),
	FATAL(change_mode),
	FATAL(change_folder),
	FATAL(socket_inet),
	FATAL(socket_unix),
	FATAL(socket_netlink),
	FATAL_AND_ALONE(connect_out),
	FATAL_AND_ALONE(bind_socket),
	FAILS(listen_socket), // allowed for the link listener, and of no use elsewhere
	FATAL(socket_pair),
	FATAL_AND_ALONE(execute),
	FATAL_AND_ALONE(execute_at),
	FATAL(fork_process),
	FATAL(clone_process),
	FATAL(clone_thread),
	FATAL(clone_new),
	FATAL(map_code),
	FATAL(map_file_as_code),
	FATAL_AND_ALONE(remap_as_code),
	FATAL_AND_ALONE(protect_key),
	FATAL(memfd_unsealed),
	FATAL(memfd_of_code),
	FATAL_AND_ALONE(lock_memory),
	FATAL_AND_ALONE(trace_other),
	FATAL(trace_itself),
	FATAL_AND_ALONE(kill_other),
	FATAL_AND_ALONE(kill_everyone),
	FATAL_AND_ALONE(kill_thread_of_other),
	FATAL_AND_ALONE(read_other),
	FATAL_AND_ALONE(pidfd_of_other),
	FATAL_AND_ALONE(limit_other),
	FATAL_AND_ALONE(own_files),
	FATAL_AND_ALONE(mount_something),
	FATAL_AND_ALONE(unmount),
	FATAL_AND_ALONE(clone_tree),
	FATAL_AND_ALONE(enter_namespace),
	FATAL(new_user_namespace),
	FATAL_AND_ALONE(change_root),
	FATAL_AND_ALONE(pivot),
	FATAL_AND_ALONE(become_root),
	FATAL_AND_ALONE(host_name),
	FATAL(be_dumpable),
	FATAL(new_filter),
	FATAL_AND_ALONE(new_filter_by_prctl),
	FATAL_AND_ALONE(raise_ambient),
	FATAL(change_personality),
	FATAL_AND_ALONE(push_input),
	FATAL_AND_ALONE(ask_terminal),
	FATAL(ring),
	FATAL_AND_ALONE(bpf),
	FATAL_AND_ALONE(performance),
	FATAL(page_faults),
	FATAL(keys),
	FATAL_AND_ALONE(kernel_module),
	FATAL(shared_memory),
	FATAL_AND_ALONE(message_queue),
	FATAL(watch_files),
	FATAL_AND_ALONE(real_time),
	FATAL(call_of_x32),
#if defined(__x86_64__)
	FATAL(call_of_i386),
#endif
	FAILS(capabilities_back),
	FAILS(core_dump_back),
	FAILS(more_files),
};

const size_t trials_len = sizeof(trials) / sizeof(trials[0]);
