#!/usr/bin/env python3
"""virtio-gpu under real guests: firmware draws first, the driver of Linux takes the card over,
and a reboot gives it back.

bios: SeaBIOS without anything to boot. linux: Debian's stable kernel, from BIOS. newer: the
kernel of backports, from UEFI, with two monitors that follow their windows. moving: a guest
that draws without a pause, on a card that has no VGA. pin: the same on the default card, and
its kernel knows no message-signalled interrupts.
"""
import os
import re
import signal
import time

from session import Session, qemu_lacks
from tap import Plan, check, run_plan, same, wait_until

MODE = (800, 600)
BOOT_SECONDS = 120
KEY_SPACE = 57
KILLS = 6
MOVING = 3 # the number of its picture
COMMANDS = ("command-mode-set", "command-memory", "command-query", "command-draw")

plan = Plan()


def configure(session):
  size = "{}x{}".format(*MODE)
  session.configure("mullion", "[mullion]\nvram = 192M\n[desktop]\noutput = 1280x800\n")
  session.configure("bios", f"[guest]\nstop-timeout = 1s\n[gpu]\nvram = 16M\nsize = {size}\n"
    "[machine]\nmemory = 64M\ncpus = 1\nfirmware = bios\nnetwork = none\n")
  session.configure_linux("linux", size=size)
  session.configure_linux("newer", suite="trixie-backports", firmware="uefi", size="follow",
    vram="64M", gpu="heads = 2")
  session.configure_linux("moving", f"mullion.moving={MOVING}", size=size, vram="32M",
    personality="virtio-gpu")
  session.configure_linux("pin", f"mullion.moving={MOVING}", size=size, append="pci=nomsi")


def counts(session, guest):
  return {name: trap["count"] for name, trap in session.traps(guest).items()}


def is_drawn(session, guest):
  """It has a picture of its own that is not of one colour."""
  file = session.path(f"{guest}.png")
  return session.ctl("screenshot", guest, file)[0] == 0 and not session.picture("plain", file)[0]


def is_card(session, guest):
  file = session.path(f"{guest}.png")
  return session.ctl("screenshot", guest, file)[0] == 0 and session.picture("card", file)[0]


def sees_firmware(session, guest, before):
  """The firmware's picture is seen, by dispi, until a driver has set a mode."""
  def seen():
    now = counts(session, guest)
    same(now["command-mode-set"], before["command-mode-set"], "modes that a driver has set")
    return now["mode-set"] > before["mode-set"] and is_drawn(session, guest) and \
      not session.picture("card", session.path(f"{guest}.png"))[0]
  wait_until(seen, f"the firmware of '{guest}' has drawn", BOOT_SECONDS)


def types(session, guest, text, pattern, seconds=20):
  mark = session.mark(guest)
  session.do("focus", guest)
  session.input(f"type {text} > /dev/ttyS0\\n")
  return session.expect_serial(guest, pattern, mark, seconds)


@plan.test("SeaBIOS shows its text on virtio-vga")
def bios(session):
  session.start()
  wait_until(lambda: not session.ctl("windows")[0], "mullion answers", 30)
  session.do("start", "bios")
  wait_until(lambda: is_drawn(session, "bios"), "the BIOS has drawn", 60)
  same(session.picture("size", session.path("bios.png"))[1], "{}x{}".format(*MODE), "its size")
  now = counts(session, "bios")
  check(now["mode-set"] > 0, "no mode was set")
  same([now[name] for name in COMMANDS], [0] * len(COMMANDS), "commands")
  session.do("kill", "bios")


@plan.test("the driver takes the card over from the BIOS, and its picture is right bit by bit")
def taken_over(session):
  session.do("start", "linux")
  sees_firmware(session, "linux", {"command-mode-set": 0, "mode-set": 0})
  session.expect_serial("linux", "^card {}x{}".format(*MODE), seconds=BOOT_SECONDS)
  wait_until(lambda: is_card(session, "linux"), "its test card is shown", 5)
  check("0x1af4 0x1050" in session.serial("linux"), "the guest sees another card")


@plan.test("a driver's commands are counted, the privileged apart, and none is refused")
def traps(session):
  traps = session.traps("linux")
  for name in COMMANDS + ("virtio-config", "virtio-notify"):
    check(traps[name]["count"] > 0, f"no {name} was counted")
  same([name for name in traps if "command" in name and traps[name]["privileged"]],
    ["command-mode-set", "command-memory"], "the privileged commands")
  for name in ("vram", "other", "command-refused"):
    same(traps[name]["count"], 0, name)
  privileged, rest = session.do("traps", "linux").split("UNPRIVILEGED")
  check(re.search(r"^command-memory +\d+", privileged, re.MULTILINE), f"traps: {privileged}")
  check(re.search(r"^command-draw +\d+", rest, re.MULTILINE), f"traps: {rest}")


@plan.test("its pictures lie in its slice's heap, and status says how much of it they take")
def heap(session):
  status = session.guest("linux")
  same((status["personality"], status["heads"]), ("virtio-vga", 1), "the card")
  frame = MODE[0] * MODE[1] * 4
  check(frame <= status["heapUsed"] <= status["heapSize"] < status["sliceLimit"],
    f"{status['heapUsed']} of {status['heapSize']}")
  check(status["resources"] > 0, "there is no resource")
  same(interrupt(session, "linux"), "msix", "its interrupt")


