#!/usr/bin/env python3
"""mullion on a real screen: a machine with virtio-vga, whose kernel drives it by KMS and
whose keyboard, tablet and touch screen are read by libinput. Its root is the one that the tests run in.
The guest in the session is the mock VMM's: what is under test here is the screen.
"""
import json
import os
import shlex
import subprocess

from machine import Machine
from session import BUILD, TESTS, qemu_lacks
from tap import Plan, check, run_program, same, skip_all, wait_until

SCREEN = (1280, 800)
CARD = (640, 400)

plan = Plan()


class Screen(Machine):
  def __init__(self):
    # QEMU gives a button to the last device that has one: the tablet.
    super().__init__("kms-machine", "-device", f"virtio-vga,xres={SCREEN[0]},yres={SCREEN[1]}",
      "-device", "virtio-keyboard-pci", "-device", "virtio-multitouch-pci",
      "-device", "virtio-tablet-pci")

  def keys(self, *names):
    """Presses keys in this order and lets them go in the other."""
    def event(name, down):
      return {"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": name}}}
    for name in names:
      self.command("input-send-event", events=[event(name, True)])
    for name in reversed(names):
      self.command("input-send-event", events=[event(name, False)])

  def point(self, x, y, button=None):
    """Moves the pointer; button True presses the left one there, False lets it go."""
    events = [{"type": "abs", "data": {"axis": axis, "value": value * 32767 // (size - 1)}}
      for axis, value, size in (("x", x, SCREEN[0]), ("y", y, SCREEN[1]))]
    self.command("input-send-event", events=events)
    if button is not None:
      self.command("input-send-event",
        events=[{"type": "btn", "data": {"button": "left", "down": button}}])

  def touch(self, slot, x, y, kind="update"):
    """Puts a finger down ("begin"), or moves it; "end" lifts it."""
    def mtt(kind, axis, value):
      return {"type": "mtt", "data": {"type": kind, "slot": slot,
        "tracking-id": -1 if kind == "end" else slot, "axis": axis, "value": value}}
    events = [mtt(kind, "x", 0)]
    if kind != "end":
      events += [mtt("data", axis, value * 32767 // (size - 1))
        for axis, value, size in (("x", x, SCREEN[0]), ("y", y, SCREEN[1]))]
    self.command("input-send-event", events=events)

  def screen(self):
    file = self.path("screen.png")
    self.command("screendump", filename=file, format="png")
    return file

  def window(self):
    return json.loads(self.do("mullionctl windows --json"))["windows"][0]

  def shows_card(self, x, y):
    """True where the real screen shows the card there, bit by bit."""
    done = subprocess.run([os.path.join(TESTS, "picture"), "card", self.screen(), str(x), str(y),
      str(CARD[0]), str(CARD[1])], stdout=subprocess.DEVNULL)
    return done.returncode == 0


@plan.test("a session comes up on a KMS screen")
def comes_up(machine):
  machine.boot()
  build = shlex.quote(os.path.abspath(BUILD))
  machine.do(f"export PATH={build}:$PATH XDG_RUNTIME_DIR=/run/session MULLION_CONFIG_DIR=/run/config")
  machine.do("mkdir -p -m 700 /run/session /run/config/guests")
  machine.do("printf '[guest]\\nautostart = yes\\n[gpu]\\npersonality = bochs\\nvram = 4M\\nsize = 640x400\\n[machine]\\n"
    "vmm = external\\n' >/run/config/guests/card.ini")
  machine.do("printf '[desktop]\\nfilter = nearest\\nterminal = touch /run/terminal\\n' >/run/config/mullion.ini")
  machine.do("LIBSEAT_BACKEND=builtin WLR_RENDERER=pixman mullion >/run/mullion.log 2>&1 & pid=$!")
  def listed():
    status, output = machine.run("mullionctl windows --json")
    return status == 0 and json.loads(output)["windows"]
  wait_until(listed, "the session", 60, 0.5)
  machine.do("ls -l /proc/$pid/fd | grep -q /dev/dri/card0")


@plan.test("a guest's picture is on the screen bit by bit")
def picture(machine):
  path = json.loads(machine.do("mullionctl status card --json"))
  path = path.get("guest", path)["socket"]
  machine.do(f"{shlex.quote(os.path.abspath(TESTS))}/vmm/mock-guest {path} {CARD[0]} {CARD[1]} "
    ">/run/guest.log 2>&1 &")
  wait_until(lambda: machine.window()["frames"] > 0, "the guest's first frame", 30, 0.5)
  window = machine.window()
  same((window["modeWidth"], window["modeHeight"]), CARD, "mode")
  wait_until(lambda: machine.shows_card(window["x"], window["y"]), "the card on the screen", 20, 0.5)


@plan.test("dragging the title with a real pointer moves the window")
def drag(machine):
  before = machine.window()
  x, y = before["x"] + 100, before["y"] - 12
  machine.point(x, y, True)
  for step in range(1, 11):
    machine.point(x + 12 * step, y + 6 * step)
  machine.point(x + 120, y + 60, False)
  after = wait_until(lambda: machine.window()["x"] != before["x"] and machine.window(), "the move", 20, 0.5)
  check(abs(after["x"] - before["x"] - 120) <= 2, f"moved by {after['x'] - before['x']}, not 120")
  check(abs(after["y"] - before["y"] - 60) <= 2, f"moved by {after['y'] - before['y']}, not 60")
  wait_until(lambda: machine.shows_card(after["x"], after["y"]), "the card where it was dragged", 20, 0.5)


@plan.test("dragging the title with a finger on a real touch screen moves the window")
def drag_by_touch(machine):
  before = machine.window()
  x, y = before["x"] + 100, before["y"] - 12
  machine.touch(0, x, y, "begin")
  for step in range(1, 11):
    machine.touch(0, x + 10 * step, y + 4 * step)
  machine.touch(0, x, y, "end")
  after = wait_until(lambda: machine.window()["x"] - before["x"] > 95 and machine.window(), "the move", 20, 0.5)
  check(abs(after["x"] - before["x"] - 100) <= 2, f"moved by {after['x'] - before['x']}, not 100")
  check(abs(after["y"] - before["y"] - 40) <= 2, f"moved by {after['y'] - before['y']}, not 40")
  wait_until(lambda: machine.shows_card(after["x"], after["y"]), "the card where it was dragged", 20, 0.5)


@plan.test("Super+F on a real keyboard fills the screen and returns")
def fullscreen(machine):
  before = machine.window()
  machine.keys("meta_l", "f")
  wait_until(lambda: machine.window()["fullscreen"], "full screen", 20, 0.5)
  # 1280x800 is the card's size twice: its first pixels are white and stay where they are.
  def filled():
    done = subprocess.run([os.path.join(TESTS, "picture"), "plain", machine.screen(), "0", "0",
      str(SCREEN[0]), "1"], stdout=subprocess.DEVNULL)
    return done.returncode == 0
  wait_until(filled, "the card's edge at the screen's edge", 20, 0.5)
  machine.keys("meta_l", "f")
  wait_until(lambda: not machine.window()["fullscreen"], "the window", 20, 0.5)
  after = machine.window()
  same([after[key] for key in ("x", "y", "width", "height")],
    [before[key] for key in ("x", "y", "width", "height")], "the window's place")


@plan.test("Ctrl+Alt+F2 goes to another virtual terminal, and back")
def terminals(machine):
  active = "cat /sys/class/tty/tty0/active"
  first = machine.do(active).strip()
  window = machine.window()
  machine.keys("ctrl", "alt", "f2")
  wait_until(lambda: machine.do(active).strip() == "tty2", "tty2", 20, 0.5)
  check(not machine.shows_card(window["x"], window["y"]), "the session is still on the screen")
  machine.keys("alt", first.replace("tty", "f"))
  wait_until(lambda: machine.shows_card(window["x"], window["y"]), "the session again", 20, 0.5)


@plan.test("Super+Return starts the terminal of the host")
def terminal(machine):
  machine.keys("meta_l", "ret")
  wait_until(lambda: machine.run("test -e /run/terminal")[0] == 0, "the command", 20, 0.5)


@plan.test("Super+Shift+E leaves, and nothing stays behind")
def leave(machine):
  machine.keys("meta_l", "shift", "e")
  wait_until(lambda: machine.run("kill -0 $pid")[0] != 0, "the end", 30, 0.5)
  machine.do("wait $pid")
  left = machine.do("ps -eo comm | grep -E '^mullion' || :").strip()
  same(left, "", "processes left")


def main():
  why = qemu_lacks()
  if why:
    skip_all(why)
  if not os.path.exists("/usr/lib/systemd/systemd-udevd"):
    skip_all("udev is not installed")
  machine = Screen()
  def log():
    try:
      return machine.run("tail -n 30 /run/mullion.log")[1].splitlines()
    except Exception:
      return []
  try:
    return plan.run(machine, on_failure=log)
  finally:
    machine.finish()


if __name__ == "__main__":
  run_program(main)
