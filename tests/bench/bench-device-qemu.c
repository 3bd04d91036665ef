/*
 * The peer of bench-device: the same work for QEMU's own virtio-gpu, driven over qtest, so
 * that no processor is emulated. Tasks come on standard input, figures go to standard output.
 * What a doorbell takes over qtest, where it is text on a socket, is taken off.
 */
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "device-work.h"
#include "qtest-vmm.h"

static void pin(pid_t pid, int processor) {
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	sched_setaffinity(pid, sizeof(set), &set);
}

int main(void) {
	struct vmm vmm = {.fd = -1};
	struct device_work work;
	bool good = device_work_init(&work, &vmm, true);
	if (good) {
		pin(qtest_vmm_process()->pid, WORK_DEVICE_PROCESSOR);
		pin(0, WORK_DRIVER_PROCESSOR);
		work.pid = qtest_vmm_process()->pid;
		device_work_calibrate(&work);
	}
	struct work_task task;
	while (good && read(STDIN_FILENO, &task, sizeof(task)) == sizeof(task)) {
		double figure = device_work_run(&work, &task);
		good = write(STDOUT_FILENO, &figure, sizeof(figure)) == sizeof(figure);
	}
	device_work_finish(&work);
	qtest_vmm_stop(&vmm);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
