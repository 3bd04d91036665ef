#!/usr/bin/env python3
"""The user's units under a real systemd: a machine whose process 1 it is, with the service
manager of an ordinary user below. Its root is the one that the tests run in. One guest is the
mock VMM's, which draws and notices everything; the other one a QEMU with nothing but firmware.
"""
import json
import os
import re
import shlex

from machine import Machine
from session import BUILD, TESTS, qemu_lacks
from tap import Plan, check, run_plan, same, wait_until

SYSTEMD = "/usr/lib/systemd/systemd"
MIB = 1 << 20
SLICE = 16 * MIB
RATE = 20 # frames a second
FRAMES = "/run/home/frames"

plan = Plan()


class Host(Machine):
  log = "journalctl --no-pager --lines 40"

  def __init__(self):
    super().__init__("systemd-machine")

  def systemctl(self, *words):
    return self.do("as systemctl --user --no-pager --lines 0 " + shlex.join(words))

  def property(self, unit, name):
    return self.systemctl("show", "--value", "-p", name, unit).strip()

  def guest(self, name):
    reply = json.loads(self.do(f"as mullionctl status {name} --json"))
    return reply.get("guest", reply)

  def pids(self, program):
    return {int(pid) for pid in self.run(f"pidof {program}")[1].split()}

  def drawn(self):
    return int(self.do(f"od -An -tu8 -N8 {FRAMES}"))

  def wait_drawn(self):
    before = self.drawn()
    wait_until(lambda: self.drawn() >= before + 3, "the guest draws", 20, 0.5)
    same(self.do("cat /run/home/mock.log").strip(), "", "what the guest has noticed")

  def of_group(self, guest, file):
    return self.do(f"cat $group/guest-{guest}/{file}").strip()

  def shared(self, group):
    """Bytes of shared memory that a group is charged for."""
    return int(self.do(f"grep '^shmem ' $group/{group}/memory.stat").split()[1])

  def stored(self):
    """Names of what is in the service's store."""
    status, text = self.run("as env COLUMNS=400 systemd-analyze --user --no-pager fdstore mulliond.service")
    return sorted(re.findall(r"^guest\.\S+", text, re.MULTILINE)) if status == 0 else []


@plan.test("mulliond starts with its socket, and is ready")
def starts(host):
  host.boot()
  build = shlex.quote(os.path.abspath(BUILD))
  host.do(f"for name in mullion mulliond mullion-device mullionctl; do ln -s {build}/$name /usr/local/bin/; done")
  host.do("mkdir -p /etc/systemd/user /run/config/guests")
  host.do(f"for unit in {build}/config/systemd/*.service {build}/config/systemd/*.socket; do "
    "sed 's#^ExecStart=.*/#ExecStart=/usr/local/bin/#' $unit >/etc/systemd/user/${unit##*/}; done")
  host.do(f"printf '[guest]\\nautostart = yes\\n[gpu]\\nvram = {SLICE // MIB}M\\npersonality = bochs\\n"
    "[machine]\\nvmm = external\\n' >/run/config/guests/card.ini")
  host.do(f"printf '[gpu]\\nvram = {SLICE // MIB}M\\n[machine]\\nmemory = 64M\\ncpus = 1\\nfirmware = bios\\n"
    "network = none\\ninput = virtio\\n' >/run/config/guests/machine.ini")
  host.do("printf '[mullion]\\nvram = 64M\\n' >/run/config/mullion.ini")
  host.systemctl("set-environment", "MULLION_CONFIG_DIR=/run/config", "WLR_BACKENDS=headless",
    "WLR_RENDERER=pixman")
  host.systemctl("daemon-reload")
  host.systemctl("start", "mulliond.socket")
  same(host.property("mulliond.service", "ActiveState"), "inactive", "mulliond before it is used")
  same(host.guest("card")["state"], "running", "the guest")
  same(host.property("mulliond.service", "ActiveState"), "active", "mulliond")
  same(host.property("mulliond.service", "NRestarts"), "0", "restarts")
  host.do("group=/sys/fs/cgroup$(as systemctl --user show --value -p ControlGroup mulliond.service)")


@plan.test("each guest has a cgroup with limits, and its slice is charged to it")
def groups(host):
  host.do("as mullionctl start machine")
  wait_until(lambda: host.guest("machine")["state"] == "running", "the machine runs", 40, 0.5)
  for name in ("card", "machine"):
    guest = host.guest(name)
    pids = sorted(guest[key] for key in ("devicePid", "vmmPid") if key in guest)
    same(sorted(map(int, host.of_group(name, "cgroup.procs").split())), pids, f"processes of '{name}'")
    check(int(host.of_group(name, "memory.max")) > SLICE, f"'{name}' has no limit of memory")
    check(host.shared(f"guest-{name}") >= SLICE, f"the slice is not charged to '{name}'")
    check(host.of_group(name, "pids.max") != "max", f"'{name}' has no limit of threads")
    check(not host.of_group(name, "cpu.max").startswith("max"), f"'{name}' has no limit of time")
    check("gpu: cgroup limits" in guest["layers"], f"layers: {guest['layers']}")
  check(host.shared("daemon") < MIB, "mulliond is charged for a slice")


