#!/usr/bin/env python3
"""What cannot be started is refused in one line, and nothing half-started stays behind.

mulliond runs alone here, and no guest is booted.
"""
import os
import signal
import socket
import subprocess

from session import Session, program
from tap import Plan, check, run_plan, same, wait_until

plan = Plan()

GUESTS = ("no-qemu", "old-qemu", "no-disk", "no-kernel", "big", "busy", "plain")

OLD_QEMU = """#!/bin/sh
case "$*" in
*-version*) echo 'QEMU emulator version 9.2.0' ;;
*help*) echo 'name "virtio-vga", bus PCI' ;;
*) echo "qemu: -device: 'vfio-user-pci' is not a valid device model name" >&2; exit 1 ;;
esac
"""


def configure(session):
  def guest(name, machine, vram="8M"):
    session.configure(name, f"[guest]\nstop-timeout = 1s\n[gpu]\nvram = {vram}\nsize = 640x480\n[machine]\n"
      f"memory = 64M\ncpus = 1\nnetwork = none\n{machine}\n")

  old = session.path("old-qemu")
  with open(old, "w") as file:
    file.write(OLD_QEMU)
  os.chmod(old, 0o755)
  session.configure("mullion", "[mullion]\nvram = 32M\n")
  guest("no-qemu", "qemu = /nowhere/qemu-system-x86_64")
  guest("old-qemu", f"qemu = {old}")
  guest("no-disk", "disk = /nowhere/disk.qcow2")
  guest("no-kernel", "kernel = /nowhere/vmlinuz")
  guest("big", "vmm = external", vram="28M")
  guest("busy", f"vmm = external\nsocket = {session.path('busy.sock')}")
  guest("plain", "vmm = external")


def refused(session, name, *words, others=()):
  """Starting it fails in one line with these words, and leaves nothing behind but what
  others already had."""
  before = session.left_over()
  status, _, errors = session.ctl("start", name)
  check(status != 0, f"'{name}' was started")
  same(len(errors.splitlines()), 1, f"lines of the refusal: {errors!r}")
  for word in words:
    check(word in errors, f"{word!r} does not occur in {errors!r}")
  guest = session.guest(name)
  check(guest["state"] in ("off", "failed"), f"'{name}' is {guest['state']}")
  check(guest.get("devicePid") is None and guest.get("vmmPid") is None, "it has processes")
  same([one["guest"] for one in session.ask("vram")["slices"]], list(others), "who has a slice")
  same(session.left_over(), before, "the processes")


@plan.test("mulliond runs without a session, and lists its guests")
def answers(session):
  wait_until(lambda: not session.ctl("list")[0], "mullionctl list answers", 20)
  same(sorted(session.guests()), sorted(GUESTS), "the guests")


@plan.test("a QEMU that is not there is named")
def no_qemu(session):
  refused(session, "no-qemu", "/nowhere/qemu-system-x86_64")


@plan.test("a QEMU that is too old is refused, with the version that would do")
def old_qemu(session):
  refused(session, "old-qemu", "10.1")


@plan.test("a disk that is not there is named")
def no_disk(session):
  refused(session, "no-disk", "/nowhere/disk.qcow2")


@plan.test("a kernel that is not there is named")
def no_kernel(session):
  refused(session, "no-kernel", "/nowhere/vmlinuz")


@plan.test("a slice that does not fit beside the others is refused, with the map")
def full_pool(session):
  session.do("start", "plain")
  wait_until(lambda: session.guest("plain").get("devicePid") in session.left_over(),
    "the device of 'plain' runs", 5)
  refused(session, "big", "28", "plain", others=["plain"])
  session.do("stop", "plain")
  session.expect_state("plain", "off", 10)
  session.do("start", "big")
  session.do("kill", "big")


@plan.test("a socket on which somebody listens is refused and left alone")
def busy(session):
  with socket.socket(socket.AF_UNIX) as owner:
    owner.bind(session.path("busy.sock"))
    owner.listen()
    refused(session, "busy", session.path("busy.sock"))
    with socket.socket(socket.AF_UNIX) as client:
      client.connect(session.path("busy.sock"))


@plan.test("a guest with an external VMM waits at the socket that its status names")
def external(session):
  session.do("start", "plain")
  guest = session.guest("plain")
  check(not guest["connected"], "a VMM is connected")
  check(os.path.exists(guest["socket"]), f"{guest['socket']} is not there")
  same(len(session.ask("vram")["slices"]), 1, "slices")
  session.do("stop", "plain")
  session.expect_state("plain", "off", 10)
  same(session.ask("vram")["slices"], [], "the slices in use")
  check(not os.path.exists(guest["socket"]), "its socket is still there")


@plan.test("a second mulliond is refused in one line, and the first goes on")
def second(session):
  done = subprocess.run([program("mulliond")], env=session.environment, capture_output=True,
    text=True, stdin=subprocess.DEVNULL, timeout=20)
  check(done.returncode != 0, "it runs")
  same(len(done.stderr.splitlines()), 1, f"lines: {done.stderr!r}")
  session.do("list")


@plan.test("a signal ends mulliond, and no socket stays behind")
def ends(session):
  session.process.send_signal(signal.SIGTERM)
  same(session.process.wait(20), 0, "its status")
  same(session.left_over(), {}, "processes")
  same(session.sockets(), [], "files in the runtime directory")


@plan.test("a broken configuration is reported in full, and nothing starts")
def broken(session):
  session.configure("plain", "[machine]\nmemory = lots\ncpus = 0\n[gpu]\ncolour = red\n")
  done = subprocess.run([program("mulliond")], env=session.environment, capture_output=True,
    text=True, stdin=subprocess.DEVNULL, timeout=20)
  check(done.returncode != 0, "it runs")
  for place in ("plain.ini:2", "plain.ini:3", "plain.ini:5"):
    check(place in done.stderr, f"{place} is not reported: {done.stderr!r}")
  same(session.left_over(), {}, "processes")


def prepare(session):
  configure(session)
  session.start("mulliond")


if __name__ == "__main__":
  run_plan(plan, Session, prepare)
