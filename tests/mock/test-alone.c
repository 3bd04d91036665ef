/* A device that nobody needs any more ends by itself, and no other does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "fd.h"
#include "mock.h"

#define ALONE "2"        // seconds
#define LONGER_MSEC 3000 // by then one that is alone has ended
#define PATIENCE_MSEC 30000

struct alone {
	struct device_host host;
	struct vmm vmm;
};

static int setup(void **state) {
	static struct alone alone;
	const struct device_options options = {.alone = ALONE};
	alone = (struct alone){.vmm.fd = -1};
	*state = &alone;
	int error = device_host_start(&alone.host, &options);
	if (error == 0) {
		error = vmm_open(&alone.vmm, alone.host.paths[0]);
	}
	if (error < 0) {
		char *log = process_log(&alone.host.process);
		print_error("no device: %s\n%s", strerror(-error), log != NULL ? log : "");
		free(log);
	}
	return error;
}

static int teardown(void **state) {
	struct alone *alone = *state;
	vmm_close(&alone->vmm);
	device_host_stop(&alone->host);
	return 0;
}

static void lose_mulliond(struct alone *alone) {
	assert_return_code(shutdown(alone->host.link, SHUT_RDWR), 0);
}

static void expect_alive(struct alone *alone) {
	assert_int_equal(process_wait(&alone->host.process, LONGER_MSEC), -ETIMEDOUT);
}

static void expect_end(struct alone *alone) {
	int status = process_wait(&alone->host.process, PATIENCE_MSEC);
	assert_int_not_equal(status, -ETIMEDOUT);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_false(process_complained(&alone->host.process));
}

static void serves(struct alone *alone) {
	struct vfu_device_info info;
	assert_int_equal(vmm_get_info(&alone->vmm, &info), 0);
}

static void a_device_goes_on_for_its_vmm_and_ends_some_time_after_it(void **state) {
	struct alone *alone = *state;
	lose_mulliond(alone);
	expect_alive(alone);
	serves(alone);
	vmm_close(&alone->vmm);
	expect_end(alone);
}

static void a_device_without_vmm_waits_for_its_mulliond_and_ends_some_time_after_it(void **state) {
	struct alone *alone = *state;
	vmm_close(&alone->vmm);
	expect_alive(alone);
	lose_mulliond(alone);
	expect_end(alone);
}

static void whoever_comes_in_time_finds_it_and_keeps_it(void **state) {
	struct alone *alone = *state;
	vmm_close(&alone->vmm);
	lose_mulliond(alone);
	int link = device_host_adopt(&alone->host);
	assert_return_code(link, 0);
	expect_alive(alone);
	assert_int_equal(vmm_open(&alone->vmm, alone->host.paths[0]), 0);
	fd_close(link);
	expect_alive(alone);
	serves(alone);
	vmm_close(&alone->vmm);
	expect_end(alone);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_device_goes_on_for_its_vmm_and_ends_some_time_after_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_device_without_vmm_waits_for_its_mulliond_and_ends_some_time_after_it,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			whoever_comes_in_time_finds_it_and_keeps_it, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
