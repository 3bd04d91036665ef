#include "mock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#if defined(__SANITIZE_ADDRESS__)
#define MEMORY_IS_EXACT 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEMORY_IS_EXACT 0
#endif
#endif
#ifndef MEMORY_IS_EXACT
#define MEMORY_IS_EXACT 1
#endif

static void print_log(struct mock *mock) {
	char *log = process_log(&mock->host.process);
	if (log != NULL && log[0] != '\0') {
		fprintf(stderr, "--- the device's log\n%s---\n", log);
	}
	free(log);
}

/* Whether the device has let go of its client can be seen from outside only by its
 * descriptors, and, where the client had negotiated, by the state. */
static bool let_go(struct mock *mock) {
	return device_host_state(&mock->host)->vmm_connected == 0 &&
		(mock->fds == 0 || process_fds(mock->host.process.pid) == mock->fds);
}

void mock_disconnect(struct mock *mock) {
	vmm_close(&mock->vmm);
	uint64_t end = clock_usec() + MOCK_PROMPT_MSEC * USEC_PER_MSEC;
	while (!let_go(mock) && clock_usec() < end) {
		usleep(500);
	}
}

/* Connects and waits until the device has accepted: only then can leaving be told from
 * never having been there. */
static int connect_silent(struct mock *mock) {
	int error = vmm_connect(&mock->vmm, mock->host.paths[0], VMM_TIMEOUT_MSEC);
	int fds = mock->fds + 1;
	if (error == 0 && device_host_wait_fds(&mock->host, fds, MOCK_PROMPT_MSEC) != fds) {
		return -ETIMEDOUT;
	}
	return error;
}

void mock_reconnect_silent(struct mock *mock) {
	mock_disconnect(mock);
	assert_int_equal(connect_silent(mock), 0);
}

void mock_reconnect(struct mock *mock) {
	mock_reconnect_silent(mock);
	assert_int_equal(vmm_negotiate(&mock->vmm), 0);
}

void mock_assert_served(struct mock *mock) {
	struct vfu_device_info info;
	uint64_t before = clock_usec();
	assert_int_equal(vmm_get_info(&mock->vmm, &info), 0);
	assert_int_equal(info.num_regions, VMM_REGIONS);
	assert_in_range(clock_usec() - before, 0, MOCK_PROMPT_MSEC * USEC_PER_MSEC);
}

static int settled_fds(struct mock *mock) {
	int now = process_fds(mock->host.process.pid), before;
	do {
		before = now;
		usleep(5000);
		now = process_fds(mock->host.process.pid);
	} while (now != before);
	return now;
}

static int set_up(void **state, const struct device_options *options) {
	struct mock *mock = calloc(1, sizeof(*mock));
	*state = mock;
	mock->vmm.fd = -1;
	int error = device_host_start(&mock->host, options);
	// A first session, so that what is made once is there before anything is counted.
	for (int i = 0; error == 0 && i < 2; i++) {
		error = vmm_open(&mock->vmm, mock->host.paths[0]);
		if (error == 0) {
			mock_assert_served(mock);
			mock_disconnect(mock);
		}
	}
	if (error < 0) {
		print_error("the device did not come up: %s\n", strerror(-error));
		print_log(mock);
		return -1;
	}
	mock->fds = settled_fds(mock);
	mock->memory = process_memory(mock->host.process.pid);
	return connect_silent(mock);
}

void mock_assert_memory_flat(struct mock *mock, long before) {
	long memory = process_memory(mock->host.process.pid);
	if (MEMORY_IS_EXACT && memory > before + MOCK_MEMORY_SLACK) {
		fail_msg("the device has grown from %ld to %ld KiB", before, memory);
	}
}

int mock_setup_silent(void **state) {
	return set_up(state, NULL);
}

int mock_setup_device(void **state, const struct device_options *options) {
	int error = set_up(state, options);
	return error < 0 ? error : vmm_negotiate(&((struct mock *)*state)->vmm);
}

int mock_setup(void **state) {
	return mock_setup_device(state, NULL);
}

static void assert_unharmed(struct mock *mock) {
	assert_true(process_alive(&mock->host.process));
	mock_disconnect(mock);
	assert_int_equal(vmm_open(&mock->vmm, mock->host.paths[0]), 0);
	mock_assert_served(mock);
	mock_disconnect(mock);
	assert_int_equal(device_host_wait_fds(&mock->host, mock->fds, MOCK_PROMPT_MSEC), mock->fds);
	mock_assert_memory_flat(mock, mock->memory);
}

int mock_teardown(void **state) {
	struct mock *mock = *state;
	assert_unharmed(mock);
	bool complaint = process_complained(&mock->host.process);
	if (complaint) {
		print_log(mock);
	}
	int status = device_host_stop(&mock->host);
	vmm_close(&mock->vmm);
	free(mock);
	assert_false(complaint);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return 0;
}

int mock_answer(struct mock *mock, uint16_t command, const void *body, size_t size, const int *fds,
	size_t n) {
	struct vmm_message reply;
	int answer = vmm_call(&mock->vmm, command, body, size, fds, n, &reply);
	if (answer == 0) {
		vmm_message_drop_fds(&reply);
	}
	return answer;
}

void mock_assert_refused(struct mock *mock, int answer, const char *what) {
	if (answer >= 0) {
		fail_msg("%s: accepted", what);
	}
	if (answer == -ETIMEDOUT || answer == -EPROTO) {
		fail_msg("%s: %s", what, answer == -EPROTO ? mock->vmm.complaint : "no answer");
	}
	if (answer != -ECONNRESET) {
		struct vfu_device_info info;
		int error = vmm_get_info(&mock->vmm, &info);
		// An error reply, and then either served or dropped; before VERSION, refused.
		bool silent = mock->vmm.version[0] == '\0';
		if (error != -ECONNRESET && error != (silent ? -EINVAL : 0)) {
			fail_msg("%s: afterwards %s", what, strerror(-error));
		}
	}
	mock_reconnect(mock);
}

void mock_assert_dropped(struct mock *mock, int timeout_msec, const char *what) {
	if (vmm_wait_closed(&mock->vmm, timeout_msec) < 0) {
		fail_msg("%s: the connection still stands", what);
	}
	mock_reconnect(mock);
}
