#!/usr/bin/env python3
"""A whole Debian 13 desktop in a session, booted once and looked at from all sides: nothing
in the guest is made for mullion. See tests/guests/make-desktop.
"""
import os
import signal
import time

from session import Session, make_desktop, qemu_lacks
from tap import Plan, check, run_plan, same, skip_all, wait_until

NAME = "desktop"
OUTPUT = (1600, 1000)
BOOT_SECONDS = 400
RATE = 60
SIZE = (1024, 768)
ON_DESKTOP, ON_TERMINAL = (60, 60), (500, 500) # in the guest's picture
KEY_C, KEY_ENTER = 46, 28

plan = Plan()


def configure(session):
  made = make_desktop()
  if not made:
    skip_all("the desktop guest cannot be made here")
  session.backing, kernel, initrd = made
  session.overlay = session.path("disk.qcow2")
  make_desktop("overlay", session.backing, session.overlay)
  session.configure("mullion", f"""
[mullion]
vram = 128M
[desktop]
output = {OUTPUT[0]}x{OUTPUT[1]}
""")
  session.configure(NAME, f"""
[guest]
title = Debian
autostart = yes
stop-timeout = 2s
[gpu]
personality = virtio-vga
vram = 128M
[machine]
memory = 1G
cpus = 2
firmware = bios
disk = {session.overlay}
kernel = {kernel}
initrd = {initrd}
append = root=/dev/vda rw quiet console=tty0
network = none
extra = -serial file:{session.serial_file(NAME)}
paths = {session.path(NAME + '.serial')}
read-only-paths = {session.backing}
""")


@plan.test("a desktop comes up and a user's terminal is open")
def comes_up(session):
  session.start()
  wait_until(lambda: session.process.poll() is not None or not session.ctl("list")[0],
    "mullionctl list answers", 30)
  session.expect_serial(NAME, "^desktop: terminal", seconds=BOOT_SECONDS)
  wait_until(lambda: not session.picture("plain", session.shot(NAME))[0], "a picture", 20)
  same(say(session, "drivers $(ls /sys/bus/virtio/drivers/virtio_gpu | grep -c ^virtio)",
    r"^drivers (\d+)$")[1], "1", "GPUs with Linux's own driver")


def type_line(session, line):
  """As fast as it goes, also to a guest that is busy: no key may be lost."""
  session.input(f"type {line}", f"key {KEY_ENTER}")


def say(session, what, pattern):
  """Has the user's shell print something; returns the match."""
  for _ in range(3):
    mark = session.mark(NAME)
    type_line(session, f"say {what}")
    try:
      return session.expect_serial(NAME, pattern, mark, 20)
    except AssertionError as error:
      lost = error
      stop_command(session)
  raise lost


def uptime(session):
  return float(say(session, "up $(</proc/uptime)", r"^up ([\d.]+) ")[1])


def frames(session):
  """What the compositor has been given, and what the guest has drawn."""
  return session.windows()[NAME]["frames"], session.traps(NAME)["command-draw"]["count"]


def counted(session, seconds):
  """Frames and drawing commands of some seconds, and the seconds that it really were."""
  before, start = frames(session), time.monotonic()
  time.sleep(seconds)
  after, took = frames(session), time.monotonic() - start
  return after[0] - before[0], after[1] - before[1], took


def stop_command(session):
  session.input(f"key {KEY_C} ctrl")


@plan.test("what is typed arrives in its terminal and is seen there")
def typing(session):
  before = session.shot(NAME, "before")
  same(say(session, "sum $((6*7))", r"^sum (\d+)$")[1], "42", "what the shell has made of it")
  wait_until(lambda: not session.picture("same", before, 0, 0, session.shot(NAME), 0, 0, *SIZE)[0],
    "new text", 10)


@plan.test("its keyboard and pointers are virtio's, and udev knows what they are")
def input_devices(session):
  kinds = "for e in /sys/class/input/event*; do grep -q mullion $e/device/name && udevadm info $e; done"
  said = say(session, f"kinds $({kinds} | grep -o 'ID_INPUT_[A-Z]*=1$' | sort | xargs)", "^kinds (.*)$")[1]
  same(said.split(), [f"ID_INPUT_{kind}=1" for kind in
    ("KEY", "KEYBOARD", "MOUSE", "MOUSE", "TOUCHSCREEN")], "what udev says")


