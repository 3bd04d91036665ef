#!/usr/bin/env python3
"""mullion on a real screen: a machine with virtio-vga, whose kernel drives it by KMS and
whose keyboard, tablet and touch screen are read by libinput. Its root is the one that the tests run in.
The guest in the session is the mock VMM's: what is under test here is the screen.
"""
import os
import subprocess

from screen import CARD, SCREEN, Screen, lacks
from session import TESTS
from tap import Plan, check, run_plan, same, wait_until

plan = Plan()


@plan.test("a session comes up on a KMS screen")
def comes_up(machine):
  machine.begin("personality = bochs\\nvram = 4M")
  machine.do("ls -l /proc/$pid/fd | grep -q /dev/dri/card0")


@plan.test("a guest's picture is on the screen bit by bit")
def picture(machine):
  machine.mock_guest(machine.guest()["socket"])
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


if __name__ == "__main__":
  run_plan(plan, Screen, lacking=lacks())
