#include "guest-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../tree.h"

static char directory[] = "/tmp/test-guest-socket-XXXXXX";

static int make_directory(void **state) {
	return mkdtemp(directory) != NULL ? setenv("MULLION_RUNTIME_DIR", directory, 1) : -1;
}

static int remove_directory(void **state) {
	return tree_remove(directory);
}

static void its_place_is_private(void **state) {
	struct stat status;
	char *reason = NULL, *path = guest_socket_path("", "work", LINK_FUNCTION_GPU, &reason),
	     *slash;
	assert_non_null(path);
	assert_null(reason);
	assert_non_null(strstr(path, "/guests/work/gpu.sock"));
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0700);
	free(path);
}

static void functions_have_places_beside_the_gpu(void **state) {
	char *reason = NULL, *own = guest_socket_path(NULL, "work", LINK_FUNCTION_TABLET, &reason);
	char *users = guest_socket_path("/tmp/a.sock", "work", LINK_FUNCTION_MOUSE, &reason);
	assert_non_null(strstr(own, "/guests/work/tablet.sock"));
	assert_string_equal(users, "/tmp/a.sock-mouse");
	free(own);
	free(users);
}

static void a_path_that_is_too_long_is_refused(void **state) {
	char longest[108], *reason = NULL;
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[107] = '\0';
	char *path = guest_socket_path(longest, "work", LINK_FUNCTION_GPU, &reason);
	assert_non_null(path);
	free(path);
	char longer[110];
	snprintf(longer, sizeof(longer), "%sa", longest);
	assert_null(guest_socket_path(longer, "work", LINK_FUNCTION_GPU, &reason));
	assert_non_null(strstr(reason, "107"));
	free(reason);
}

static void a_socket_without_a_listener_is_replaced(void **state) {
	char *reason = NULL, *path = guest_socket_path(NULL, "stale", LINK_FUNCTION_GPU, &reason);
	int fd = guest_socket_listen(path, SOCK_STREAM, &reason);
	assert_true(fd >= 0);
	assert_int_equal(guest_socket_owner(path), getpid());
	close(fd);
	assert_int_equal(guest_socket_owner(path), 0);
	fd = guest_socket_listen(path, SOCK_STREAM, &reason);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	close(fd);
	free(path);
}

static void a_socket_in_use_is_refused_with_its_owner(void **state) {
	char *reason = NULL, *path = guest_socket_path(NULL, "busy", LINK_FUNCTION_GPU, &reason),
	     pid[16];
	int fd = guest_socket_listen(path, SOCK_STREAM, &reason);
	assert_int_equal(guest_socket_listen(path, SOCK_STREAM, &reason), -1);
	snprintf(pid, sizeof(pid), "process %d", getpid());
	assert_non_null(strstr(reason, pid));
	assert_non_null(strstr(reason, "test-guest-sock"));
	assert_int_equal(guest_socket_owner(path), getpid());
	close(fd);
	free(reason);
	free(path);
}

static void what_is_no_socket_stays(void **state) {
	char path[128], *reason = NULL;
	snprintf(path, sizeof(path), "%s/file", directory);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(guest_socket_listen(path, SOCK_STREAM, &reason), -1);
	assert_non_null(strstr(reason, "no socket"));
	assert_int_equal(access(path, F_OK), 0);
	free(reason);
	snprintf(path, sizeof(path), "%s/nowhere/gpu.sock", directory);
	assert_int_equal(guest_socket_listen(path, SOCK_STREAM, NULL), -1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_place_is_private),
		cmocka_unit_test(functions_have_places_beside_the_gpu),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
		cmocka_unit_test(a_socket_without_a_listener_is_replaced),
		cmocka_unit_test(a_socket_in_use_is_refused_with_its_owner),
		cmocka_unit_test(what_is_no_socket_stays),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
