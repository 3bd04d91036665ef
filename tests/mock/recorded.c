#include "recorded.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

void recorded_end(struct mock *mock, struct recorder *recorder) {
	struct process *process = &mock->host.process;
	bool gone = recorder->gone, alive = process_alive(process);
	bool complaint = process_complained(process);
	if (gone || !alive || complaint) {
		char *log = process_log(process);
		fprintf(stderr, "%s\n", log);
		free(log);
	}
	int status = device_host_stop(&mock->host);
	vmm_close(&mock->vmm);
	recorder_destroy(recorder);
	assert_false(gone);
	assert_true(alive);
	assert_false(complaint);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
