/* What the sandbox of a guest's QEMU lets a program do that is there in its place: a shell. */
#include "qemu-sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../tree.h"
#include "device-link.h"

static char directory[] = "/tmp/test-vmm-sandbox-XXXXXX";

/* Paths of the guest's and of another's, in the directory. */
static char *place(const char *name) {
	char *path;
	assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
	return path;
}

static void write_text(const char *name, const char *text) {
	char *path = place(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_return_code(fd, errno);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	free(path);
}

static int prepare(void **state) {
	static const char *const folders[] = {"mine", "others"};
	static const char *const files[] = {"mine/disk", "mine/iso", "mine/base", "mine/log",
		"mine/vars", "mine/rom", "mine/unnamed", "others/disk", "secret"};
	if (mkdtemp(directory) == NULL) {
		return -1;
	}
	for (size_t i = 0; i < 2; i++) {
		char *path = place(folders[i]);
		mkdir(path, 0700);
		free(path);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		write_text(files[i], "before\n");
	}
	return 0;
}

static int clean_up(void **state) {
	return tree_remove(directory);
}

/* A socket of the guest's GPU with a listener; -1 with errno where it cannot be made. */
static int listen_at(const char *name) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

struct machine {
	struct config_guest guest;
	struct qemu_needs needs;
	char *sockets[LINK_FUNCTIONS];
};

static void machine_init(struct machine *machine) {
	*machine = (struct machine){
		.guest =
			{
				.name = (char *)"mine",
				.disk = place("mine/disk"),
				.cdrom = place("mine/iso"),
				.paths = place("mine/log"),
				.read_only_paths = place("mine/base"),
				.network = CONFIG_NETWORK_NONE,
			},
		.needs.program = (char *)"/usr/bin/sh",
		.needs.option_rom = place("mine/rom"),
		.sockets = {place("mine/gpu.sock")},
	};
}

static void machine_finish(struct machine *machine) {
	free(machine->guest.disk);
	free(machine->needs.option_rom);
	free(machine->guest.cdrom);
	free(machine->guest.paths);
	free(machine->guest.read_only_paths);
	free(machine->sockets[0]);
}

/* Runs in the sandbox; what it returns is the exit status. problem may be NULL. */
static int run_in(struct machine *machine, int (*program)(const char *), const char *argument,
	struct sandbox_problem *ret) {
	struct sandbox sandbox;
	int status;
	struct sandbox_problem *problem = mmap(
		NULL, sizeof(*problem), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	qemu_sandbox_init(&sandbox, &machine->guest, &machine->needs, machine->sockets);
	fflush(NULL);
	pid_t pid = sandbox_fork(&sandbox);
	if (pid == 0) {
		_exit(sandbox_enter(&sandbox, problem) < 0 ? 201 : program(argument));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (ret != NULL) {
		*ret = *problem;
	}
	munmap(problem, sizeof(*problem));
	sandbox_finish(&sandbox);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 202;
}

static int shell(const char *command) {
	int null = open("/dev/null", O_RDWR);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execl("/bin/sh", "sh", "-c", command, NULL);
	return 203;
}

static bool works(const char *command) {
	struct machine machine;
	machine_init(&machine);
	int listener = listen_at("mine/gpu.sock");
	int status = run_in(&machine, shell, command, NULL);
	close(listener);
	machine_finish(&machine);
	assert_in_range(status, 0, 200);
	return status == 0;
}

static void assert_works(bool expected, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* %s stands for the directory. */
static void assert_works(bool expected, const char *format, ...) {
	char command[512];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (works(command) != expected) {
		fail_msg("'%s' %s", command, expected ? "fails" : "works");
	}
}

static void its_own_disk_is_read_and_written(void **state) {
	assert_works(true, "cat %s/mine/disk && echo after >%s/mine/disk", directory, directory);
	assert_works(true, "echo x >>%s/mine/log", directory);
}

static void what_is_read_only_cannot_be_written(void **state) {
	assert_works(true, "cat %s/mine/iso %s/mine/base", directory, directory);
	assert_works(true, "cat %s/mine/rom && ! echo x >%s/mine/rom", directory, directory);
	assert_works(false, "echo x >%s/mine/iso", directory);
	assert_works(false, "echo x >%s/mine/base", directory);
	assert_works(false, "echo x >/usr/x");
}

static void what_is_not_named_is_not_there(void **state) {
	assert_works(true, "test ! -e %s/others", directory);
	assert_works(true, "test ! -e %s/secret", directory);
	assert_works(true, "test ! -e %s/mine/unnamed", directory);
	assert_works(true, "test ! -e /etc/passwd && test ! -e /home && test ! -e /root");
	assert_works(true, "test ! -e /proc && test ! -e /sys && test ! -e /run");
	assert_works(true, "test ! -e /dev/kvm && test ! -e /dev/dri && test ! -e /dev/mem");
}

static void nothing_can_be_made_in_its_root(void **state) {
	assert_works(false, "echo x >/x");
	assert_works(false, "mkdir /dev/x");
	assert_works(false, "echo x >%s/mine/new", directory);
	assert_works(false, "mv %s/mine/disk %s/mine/gone", directory, directory);
	assert_works(false, "rm %s/mine/disk", directory);
}

static void nodes_work_and_nothing_else_is_a_device(void **state) {
	assert_works(true, "echo x >/dev/null && test $(head -c 5 /dev/zero | wc -c) = 5");
	assert_works(true, "test $(head -c 5 /dev/urandom | wc -c) = 5");
	assert_works(false, "mknod /dev/sda b 8 0");
}

static void others_cannot_be_seen_or_killed(void **state) {
	assert_works(true, "test $$ = 1");
	assert_works(false, "kill -0 %d", (int)getpid());
}

static void it_is_nobody_of_importance(void **state) {
	assert_works(true, "test $(id -u) = 1000 && test $(id -g) = 1000");
	assert_works(false, "mount -t tmpfs x /usr");
	assert_works(false, "chroot / true");
}

static int connect_unix(const char *name) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", directory, name);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : 1;
}

static void it_reaches_its_own_gpu_and_no_other(void **state) {
	struct machine machine;
	machine_init(&machine);
	int own = listen_at("mine/gpu.sock"), other = listen_at("others/gpu.sock");
	assert_int_equal(run_in(&machine, connect_unix, "mine/gpu.sock", NULL), 0);
	assert_int_equal(run_in(&machine, connect_unix, "others/gpu.sock", NULL), 1);
	close(own);
	close(other);
	machine_finish(&machine);
}

static struct sockaddr_in loopback = {.sin_family = AF_INET};

static int connect_inet(const char *argument) {
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	return connect(fd, (struct sockaddr *)&loopback, sizeof(loopback)) == 0 ? 0 : 1;
}

static int connect_abstract(const char *argument) {
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0mullion-test-vmm"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : 1;
}

static int make_abstract(void) {
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0mullion-test-vmm"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, 4), errno);
	return fd;
}

static void the_network_is_there_only_with_a_card(void **state) {
	struct machine machine;
	socklen_t size = sizeof(loopback);
	machine_init(&machine);
	int gpu = listen_at("mine/gpu.sock"), abstract = make_abstract();
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(server, (struct sockaddr *)&loopback, size) < 0 || listen(server, 4) < 0 ||
		getsockname(server, (struct sockaddr *)&loopback, &size) < 0) {
		skip(); // no network here at all
	}
	assert_int_equal(run_in(&machine, connect_inet, NULL, NULL), 1);
	assert_int_equal(run_in(&machine, connect_abstract, NULL, NULL), 1);
	machine.guest.network = CONFIG_NETWORK_USER;
	assert_int_equal(run_in(&machine, connect_inet, NULL, NULL), 0);
	assert_int_equal(run_in(&machine, connect_abstract, NULL, NULL), 1);
	machine.guest.network = CONFIG_NETWORK_NONE;
	machine.guest.extra = (char *)"-netdev user,id=lan";
	assert_int_equal(run_in(&machine, connect_inet, NULL, NULL), 0);
	close(gpu);
	close(abstract);
	close(server);
	machine_finish(&machine);
}

static void a_path_that_is_not_there_is_named(void **state) {
	struct machine machine;
	struct sandbox_problem problem = {0};
	machine_init(&machine);
	int gpu = listen_at("mine/gpu.sock");
	free(machine.guest.paths);
	machine.guest.paths = place("nowhere");
	assert_int_equal(run_in(&machine, shell, "true", &problem), 201);
	assert_int_equal(problem.layer, SANDBOX_ROOT);
	assert_int_equal(problem.error, ENOENT);
	close(gpu);
	machine_finish(&machine);
}

static bool write_file(const char *directory, const char *file, const char *value) {
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", directory, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool set = fd >= 0 && write(fd, value, strlen(value)) > 0;
	close(fd);
	return set;
}

/* In a user namespace of its own, where only it and its children have this limit. Returns the
 * layer that is found to be refused, and 100 where none is, 101 where that cannot be tried. */
static int refused_with(const char *limit) {
	const struct sandbox sandbox = {.kind = SANDBOX_KIND_DEVICE};
	struct sandbox_problem problem;
	int status;
	char users[32], groups[32];
	snprintf(users, sizeof(users), "0 %u 1", geteuid());
	snprintf(groups, sizeof(groups), "0 %u 1", getegid());
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) < 0 || !write_file("/proc/self", "setgroups", "deny") ||
			!write_file("/proc/self", "uid_map", users) ||
			!write_file("/proc/self", "gid_map", groups) ||
			(limit != NULL && !write_file("/proc/sys/user", limit, "0"))) {
			_exit(101);
		}
		pid_t child = sandbox_fork(&sandbox);
		if (child == 0 || (child < 0) != (limit != NULL)) {
			_exit(102);
		}
		bool refused = sandbox_find_refused(&sandbox, &problem);
		char line[SANDBOX_LINE_MAX];
		if (refused) {
			sandbox_describe(&problem, line);
		}
		_exit(!refused ? 100
				: problem.error == ENOSPC && strstr(line, "(ENOSPC)") != NULL &&
					strstr(line, limit) != NULL
				? (int)problem.layer
				: 103);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_namespace_that_is_refused_is_named(void **state) {
	if (refused_with(NULL) == 101) {
		skip();
	}
	assert_int_equal(refused_with(NULL), 100);
	assert_int_equal(refused_with("max_user_namespaces"), SANDBOX_USER_NS);
	assert_int_equal(refused_with("max_mnt_namespaces"), SANDBOX_MOUNT_NS);
	assert_int_equal(refused_with("max_net_namespaces"), SANDBOX_NET_NS);
	assert_int_equal(refused_with("max_cgroup_namespaces"), SANDBOX_CGROUP_NS);
}

static void layers_are_read_back(void **state) {
	struct machine machine;
	struct sandbox sandbox;
	struct sandbox_problem problem;
	int in[2], out[2];
	char byte;
	machine_init(&machine);
	int gpu = listen_at("mine/gpu.sock");
	qemu_sandbox_init(&sandbox, &machine.guest, &machine.needs, machine.sockets);
	assert_return_code(pipe2(in, O_CLOEXEC), errno);
	assert_return_code(pipe2(out, 0), errno);
	pid_t pid = sandbox_fork(&sandbox);
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(in[0], STDIN_FILENO);
		sandbox_enter(&sandbox, &problem);
		execl("/bin/sh", "sh", "-c", "echo; read x", NULL);
		_exit(1);
	}
	close(out[1]);
	assert_int_equal(read(out[0], &byte, 1), 1);
	sandbox_layers layers = sandbox_read_layers(pid);
	const unsigned not_here = SANDBOX_UNSEEN | 1u << SANDBOX_SECCOMP | 1u << SANDBOX_CGROUP;
	assert_int_equal(layers, ((1u << SANDBOX_LAYERS) - 1) & ~not_here);
	close(in[1]);
	waitpid(pid, NULL, 0);
	assert_int_equal(sandbox_read_layers(pid), 0);
	// This process has none, though it may not dump core.
	layers = sandbox_read_layers(getpid());
	assert_int_equal(layers & ((1u << SANDBOX_NO_NEW_PRIVS) - 1), 0);
	close(in[0]);
	close(out[0]);
	close(gpu);
	sandbox_finish(&sandbox);
	machine_finish(&machine);
}

int main(void) {
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_own_disk_is_read_and_written),
		cmocka_unit_test(what_is_read_only_cannot_be_written),
		cmocka_unit_test(what_is_not_named_is_not_there),
		cmocka_unit_test(nothing_can_be_made_in_its_root),
		cmocka_unit_test(nodes_work_and_nothing_else_is_a_device),
		cmocka_unit_test(others_cannot_be_seen_or_killed),
		cmocka_unit_test(it_is_nobody_of_importance),
		cmocka_unit_test(it_reaches_its_own_gpu_and_no_other),
		cmocka_unit_test(the_network_is_there_only_with_a_card),
		cmocka_unit_test(a_path_that_is_not_there_is_named),
		cmocka_unit_test(a_namespace_that_is_refused_is_named),
		cmocka_unit_test(layers_are_read_back),
	};
	return cmocka_run_group_tests(tests, prepare, clean_up);
}
