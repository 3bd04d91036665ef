#!/usr/bin/env python3
"""Programs that are killed, and a QEMU that was started by hand.

mulliond runs by itself here, as it does under systemd, so that compositors can come and go.
"""
import os
import signal
import subprocess

from session import Session, make_linux, qemu_lacks
from tap import Plan, check, run_plan, same, wait_until

BOOT_SECONDS = 90
MODE = "640x480"
KEY_Q = 16

plan = Plan()


def configure(session):
  session.configure("mullion", "[mullion]\nvram = 32M\n[desktop]\noutput = 800x600\n")
  session.configure_linux("linux", size=MODE, vram="8M", stop_timeout="10s", input="virtio")
  for name, restart in (("returns", "on-failure"), ("always", "always")):
    session.configure(name, f"""
[guest]
restart = {restart}
[gpu]
personality = bochs
vram = 8M
[machine]
memory = 64M
cpus = 1
firmware = bios
network = none
""")
  session.configure("by-hand", f"[gpu]\npersonality = bochs\nvram = 8M\nsize = {MODE}\n[machine]\nvmm = external\n")


def qemu_by_hand(session):
  kernel, initrd = make_linux("trixie")
  return [
    "qemu-system-x86_64", "-M", "q35,memory-backend=mem", "-accel", "tcg", "-m", "256",
    "-object", "memory-backend-memfd,id=mem,size=256M,share=on", "-nodefaults",
    "-no-user-config", "-display", "none", "-vga", "none", "-kernel", kernel, "-initrd", initrd,
    "-append", "quiet console=tty0 mullion.card=0", "-serial", f"file:{session.path('by-hand.serial')}",
  ]


def card_is_up(session, guest):
  session.expect_serial(guest, "^card " + MODE, seconds=BOOT_SECONDS)
  wait_until(lambda: not session.ctl("screenshot", guest, session.path(f"{guest}.png"))[0] and
    session.picture("card", session.path(f"{guest}.png"))[0], f"'{guest}' shows its card", 10)


@plan.test("a guest that was started before there was a screen shows its picture on it")
def late_screen(session):
  session.start("mulliond")
  wait_until(lambda: not session.ctl("list")[0], "mulliond answers", 20)
  session.do("start", "linux")
  session.expect_serial("linux", "^card " + MODE, seconds=BOOT_SECONDS)
  session.start()
  wait_until(lambda: not session.ctl("windows")[0], "mullion answers", 20)
  card_is_up(session, "linux")


@plan.test("a guest outlives a compositor that is killed, and the next one shows it")
def compositor_dies(session):
  before = session.guest("linux")
  session.process.kill()
  session.process.wait()
  wait_until(lambda: not session.guest("linux")["shown"], "mulliond sees that", 10)
  session.start()
  wait_until(lambda: not session.ctl("windows")[0], "mullion answers", 20)
  card_is_up(session, "linux")
  for key in ("devicePid", "vmmPid", "state"):
    same(session.guest("linux")[key], before[key], key)


@plan.test("a QEMU started by hand connects to an external guest's socket and is shown")
def by_hand(session):
  session.do("start", "by-hand")
  gpu = '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"%s"}}'
  process = subprocess.Popen(qemu_by_hand(session) + ["-device", gpu % session.guest("by-hand")["socket"]],
    stdin=subprocess.DEVNULL, start_new_session=True)
  session.started.append(process)
  card_is_up(session, "by-hand")
  check(session.guest("by-hand")["connected"], "no VMM is connected")
  process.kill()
  process.wait()
  wait_until(lambda: not session.guest("by-hand")["connected"], "the VMM is seen to be gone", 10)
  session.do("kill", "by-hand")
  same(session.guest("linux")["state"], "running", "the other guest")


@plan.test("a guest whose QEMU is killed has failed, and leaves but a window that says so")
def qemu_dies(session):
  os.kill(session.guest("linux")["vmmPid"], signal.SIGKILL)
  session.expect_state("linux", "failed", 10)
  check(session.guest("linux")["reason"], "no reason is given")
  same(session.ask("vram")["slices"], [], "the slices in use")
  wait_until(lambda: "mullion-device" not in session.left_over().values(), "its device ends", 5)
  check("linux" in session.windows(), "no window says that it failed")
  session.do("focus", "linux")
  session.input(f"key {KEY_Q} super shift")
  wait_until(lambda: "linux" not in session.windows(), "its window can be closed", 5)


def expect_return(session, name, signal_number):
  """Ends a guest's QEMU and waits until it runs again."""
  before = session.guest(name)["vmmPid"]
  os.kill(before, signal_number)
  wait_until(lambda: session.guest(name).get("vmmPid") not in (None, before) and
    session.guest(name)["state"] == "running", f"'{name}' runs again", 40)
  same(len(session.ask("vram")["slices"]), 1, "slices in use")


def expect_kill(session, name):
  session.do("kill", name)
  session.expect_state(name, "off", 20)
  check("reason" not in session.guest(name), "there is a reason")


@plan.test("a guest with restart = on-failure comes back when its QEMU is killed, until it is stopped")
def comes_back(session):
  session.do("start", "returns")
  session.expect_state("returns", "running", 40)
  for _ in range(3):
    expect_return(session, "returns", signal.SIGKILL)
  expect_kill(session, "returns")


@plan.test("one whose QEMU ends as after power-off stays off then, and with restart = always comes back")
def always_comes_back(session):
  session.do("start", "returns")
  session.expect_state("returns", "running", 40)
  os.kill(session.guest("returns")["vmmPid"], signal.SIGTERM)
  session.expect_state("returns", "off", 20)
  session.do("start", "always")
  session.expect_state("always", "running", 40)
  expect_return(session, "always", signal.SIGTERM)
  expect_return(session, "always", signal.SIGKILL)
  same(session.guest("returns")["state"], "off", "the one that ended for good")
  expect_kill(session, "always")


@plan.test("leaving a session stops no guest of a mulliond that runs by itself")
def compositor_leaves(session):
  session.do("start", "linux")
  session.expect_state("linux", "running")
  session.process.terminate()
  same(session.process.wait(20), 0, "the status of mullion, which only leaves")
  same(session.guest("linux")["state"], "running", "the guest of a session that was left")


if __name__ == "__main__":
  run_plan(plan, Session, configure, lacking=qemu_lacks())