def expect_size(session, width, height):
  wait_until(lambda: session.picture("size", session.shot(NAME))[1] == f"{width}x{height}",
    f"the guest's picture is {width}x{height}", 30, 0.3)
  same(session.window(NAME)[2:], (width, height), "the window")


@plan.test("the desktop takes the size of its window, to the pixel")
def resize(session):
  for width, height in ((1237, 699), (801, 601), SIZE):
    session.do("resize", NAME, str(width), str(height))
    expect_size(session, width, height)


@plan.test("it fills the screen in the screen's size, and comes back")
def fullscreen(session):
  session.do("fullscreen", NAME)
  wait_until(lambda: session.picture("size", session.shot(NAME))[1] == f"{OUTPUT[0]}x{OUTPUT[1]}",
    "the size of the screen", 30, 0.3)
  session.do("fullscreen", "off")
  expect_size(session, *SIZE)


def pointer(session, x, y):
  """Takes a picture of the session with the pointer there."""
  session.input(f"move {x} {y}")
  time.sleep(2)
  return session.shot(name=f"pointer-{x}-{y}")


@plan.test("the pointer has the shape that the guest gives it")
def cursor(session):
  left, top, width, height = session.window(NAME)
  away = pointer(session, left + width + 100, top + height + 100)
  pixels, commands = [], []
  for x, y in (ON_DESKTOP, ON_TERMINAL):
    there = pointer(session, left + x, top + y)
    pixels.append(int(session.picture("differ", away, there)[1].split()[0]))
    commands.append(session.traps(NAME)["command-cursor"]["count"])
  print(f"# pixels that the pointer changes: {pixels}", flush=True)
  # Two pointers with 64x64 pixels each, most of them transparent.
  check(0 < min(pixels) and max(pixels) < 2048, "a pointer is missing, or a square")
  check(pixels[0] != pixels[1], "the pointer has one shape over desktop and terminal")
  check(commands[1] > commands[0], "the guest has set no pointer on the way")


@plan.test("an animation runs at the screen's rate and no faster")
def animation(session):
  type_line(session, "animate")
  time.sleep(2)
  shown, drawn, took = counted(session, 5)
  stop_command(session)
  print(f"# {shown / took:.1f} frames a second, {drawn / took:.1f} commands that draw", flush=True)
  check(shown > took * RATE / 20, f"{shown} frames in {took:.1f} s: it hardly moves")
  check(shown <= took * RATE * 1.05 + 2, f"{shown} frames in {took:.1f} s: faster than the screen")
  # A flip is a transfer and a flush.
  check(drawn <= took * RATE * 2.2 + 8, f"{drawn} commands in {took:.1f} s: the guest is not held back")


@plan.test("a desktop at rest is not shown anew")
def rest(session):
  type_line(session, "clear")
  time.sleep(2)
  shown, _, took = counted(session, 3)
  check(shown <= 1, f"{shown} frames in {took:.1f} s in which nothing moved")


@plan.test("a death of its GPU process under load passes unnoticed")
def killed(session):
  up = uptime(session)
  type_line(session, "animate")
  time.sleep(1)
  for _ in range(3):
    before = session.guest(NAME)
    os.kill(before["devicePid"], signal.SIGKILL)
    wait_until(lambda: session.guest(NAME).get("devicePid") not in (None, before["devicePid"]),
      "another GPU process", 20)
    wait_until(lambda: session.guest(NAME)["shown"], "the guest is shown", 20)
    time.sleep(0.7)
  shown, _, took = counted(session, 3)
  check(shown > took * RATE / 20, f"{shown} frames in {took:.1f} s after the deaths")
  stop_command(session)
  time.sleep(0.5)
  check(uptime(session) > up, "the guest has started anew")
  same(session.guest(NAME)["vmmPid"], before["vmmPid"], "QEMU's process")


@plan.test("it reboots")
def reboot(session):
  mark, resets = session.mark(NAME), session.ask("traps", NAME)["resets"]
  type_line(session, "su -lc reboot")
  session.expect_serial(NAME, "^desktop: terminal", mark, BOOT_SECONDS)
  check(session.ask("traps", NAME)["resets"] > resets, "the GPU was not reset")
  session.do("focus", NAME)
  same(say(session, "sum $((6*7))", r"^sum (\d+)$")[1], "42", "what the shell says")


if __name__ == "__main__":
  run_plan(plan, Session, configure, lacking=qemu_lacks())