@plan.test("a picture that does not change causes no frame, and the console that follows is seen")
def console(session):
  before = session.ask("traps", "linux")["commits"]
  time.sleep(2)
  same(session.ask("traps", "linux")["commits"], before, "frames of a picture that stands")
  mark = session.mark("linux")
  session.do("focus", "linux")
  session.input(f"key {KEY_SPACE}")
  session.expect_serial("linux", "^guest: console", mark, 20)
  old = session.shot("linux", "before")
  types(session, "linux", "ls -l / | tee /dev/tty1", "init")
  wait_until(lambda: int(session.picture("differ", old, session.shot("linux"))[1]) > 1000,
    "what was typed is seen", 5)


@plan.test("a reboot gives the card back to the BIOS, and the next driver takes it over")
def reboot(session):
  before, mark = counts(session, "linux"), session.mark("linux")
  session.do("focus", "linux")
  session.input("type reboot -f\\n")
  wait_until(lambda: session.ask("traps", "linux")["resets"] > 1, "the GPU is reset", 30)
  sees_firmware(session, "linux", dict(before,
    **{"command-mode-set": counts(session, "linux")["command-mode-set"]}))
  session.expect_serial("linux", "^card ", mark, BOOT_SECONDS)
  wait_until(lambda: is_card(session, "linux"), "its test card is shown", 5)
  same(counts(session, "linux")["command-refused"], 0, "commands that were refused")


@plan.test("the newest kernel takes the card over from UEFI, with a window for each monitor")
def two_heads(session):
  session.do("start", "newer")
  sees_firmware(session, "newer", {"command-mode-set": 0, "mode-set": 0})
  session.expect_serial("newer", "^card 1024x768", seconds=BOOT_SECONDS)
  wait_until(lambda: is_card(session, "newer"), "its test card is shown", 5)
  wait_until(lambda: "newer:2" in windows(session), "its second monitor has a window", 5)
  same(session.guest("newer")["heads"], 2, "its heads")


def windows(session):
  """The windows by the name that mullionctl takes."""
  return {window["guest"] if window.get("head", 1) == 1 else f"{window['guest']}:{window['head']}":
    window for window in session.ask("windows")["windows"]}


@plan.test("a monitor that follows its window prefers the window's size")
def follows(session):
  mark = session.mark("newer")
  session.do("focus", "newer")
  session.expect_keys("newer")
  session.input(f"key {KEY_SPACE}")
  session.expect_serial("newer", "^guest: console", mark, 20)
  session.do("resize", "newer", "900", "700")

  def prefers():
    mark = session.mark("newer")
    session.input("type head -n 1 /sys/class/drm/card0-Virtual-1/modes > /dev/ttyS0\\n")
    return session.expect_serial("newer", r"^(\d+x\d+)$", mark, 10)[1] == "900x700"
  wait_until(prefers, "the guest's monitor has that size", 20, 0.5)


def outlives_devices(session, guest):
  session.do("start", guest)
  session.expect_serial(guest, "^frame 5 ", seconds=BOOT_SECONDS)
  vmm, resets = session.guest(guest)["vmmPid"], session.ask("traps", guest)["resets"]
  for _ in range(KILLS):
    pid = session.guest(guest)["devicePid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: session.guest(guest).get("devicePid") not in (None, pid),
      "it has another device", 10)
    number = int(re.findall(r"^frame (\d+) ", session.serial(guest), re.MULTILINE)[-1])
    session.expect_serial(guest, f"^frame {number + 8} ", seconds=20)
  wait_until(lambda: session.guest(guest)["shown"], "it is shown", 20)
  wait_until(lambda: session.picture("moving", session.shot(guest), MOVING, 1, 1 << 23)[0],
    "its picture is one of its frames, bit by bit", 10)
  status = session.guest(guest)
  same((status["vmmPid"], status["deviceRestarts"]), (vmm, KILLS), "QEMU, and the restarts")
  same(session.ask("traps", guest)["resets"], resets, "resets of its GPU")
  same(counts(session, guest)["command-refused"], 0, "commands that were refused")
  same(len(re.findall("^guest: linux ", session.serial(guest), re.MULTILINE)), 1, "its boots")
  with open(session.path("mullion.log"), errors="replace") as log:
    same([line for line in log if "QEMU: " in line], [], "what QEMU says")


def interrupt(session, guest):
  return next(row for row in session.ask("table")["rows"] if row["guest"] == guest)["guestInterrupt"]


@plan.test("a guest that draws without a pause is shown, and does not notice that its device dies")
def killed(session):
  outlives_devices(session, "moving")
  same(interrupt(session, "moving"), "msix", "its interrupt")


@plan.test("so does one without message-signalled interrupts")
def pin(session):
  outlives_devices(session, "pin")
  same(interrupt(session, "pin"), "intx", "its interrupt")
  check(counts(session, "pin")["virtio-isr"] > 0, "nobody asked what an interrupt was for")


@plan.test("all can be left, and nothing of it remains")
def leave(session):
  for guest in ("linux", "newer", "moving", "pin"):
    session.do("kill", guest)
  session.do("leave")
  same(session.process.wait(40), 0, "the status of mullion")
  wait_until(lambda: not session.left_over(), "all processes end", 10)


if __name__ == "__main__":
  run_plan(plan, Session, configure, lacking=qemu_lacks())