@plan.test("a guest draws, and systemd keeps what its device needs")
def keeps(host):
  socket = shlex.quote(host.guest("card")["socket"])
  tests = shlex.quote(os.path.abspath(TESTS))
  host.do(f"as sh -c '{tests}/vmm/mock-guest {socket} 320 240 1 {RATE} {FRAMES} >/run/home/mock.log 2>&1 &'")
  wait_until(lambda: host.run(f"test -s {FRAMES}")[0] == 0, "the guest begins", 20, 0.5)
  host.wait_drawn()
  def kept():
    names = host.stored()
    # The functions of a device share the guest's memory, of which each has a descriptor.
    return {"guest.card.slice", "guest.card.vmm", "guest.card.memory-0", "guest.machine.vmm",
      "guest.machine.memory-0", "guest.machine.keyboard-vmm", "guest.machine.keyboard-memory-0",
      "guest.machine.touch-state", "guest.machine.touch-memory-0"} <= set(names)
  wait_until(kept, "the store is filled", 20, 0.5)


@plan.test("mulliond is killed, and the next one adopts its guests")
def host_dies(host):
  before = {name: host.guest(name) for name in ("card", "machine")}
  old = host.pids("mulliond")
  host.do("kill -9 $(pidof mulliond)")
  wait_until(lambda: host.pids("mulliond") - old, "another mulliond", 20, 0.5)
  for name, guest in before.items():
    now = host.guest(name)
    for key in ("state", "devicePid", "vmmPid", "sliceBase", "connected"):
      same(now.get(key), guest.get(key), f"{key} of '{name}'")
  host.wait_drawn()


@plan.test("mulliond and all devices are killed at once, and the guests go on")
def both_die(host):
  before = {name: host.guest(name) for name in ("card", "machine")}
  names = host.stored()
  host.do("kill -9 $(pidof mulliond mullion-device)")
  wait_until(lambda: len(host.pids("mullion-device")) == 2, "the next devices", 20, 0.5)
  for name, guest in before.items():
    now = wait_until(lambda: host.guest(name)["connected"] and host.guest(name),
      f"'{name}' is connected again", 20, 0.5)
    for key in ("state", "vmmPid", "sliceBase"):
      same(now.get(key), guest.get(key), f"{key} of '{name}'")
    check(now["devicePid"] != guest["devicePid"], f"the device of '{name}' is the same")
    pids = sorted(now[key] for key in ("devicePid", "vmmPid") if key in now)
    same(sorted(map(int, host.of_group(name, "cgroup.procs").split())), pids, f"processes of '{name}'")
  host.wait_drawn()
  same(host.stored(), names, "what is kept")


@plan.test("mullion comes up, is killed, and comes again with its windows")
def compositor(host):
  def windows():
    """Places of the windows, once both show something."""
    status, text = host.run("as mullionctl windows --json")
    shown = [window for window in json.loads(text)["windows"] if window["frames"]] if status == 0 else []
    return len(shown) == 2 and {window["guest"]: (window["x"], window["y"]) for window in shown}
  host.systemctl("start", "mullion.service")
  before = wait_until(windows, "windows", 30, 0.5)
  host.do("sleep 1; kill -9 $(pidof mullion)")
  wait_until(lambda: windows() == before, "the windows again", 30, 0.5)
  host.wait_drawn()
  host.systemctl("stop", "mullion.service")
  same(host.guest("card")["state"], "running", "a guest of a session that was left")


@plan.test("stopped, mulliond ends its guests, and nothing of them is kept")
def stops(host):
  host.do("as mullionctl kill machine")
  wait_until(lambda: not [name for name in host.stored() if name.startswith("guest.machine.")],
    "what was kept of a guest that ended is dropped", 20, 0.5)
  host.systemctl("stop", "mulliond.socket", "mulliond.service")
  same(host.property("mulliond.service", "Result"), "success", "the result")
  same(host.stored(), [], "what is kept")
  same(host.pids("mullion-device") | host.pids("qemu-system-x86_64"), set(), "processes left")


def lacks():
  return qemu_lacks() or (None if os.path.exists(SYSTEMD) else "systemd is not installed")


if __name__ == "__main__":
  run_plan(plan, Host, lacking=lacks())
