#include "sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox-layers.h"

static const struct {
	const char *name, *advice;
} layers[] = {
	[SANDBOX_USER_NS] = {"user namespace",
		"allow them to users (sysctl user.max_user_namespaces, "
		"kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)"},
	[SANDBOX_MOUNT_NS] = {"mount namespace", "raise sysctl user.max_mnt_namespaces"},
	[SANDBOX_PID_NS] = {"pid namespace", "raise sysctl user.max_pid_namespaces"},
	[SANDBOX_NET_NS] = {"net namespace", "raise sysctl user.max_net_namespaces"},
	[SANDBOX_IPC_NS] = {"ipc namespace", "raise sysctl user.max_ipc_namespaces"},
	[SANDBOX_UTS_NS] = {"uts namespace", "raise sysctl user.max_uts_namespaces"},
	[SANDBOX_CGROUP_NS] = {"cgroup namespace", "raise sysctl user.max_cgroup_namespaces"},
	[SANDBOX_ROOT] = {"own root", "look whether the file is there and may be read"},
	[SANDBOX_NO_NEW_PRIVS] = {"no new privileges", "use a newer kernel"},
	[SANDBOX_LANDLOCK] = {"landlock", "boot with landlock in the kernel's parameter lsm="},
	[SANDBOX_SECCOMP] = {"seccomp", "use a kernel with CONFIG_SECCOMP_FILTER"},
	[SANDBOX_NO_CAPABILITIES] = {"no capabilities", "use a newer kernel"},
	[SANDBOX_NO_EXEC_GAIN] = {"no writable code", "use a newer kernel"},
	[SANDBOX_NOT_DUMPABLE] = {"not dumpable", "use a newer kernel"},
	[SANDBOX_LIMITS] = {"resource limits", "look at 'ulimit -Ha'"},
	[SANDBOX_CGROUP] = {"cgroup limits", "look at the service's Delegate="},
};

_Static_assert(sizeof(layers) / sizeof(layers[0]) == SANDBOX_LAYERS, "each layer has a name");

const char *sandbox_layer_name(enum sandbox_layer layer) {
	return layers[layer].name;
}

void sandbox_describe(const struct sandbox_problem *problem, char line[SANDBOX_LINE_MAX]) {
	const char *detail = problem->detail, *name = strerrorname_np(problem->error);
	char error[128] = "";
	if (problem->error != 0) {
		snprintf(error, sizeof(error), ": %s (%s)", strerror(problem->error),
			name != NULL ? name : "?");
	}
	snprintf(line, SANDBOX_LINE_MAX,
		"its sandbox cannot be made: %s%s%.200s%s: %s, or set sandbox = off",
		layers[problem->layer].name, detail != NULL ? ": " : "",
		detail != NULL ? detail : "", error, layers[problem->layer].advice);
}

void sandbox_add(
	struct sandbox *sandbox, enum sandbox_access access, bool optional, const char *path) {
	struct sandbox_path *paths =
		reallocarray(sandbox->paths, sandbox->paths_len + 1, sizeof(paths[0]));
	if (paths != NULL) {
		sandbox->paths = paths;
		paths += sandbox->paths_len;
		*paths = (struct sandbox_path){strdup(path), access, optional};
	}
	if (paths == NULL || paths->path == NULL) {
		sandbox->error = -ENOMEM;
		return;
	}
	sandbox->paths_len++;
}

void sandbox_finish(struct sandbox *sandbox) {
	for (size_t i = 0; i < sandbox->paths_len; i++) {
		free(sandbox->paths[i].path);
	}
	free(sandbox->paths);
	*sandbox = (struct sandbox){0};
}

static bool failed(struct sandbox_problem *problem, enum sandbox_layer layer, int error) {
	problem->layer = layer;
	problem->error = -error;
	return error < 0;
}

/* What the device goes on with in its main(). */
static int enter_before_device(struct sandbox_problem *problem) {
	return failed(problem, SANDBOX_NO_NEW_PRIVS, sandbox_no_new_privs()) ||
			failed(problem, SANDBOX_NO_CAPABILITIES, sandbox_keep_capabilities())
		? -1
		: 0;
}

static int enter_vmm(const struct sandbox *sandbox, struct sandbox_problem *problem) {
	unsigned abi;
	if (failed(problem, SANDBOX_ROOT, sandbox->error) ||
		failed(problem, SANDBOX_ROOT, sandbox_make_root(sandbox, &problem->detail)) ||
		failed(problem, SANDBOX_NO_NEW_PRIVS, sandbox_no_new_privs()) ||
		failed(problem, SANDBOX_LANDLOCK, sandbox_landlock(sandbox, &abi)) ||
		failed(problem, SANDBOX_NO_CAPABILITIES, sandbox_drop_capabilities()) ||
		failed(problem, SANDBOX_LIMITS, sandbox_limit(sandbox->kind))) {
		return -1;
	}
	return 0;
}

int sandbox_enter(const struct sandbox *sandbox, struct sandbox_problem *ret) {
	*ret = (struct sandbox_problem){0};
	if (failed(ret, SANDBOX_USER_NS, sandbox_map_ids()) ||
		failed(ret, SANDBOX_PID_NS, getpid() == 1 ? 0 : -ESRCH)) {
		return -1;
	}
	return sandbox->kind == SANDBOX_KIND_DEVICE ? enter_before_device(ret)
						    : enter_vmm(sandbox, ret);
}

int sandbox_enter_device(
	unsigned *ret_landlock, sandbox_layers *ret_seen, struct sandbox_problem *ret) {
	const char *path;
	*ret = (struct sandbox_problem){0};
	if (failed(ret, SANDBOX_USER_NS, sandbox_check_ids()) ||
		failed(ret, SANDBOX_PID_NS, getpid() == 1 ? 0 : -ESRCH) ||
		failed(ret, SANDBOX_ROOT, sandbox_make_root(NULL, &path)) ||
		failed(ret, SANDBOX_NO_NEW_PRIVS, sandbox_no_new_privs()) ||
		failed(ret, SANDBOX_LANDLOCK, sandbox_landlock(NULL, ret_landlock)) ||
		failed(ret, SANDBOX_SECCOMP, sandbox_seccomp()) ||
		failed(ret, SANDBOX_NO_CAPABILITIES, sandbox_drop_capabilities()) ||
		failed(ret, SANDBOX_NO_EXEC_GAIN, sandbox_no_exec_gain()) ||
		failed(ret, SANDBOX_NOT_DUMPABLE, sandbox_not_dumpable()) ||
		failed(ret, SANDBOX_LIMITS, sandbox_limit(SANDBOX_KIND_DEVICE))) {
		return -1;
	}
	*ret_seen = sandbox_read_unseen();
	return 0;
}
