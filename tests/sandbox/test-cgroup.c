/* Guests' cgroups, in folders with the files of a cgroup v2. */
#include "sandbox-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "../tree.h"

#include "fd.h"

static char directory[] = "/tmp/test-cgroup-XXXXXX";

static const struct sandbox_cgroup_limits limits = {
	.memory = UINT64_C(3) << 30, .threads = 300, .cpus = 4};

static void make_file(const char *group, const char *file) {
	char path[256];
	snprintf(path, sizeof(path), "%s%s/%s", directory, group, file);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_return_code(fd, errno);
	close(fd);
}

static void make_group(const char *group) {
	static const char *const files[] = {
		"cgroup.procs", "cgroup.subtree_control", "memory.max", "pids.max", "cpu.max"};
	char path[256];
	snprintf(path, sizeof(path), "%s%s", directory, group);
	assert_return_code(mkdir(path, 0700), errno);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		make_file(group, files[i]);
	}
}

static void delegate(const char *group) {
	char path[256];
	snprintf(path, sizeof(path), "%s%s", directory, group);
	if (setxattr(path, "user.delegate", "1", 1, 0) < 0) {
		skip(); // /tmp knows no such attributes
	}
}

/* The files keep every write after the others, as nothing truncates them. */
static void assert_file(const char *group, const char *file, const char *expected) {
	char path[256], text[256] = "";
	snprintf(path, sizeof(path), "%s%s/%s", directory, group, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_return_code(fd, errno);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, expected);
}

static int prepare(void **state) {
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static int clean_up(void **state) {
	return tree_remove(directory);
}

static void without_delegation_there_are_no_groups(void **state) {
	make_group("/plain");
	make_group("/plain/deeper");
	assert_int_equal(sandbox_cgroup_root(directory, "/plain/deeper"), -1);
	assert_int_equal(sandbox_cgroup_root(directory, "/nowhere"), -1);
	assert_int_equal(sandbox_cgroup_root(directory, "/"), -1);
	assert_int_equal(sandbox_cgroup_open(-1, "work", &limits), -1);
	assert_int_equal(sandbox_cgroup_add(-1, getpid()), 0);
	sandbox_cgroup_remove(-1, "work");
	assert_file("/plain/deeper", "cgroup.procs", "");
}

static void a_service_makes_room_for_its_guests(void **state) {
	char pid[16];
	make_group("/service");
	make_group("/service/daemon");
	delegate("/service");
	int root = sandbox_cgroup_root(directory, "/service");
	assert_return_code(root, errno);
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_file("/service/daemon", "cgroup.procs", pid);
	assert_file("/service", "cgroup.procs", "");
	close(root);
}

/* A user's service manager sets no mark. */
static void the_subgroup_of_the_unit_tells_of_delegation(void **state) {
	make_group("/unit");
	make_group("/unit/daemon");
	int root = sandbox_cgroup_root(directory, "/unit/daemon");
	assert_return_code(root, errno);
	close(root);
	make_group("/unit/daemons");
	assert_int_equal(sandbox_cgroup_root(directory, "/unit/daemons"), -1);
}

static void a_guest_gets_its_limits(void **state) {
	make_group("/sub");
	make_group("/sub/daemon");
	make_group("/sub/guest-work");
	delegate("/sub");
	int root = sandbox_cgroup_root(directory, "/sub/daemon");
	assert_return_code(root, errno);
	assert_file("/sub/daemon", "cgroup.procs", ""); // systemd put it there
	int group = sandbox_cgroup_open(root, "work", &limits);
	assert_return_code(group, errno);
	assert_file("/sub/guest-work", "memory.max", "3221225472");
	assert_file("/sub/guest-work", "pids.max", "300");
	assert_file("/sub/guest-work", "cpu.max", "400000 100000");
	assert_int_equal(sandbox_cgroup_add(group, 123), 0);
	assert_file("/sub/guest-work", "cgroup.procs", "123");
	close(group);
	group = sandbox_cgroup_open(root, "other", &limits);
	assert_return_code(group, errno); // without controllers there are no limits
	assert_int_equal(sandbox_cgroup_add(group, 123), -ENOENT);
	close(group);
	sandbox_cgroup_remove(root, "other");
	assert_int_equal(faccessat(root, "guest-other", F_OK, 0), -1);
	close(root);
}

static void a_process_without_a_group_is_in_none(void **state) {
	assert_false(sandbox_cgroup_holds(getpid()));
	assert_false(sandbox_cgroup_holds(0x7fffffff));
}

int main(void) {
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_delegation_there_are_no_groups),
		cmocka_unit_test(a_service_makes_room_for_its_guests),
		cmocka_unit_test(the_subgroup_of_the_unit_tells_of_delegation),
		cmocka_unit_test(a_guest_gets_its_limits),
		cmocka_unit_test(a_process_without_a_group_is_in_none),
	};
	return cmocka_run_group_tests(tests, prepare, clean_up);
}
